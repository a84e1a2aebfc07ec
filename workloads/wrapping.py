"""Two's complement of any width."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def wrapped(value: int, bits: int) -> int:
    """``value`` in two's complement of ``bits`` bits."""
    half = 1 << (bits - 1)
    return (value + half) % (2 * half) - half


def wrapped_array(values: npt.NDArray[np.int64], bits: int) -> npt.NDArray[np.int64]:
    """`wrapped`, element by element."""
    return values << np.int64(64 - bits) >> np.int64(64 - bits)
