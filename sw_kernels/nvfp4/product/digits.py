"""How many digits of eight bits hold the numbers of an NVFP4 matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# 12 half units times 448 * 2**9 units of the scale.
LARGEST = 12 * 448 << 9

# The largest number of so many signed digits of 8 bits, all positive ones 127.
_HELD = {1: 127, 2: 127 * 256 + 127, 3: (127 * 256 + 127) * 256 + 127}


@dataclass(frozen=True, slots=True)
class Digits:
    """``element * block scale`` in units of ``2**(shift - 10)`` as ``count`` signed digits of eight bits.

    Attributes
    ----------
    count : int
        1, 2 or 3.
    shift : int
        Every number is a multiple of ``2**shift`` units of ``2**-10``.
    """

    count: int = 3
    shift: int = 0


# What any matrix fits.
ALL = Digits()


def digits_of(scales: Any) -> Digits:
    """The fewest digits for whatever elements stand under these block scales.

    Parameters
    ----------
    scales : uint8 tensor
        E4M3 codes. Reading them waits for the device, so this is for matrices that stay.
    """
    used = scales[scales > 0]
    if not used.numel():
        return Digits(1)
    least, most = int(used.min()), int(used.max())
    shift = max(0, (least >> 3) - 1)
    units = (8 + (most & 7)) << ((most >> 3) - 1) if most >> 3 else most & 7
    count = next(count for count, held in _HELD.items() if 12 * units >> shift <= held)
    return Digits(count, shift)
