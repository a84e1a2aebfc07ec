"""The product of the tropical semirings: with ``max=`` or ``min=`` the step of longest and shortest paths."""

from __future__ import annotations

from typing import Any

from workloads.functional_unit import Arithmetic, FunctionalUnit


def _plus(on: Arithmetic, a: Any, b: Any) -> Any:
    return a + b


UNIT = FunctionalUnit("plus", "a + b", _plus, folds=True)
