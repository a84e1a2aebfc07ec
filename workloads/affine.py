"""Affine and quasi-affine expressions over named loops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Relation = Literal[">=", "==", "!="]


def _signed_sum(parts: list[tuple[int, str]], constant: int) -> str:
    """Join ``coefficient * text`` parts and a constant the way a person writes them."""
    text = ""
    for coefficient, factor in parts:
        size = factor if abs(coefficient) == 1 else f"{abs(coefficient)} * {factor}"
        sign = ("-" if coefficient < 0 else "") if not text else (" - " if coefficient < 0 else " + ")
        text += sign + size
    if not text:
        return str(constant)
    if constant:
        text += f" - {-constant}" if constant < 0 else f" + {constant}"
    return text


@dataclass(frozen=True, slots=True)
class Affine:
    """An integer affine expression ``sum(coefficient * loop) + constant``.

    ``terms`` holds non-zero coefficients in the order in which the loops were written.
    """

    terms: tuple[tuple[str, int], ...] = ()
    constant: int = 0

    def __post_init__(self) -> None:
        names = [name for name, _ in self.terms]
        assert len(set(names)) == len(names), self.terms
        assert all(c for _, c in self.terms), self.terms

    @staticmethod
    def of(terms: Mapping[str, int], constant: int = 0) -> Affine:
        """Build from a mapping; zero coefficients are dropped."""
        return Affine(tuple((n, c) for n, c in terms.items() if c), constant)

    def coefficient(self, loop: str) -> int:
        return dict(self.terms).get(loop, 0)

    @property
    def loops(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.terms)

    def value(self, point: Mapping[str, int]) -> int:
        return sum(c * point[n] for n, c in self.terms) + self.constant

    def bounds(self, extents: Mapping[str, int]) -> tuple[int, int]:
        """Smallest and largest value over the box ``0 <= loop < extent``."""
        low = high = self.constant
        for name, c in self.terms:
            reach = c * (extents[name] - 1)
            low, high = low + min(0, reach), high + max(0, reach)
        return low, high

    def plus(self, other: Affine, times: int = 1) -> Affine:
        total = dict(self.terms)
        for name, c in other.terms:
            total[name] = total.get(name, 0) + times * c
        return Affine.of(total, self.constant + times * other.constant)

    def __str__(self) -> str:
        return _signed_sum([(c, n) for n, c in self.terms], self.constant)


@dataclass(frozen=True, slots=True)
class Division:
    """``inner // divisor`` or ``inner % divisor``, rounding towards minus infinity."""

    operator: Literal["//", "%"]
    inner: Affine
    divisor: int

    def value(self, point: Mapping[str, int]) -> int:
        inner = self.inner.value(point)
        return inner // self.divisor if self.operator == "//" else inner % self.divisor

    def __str__(self) -> str:
        inner = str(self.inner)
        simple = len(self.inner.terms) == 1 and not self.inner.constant and self.inner.terms[0][1] == 1
        return f"{inner if simple else f'({inner})'} {self.operator} {self.divisor}"


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition on an iteration point: ``affine + sum(coefficient * division) relation 0``."""

    affine: Affine
    divisions: tuple[tuple[Division, int], ...]
    relation: Relation

    def value(self, point: Mapping[str, int]) -> int:
        return self.affine.value(point) + sum(c * d.value(point) for d, c in self.divisions)

    def holds(self, point: Mapping[str, int]) -> bool:
        value = self.value(point)
        return value >= 0 if self.relation == ">=" else (value == 0) == (self.relation == "==")

    @property
    def loops(self) -> tuple[str, ...]:
        used = dict.fromkeys(self.affine.loops)
        for division, _ in self.divisions:
            used |= dict.fromkeys(division.inner.loops)
        return tuple(used)

    def __str__(self) -> str:
        parts = [(c, n) for n, c in self.affine.terms]
        parts += [(c, f"({d})") for d, c in self.divisions]
        return f"{_signed_sum(parts, self.affine.constant)} {self.relation} 0"
