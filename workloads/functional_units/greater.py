"""Compare: 1 where the first operand is greater."""

from __future__ import annotations

from typing import Any

from workloads.functional_unit import Arithmetic, FunctionalUnit


def _greater(on: Arithmetic, a: Any, b: Any) -> Any:
    return a > b


UNIT = FunctionalUnit("greater", "a > b", _greater)
