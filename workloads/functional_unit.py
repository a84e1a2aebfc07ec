"""What a functional unit computes: one definition that the interpreter, the width pass and the hardware read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import product
from typing import Any, Protocol

import numpy as np

from workloads.errors import BrickworkError

Range = tuple[int, int]

_OPERAND = re.compile(r"\b[a-h]\b")
_FOLDS = ("a + b", "a * b")


class UnitError(BrickworkError):
    """A functional unit whose definition cannot be used."""

    def __init__(self, unit: str, why: str) -> None:
        self.unit = unit
        super().__init__(f"functional unit {unit!r}: {why}")


class Arithmetic(Protocol):
    """What Python's operators do not say alike for integers, arrays and wires."""

    def select(self, condition: Any, when_true: Any, when_false: Any) -> Any:
        """``when_true`` where the condition holds, else ``when_false``."""

    def low_bits(self, value: Any, bits: int) -> Any:
        """The lowest bits, read without sign."""


class Integers:
    """Arithmetic on Python integers, as large as they get."""

    def select(self, condition: bool, when_true: int, when_false: int) -> int:
        return when_true if condition else when_false

    def low_bits(self, value: int, bits: int) -> int:
        return value & ((1 << bits) - 1)


class Arrays:
    """Arithmetic on numpy arrays of int64."""

    def select(self, condition: Any, when_true: Any, when_false: Any) -> Any:
        return np.where(condition, when_true, when_false)

    def low_bits(self, value: Any, bits: int) -> Any:
        return value & np.int64((1 << bits) - 1)


@dataclass(frozen=True)
class FunctionalUnit:
    """The term of a body, ``O[...] += term``: how it is written and what it means.

    Attributes
    ----------
    name : str
        Names the hardware.
    spelling : str
        The term as a spec file has it, operands being ``a``, ``b``, ...; for example ``abs(a - b)``.
    meaning : callable
        (arithmetic, a, b, ...) -> value, exact on integers. Python's ``+ - * << & abs`` and comparisons mean the same
        on integers, arrays and wires; `Arithmetic` has the rest. A comparison counts as 0 or 1.
    bounds : callable or None
        (range of a, range of b, ...) -> range of the value, each (least, most). None where the extremes lie at extremes
        of the operands, that is where the value is monotone in each operand while the others stay.
    folds : bool
        The spelling is an associative ``+`` or ``*`` of two operands and takes any number of them, from left to right;
        every step may wrap.
    absorbs_zero : bool
        The value is 0 wherever an operand is.

    Raises
    ------
    UnitError
    """

    name: str
    spelling: str
    # Functions print with their address, which differs from run to run.
    meaning: Callable[..., Any] = field(repr=False)
    bounds: Callable[..., Range] | None = field(default=None, repr=False)
    folds: bool = False
    absorbs_zero: bool = False

    def __post_init__(self) -> None:
        if not (self.name.isidentifier() and self.name.isascii()):
            raise UnitError(self.name, "a name is letters, digits and '_', starting with a letter")
        expected = tuple("abcdefgh"[: len(self.operands)])
        if not expected or self.operands != expected:
            raise UnitError(
                self.name, f"the operands of {self.spelling!r} must be the first letters, 'a', 'b' and so on"
            )
        if self.folds and self.spelling not in _FOLDS:
            raise UnitError(self.name, f"only {' and '.join(map(repr, _FOLDS))} fold, not {self.spelling!r}")

    @property
    def operands(self) -> tuple[str, ...]:
        """Names of the operands in the spelling, in the order in which ``meaning`` takes them."""
        return tuple(sorted(set(_OPERAND.findall(self.spelling))))

    def takes(self, count: int) -> bool:
        """True if the unit can have so many operands."""
        return count >= 1 if self.folds else count == len(self.operands)

    def value(self, on: Arithmetic, operands: Sequence[Any]) -> Any:
        """The term's value in some arithmetic."""
        if self.folds:
            return reduce(lambda a, b: self.meaning(on, a, b), operands)
        return self.meaning(on, *operands)

    def range(self, operands: Sequence[Range]) -> Range:
        """Least and most value over a box of operands."""
        if self.folds and len(operands) != 2:
            return reduce(lambda a, b: self.range((a, b)), operands)
        if self.bounds is not None:
            return self.bounds(*operands)
        corners = [int(self.meaning(Integers(), *corner)) for corner in product(*operands)]
        return min(corners), max(corners)

    def text(self, operands: Sequence[str]) -> str:
        """The spelling with these operands."""
        if self.folds:
            return self.spelling[1:-1].join(operands)
        named = dict(zip(self.operands, operands, strict=True))
        return _OPERAND.sub(lambda found: named[found[0]], self.spelling)
