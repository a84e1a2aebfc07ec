"""Functional units, one a file: a module here that has a ``UNIT`` is a unit of the language and of the hardware."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from workloads.functional_unit import FunctionalUnit


@functools.cache
def functional_units() -> tuple[FunctionalUnit, ...]:
    """Every unit, by the names of their files."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return tuple(importlib.import_module(f"{__name__}.{name}").UNIT for name in names)
