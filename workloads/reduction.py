"""How the terms of a body meet in an output element: sum, maximum, minimum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workloads.functional_unit import Arithmetic, Range


@dataclass(frozen=True)
class Reduction:
    """An associative and commutative way to combine values.

    Attributes
    ----------
    symbol : str
        What stands between output and term in a body.
    combine : callable
        (arithmetic, value, value) -> value.
    identity : callable
        Range of the values -> the value that changes none of them.
    bounds : callable
        (range of a term, number of terms) -> range of the reduction of at most so many, identity excluded.
    ufunc : numpy ufunc
        ``combine`` on arrays.
    """

    name: str
    symbol: str
    combine: Callable[[Arithmetic, Any, Any], Any] = field(repr=False)
    identity: Callable[[Range], int] = field(repr=False)
    bounds: Callable[[Range, int], Range] = field(repr=False)
    ufunc: np.ufunc


def _add(on: Arithmetic, a: Any, b: Any) -> Any:
    return a + b


def _larger(on: Arithmetic, a: Any, b: Any) -> Any:
    return on.select(a > b, a, b)


def _smaller(on: Arithmetic, a: Any, b: Any) -> Any:
    return on.select(a < b, a, b)


def _zero(values: Range) -> int:
    return 0


def _least(values: Range) -> int:
    return values[0]


def _most(values: Range) -> int:
    return values[1]


def _sum_bounds(term: Range, terms: int) -> Range:
    return min(term[0], term[0] * terms), max(term[1], term[1] * terms)


def _same_bounds(term: Range, terms: int) -> Range:
    return term


SUM = Reduction("sum", "+=", _add, _zero, _sum_bounds, np.add)
MAX = Reduction("max", "max=", _larger, _least, _same_bounds, np.maximum)
MIN = Reduction("min", "min=", _smaller, _most, _same_bounds, np.minimum)

REDUCTIONS: dict[str, Reduction] = {r.symbol: r for r in (SUM, MAX, MIN)}
