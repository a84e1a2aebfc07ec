"""Compare: 1 where the operands are equal."""

from __future__ import annotations

from typing import Any

from workloads.functional_unit import Arithmetic, FunctionalUnit, Range


def _equal(on: Arithmetic, a: Any, b: Any) -> Any:
    return a == b


def _bounds(a: Range, b: Range) -> Range:
    meet = a[0] <= b[1] and b[0] <= a[1]
    always = a == b and a[0] == a[1]
    return int(always), int(meet)


UNIT = FunctionalUnit("equal", "a == b", _equal, _bounds)
