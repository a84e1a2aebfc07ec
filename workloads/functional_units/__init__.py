"""Functional units, one a file: a module here that has a ``UNIT`` is a unit of the language and of the hardware."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from workloads.functional_unit import FunctionalUnit, UnitError


@functools.cache
def functional_units() -> tuple[FunctionalUnit, ...]:
    """Every unit, by the names of their files.

    Raises
    ------
    UnitError
        A file has no unit, or two share a name or a spelling.
    """
    units: dict[str, FunctionalUnit] = {}
    for file in sorted(module.name for module in pkgutil.iter_modules(__path__)):
        unit = getattr(importlib.import_module(f"{__name__}.{file}"), "UNIT", None)
        if not isinstance(unit, FunctionalUnit):
            raise UnitError(file, f"expected a FunctionalUnit called UNIT in {file}.py, found {unit!r}")
        for other in units.values():
            if unit.name == other.name:
                raise UnitError(unit.name, "the name is taken; expected another in one of its two files")
            if unit.spelling == other.spelling:
                raise UnitError(unit.name, f"it is spelled {unit.spelling!r}, as {other.name!r} is; expected another")
        units[file] = unit
    return tuple(units.values())
