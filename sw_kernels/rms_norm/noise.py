"""Normal numbers from a counter, so that each pass can make the same ones again and none are stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workloads.errors import BrickworkError

Words = npt.NDArray[np.uint64]

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW, _BITS = np.uint64(0xFFFFFFFF), np.uint64(32)


class NoiseError(BrickworkError):
    """Noise that cannot be made."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise ``sigma * z`` on the weights of one layer, z normal and the same for all rows.

    Attributes
    ----------
    sigma : float
    seed : int
        63 bits. Layers and passes that must differ need seeds that differ.
    """

    sigma: float
    seed: int

    def __post_init__(self) -> None:
        if not 0 <= self.sigma < float("inf"):
            raise NoiseError(f"noise: sigma must be a number of at least 0, not {self.sigma}")
        if not 0 <= self.seed < 1 << 63:
            raise NoiseError(f"noise: the seed must be of 0..2**63 - 1, not {self.seed}")

    def values(self, channels: int) -> npt.NDArray[np.float64]:
        """The noise of so many channels, as the definition has it."""
        words = philox(np.arange(channels, dtype=np.uint64), self.seed)
        first, second = (_uniform(word) for word in words[:2])
        return self.sigma * np.sqrt(-2 * np.log(np.maximum(first, 1e-7))) * np.cos(2 * np.pi * second)


def philox(counters: Words, seed: int) -> tuple[Words, Words, Words, Words]:
    """Philox-4x32 with ten rounds: four words of 32 bits for each counter.

    References
    ----------
    J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.
    """
    c = [counters & _LOW, counters >> _BITS, np.zeros_like(counters), np.zeros_like(counters)]
    keys = [np.uint64(seed) & _LOW, np.uint64(seed) >> _BITS]
    for _ in range(10):
        even, odd = (m * word for m, word in zip(_MULTIPLIERS, (c[0], c[2]), strict=True))
        c = [odd >> _BITS ^ c[1] ^ keys[0], odd & _LOW, even >> _BITS ^ c[3] ^ keys[1], even & _LOW]
        keys = [(key + step) & _LOW for key, step in zip(keys, _KEY_STEPS, strict=True)]
    return c[0], c[1], c[2], c[3]


def _uniform(word: Words) -> npt.NDArray[np.float64]:
    """Words to [0, 1) as Triton's ``rand`` takes them: folded at the sign bit, then scaled in fp32."""
    signed = word.astype(np.uint32).view(np.int32)
    folded = np.where(signed < 0, ~signed, signed).astype(np.float32)
    return (folded * np.float32(4.6566127342e-10)).astype(np.float64)
