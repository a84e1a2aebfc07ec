"""Absolute difference, summed in motion estimation and stereo matching."""

from __future__ import annotations

from typing import Any

from workloads.functional_unit import Arithmetic, FunctionalUnit, Range


def _absolute_difference(on: Arithmetic, a: Any, b: Any) -> Any:
    return abs(a - b)


def _bounds(a: Range, b: Range) -> Range:
    apart = max(0, a[0] - b[1], b[0] - a[1])
    return apart, max(a[1] - b[0], b[1] - a[0])


UNIT = FunctionalUnit("absolute_difference", "abs(a - b)", _absolute_difference, _bounds)
