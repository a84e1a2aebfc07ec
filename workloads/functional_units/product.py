"""Multiply-accumulate, with any number of factors."""

from __future__ import annotations

from typing import Any

from workloads.functional_unit import Arithmetic, FunctionalUnit


def _product(on: Arithmetic, a: Any, b: Any) -> Any:
    return a * b


UNIT = FunctionalUnit("product", "a * b", _product, folds=True, absorbs_zero=True)
