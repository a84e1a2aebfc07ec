"""How a tensor's elements are stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workloads.errors import BrickworkError


class FormatError(BrickworkError):
    """A format name that is not known."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"format {name!r} is not known; expected one of {', '.join(FORMATS)}")


@dataclass(frozen=True, slots=True)
class Format:
    """A storage format.

    Attributes
    ----------
    name : str
    bits : int
        Bits of one element, its share of any block scale excluded.
    integer : bool
        Two's complement integer; otherwise IEEE-754 binary floating point.
    block : int
        Elements that share one scale; 1 when there is none.
    scale : str or None
        Format of the block scale, a tensor with an access map of its own (``index // block``).
    """

    name: str
    bits: int
    integer: bool
    block: int = 1
    scale: str | None = None

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The smallest numpy type that holds every value of the format exactly."""
        return np.dtype(f"int{max(8, self.bits)}" if self.integer else f"float{self.bits}")

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest value of an integer format."""
        assert self.integer, self.name
        return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1

    def random(self, shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.generic]:
        """Seeded values over the format's full range (integers) or a standard normal (floats)."""
        if self.integer:
            low, high = self.range
            return rng.integers(low, high, size=shape, dtype=self.dtype.type, endpoint=True)
        return rng.standard_normal(shape).astype(self.dtype)

    def __str__(self) -> str:
        return self.name


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format("int4", 4, True),
        Format("int8", 8, True),
        Format("int16", 16, True),
        Format("int32", 32, True),
        Format("fp32", 32, False),
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
