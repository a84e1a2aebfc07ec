"""Every constant behind the modelled energies, with its band and source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dataflow.technology import Technology, technology_named
from dataflow.technology.technology import Constant
from reports.exploration.design_point import DesignPoint
from workloads.errors import BrickworkError


@dataclass(frozen=True, slots=True)
class ConstantRow:
    """One constant of one technology."""

    technology: str
    name: str
    constant: Constant


def constants_of(points: Iterable[DesignPoint]) -> tuple[ConstantRow, ...]:
    """Constants of every technology that a point names; none of one that cannot be read any more."""
    rows: list[ConstantRow] = []
    for name in sorted({point.technology for point in points}):
        try:
            technology = technology_named(name)
        except BrickworkError:
            continue
        rows += (ConstantRow(technology.name, what, constant) for what, constant in _all(technology))
    return tuple(rows)


def _all(technology: Technology) -> Iterator[tuple[str, Constant]]:
    yield from ((f"multiply {name}, pJ", constant) for name, constant in technology.multiply_pj)
    yield from ((f"add {name}, pJ", constant) for name, constant in technology.add_pj)
    yield "register write, pJ a bit", technology.register_pj_per_bit
    for memory in technology.memories:
        yield f"read of {memory.capacity_bytes // 1024} KB, pJ a bit", memory.read_pj_per_bit
        yield f"write of {memory.capacity_bytes // 1024} KB, pJ a bit", memory.write_pj_per_bit
    yield from ((f"off-chip {name}, pJ a bit", constant) for name, constant in technology.off_chip_pj_per_bit)
    if technology.leakage is not None:
        yield "leakage of logic, mW a mm²", technology.leakage.logic_mw_per_mm2
        yield "leakage of memory, times the table of CACTI", technology.leakage.memory_factor
