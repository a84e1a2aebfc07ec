"""How a single element of a tensor is stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workloads.errors import BrickworkError
from workloads.formats.encoding import BF16, E2M1, E4M3, E5M2, E8M0, FP16, FP32, Encoding


class FormatError(BrickworkError):
    """A format name that is not known."""

    def __init__(self, name: str, known: tuple[str, ...] | None = None) -> None:
        self.name = name
        super().__init__(f"format {name!r} is not known; expected one of {', '.join(known or FORMATS)}")


@dataclass(frozen=True, slots=True)
class Format:
    """A storage format.

    A block scale is a tensor of its own, with a format and an access map of its own.

    Attributes
    ----------
    name : str
    bits : int
    encoding : Encoding or None
        Of floating point; None for a two's complement integer.
    fraction_bits : int or None
        Every value is an integer times ``2**-fraction_bits`` of so few bits that products are summed exactly, as
        integers. None for formats of a larger range.
    """

    name: str
    bits: int
    encoding: Encoding | None = None
    fraction_bits: int | None = None

    @property
    def integer(self) -> bool:
        """True for two's complement integers."""
        return self.encoding is None

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The numpy type of arrays of values: the smallest integer that holds them, or fp32, which holds all others."""
        return np.dtype(f"int{max(8, self.bits)}" if self.integer else "float32")

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest value of an integer format."""
        assert self.integer, self.name
        return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1

    def steps(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
        """Values as integers, in units of ``2**-fraction_bits``; integers as they are."""
        if self.integer:
            return values.astype(np.int64)
        assert self.fraction_bits is not None, self.name
        return np.ldexp(values.astype(np.float64), self.fraction_bits).astype(np.int64)

    def codes(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
        """What is stored for each value: the code of a floating-point number, an integer as it is."""
        if self.encoding is None:
            return values.astype(np.int64)
        return self.encoding.encode(values).astype(np.int64)

    @property
    def most_steps(self) -> int:
        """The largest magnitude of `steps`."""
        if self.encoding is None:
            return -self.range[0]
        return int(self.steps(np.array(self.encoding.most)))

    def rounded(self, values: npt.ArrayLike) -> npt.NDArray[np.generic]:
        """Values of a floating-point format nearest to ``values``, in `dtype`."""
        assert self.encoding is not None, self.name
        with np.errstate(over="ignore"):
            return self.encoding.rounded(values).astype(self.dtype)

    def random(self, shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.generic]:
        """Seeded values: the full range of integers and of floating point that sums exactly, else a standard normal.

        E8M0 gets powers of two around 1, since its full range squared leaves fp32.
        """
        if self.encoding is None:
            low, high = self.range
            return rng.integers(low, high, size=shape, dtype=self.dtype.type, endpoint=True)
        if self.encoding.unsigned_power:
            return np.ldexp(np.float32(1), rng.integers(-8, 8, size=shape, endpoint=True)).astype(self.dtype)
        if self.fraction_bits is not None:
            magnitude = rng.integers(0, self.encoding.most_code, size=shape, endpoint=True)
            sign = rng.integers(0, 1, size=shape, endpoint=True)
            return self.encoding.decode(magnitude | sign << (self.bits - 1)).astype(self.dtype)
        return self.rounded(rng.standard_normal(shape))

    def __str__(self) -> str:
        return self.name


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format("int4", 4, fraction_bits=0),
        Format("int8", 8, fraction_bits=0),
        Format("int16", 16),
        Format("int32", 32),
        Format("int64", 64),
        Format("e2m1", 4, E2M1, fraction_bits=1),
        Format("e4m3", 8, E4M3, fraction_bits=9),
        Format("e5m2", 8, E5M2),
        Format("e8m0", 8, E8M0),
        Format("fp16", 16, FP16),
        Format("bf16", 16, BF16),
        Format("fp32", 32, FP32),
    )
}


def format_named(name: str) -> Format:
    """Look a format up by its name.

    Raises
    ------
    FormatError
        The name is not known.
    """
    if name not in FORMATS:
        raise FormatError(name)
    return FORMATS[name]
