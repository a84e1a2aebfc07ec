"""Shift with a sign: multiplication by plus or minus a power of two, or by 0."""

from __future__ import annotations

from typing import Any

from workloads.functional_unit import Arithmetic, FunctionalUnit, Range
from workloads.functional_units.shift import shifted, shifted_bounds


def _signed_shift(on: Arithmetic, a: Any, b: Any, c: Any) -> Any:
    value = shifted(on, b, c)
    return on.select(a > 0, value, on.select(a < 0, -value, 0))


def _bounds(a: Range, b: Range, c: Range) -> Range:
    low, high = shifted_bounds(b, c)
    corners = [low, high] * (a[1] > 0) + [-low, -high] * (a[0] < 0) + [0] * (a[0] <= 0 <= a[1])
    return min(corners), max(corners)


UNIT = FunctionalUnit("signed_shift", "sign(a) * (b << c)", _signed_shift, _bounds)
