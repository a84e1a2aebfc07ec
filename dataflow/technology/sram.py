"""Area and leakage of on-chip memory, from the committed table of CACTI runs (``scripts/make_memory_table.py``)."""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import exp, log
from pathlib import Path

from dataflow.technology.technology import TechnologyError

_TABLE = Path(__file__).parent / "sram.csv"
_WIDTH_BITS = 64


@dataclass(frozen=True, slots=True)
class Sram:
    """One memory of one bank and one read-write port as CACTI models it; low-standby-power transistors at 300 K."""

    node_nm: float
    capacity_bytes: int
    width_bits: int
    area_um2: float
    read_pj_per_bit: float
    write_pj_per_bit: float
    leakage_mw: float


@cache
def sram_table() -> tuple[Sram, ...]:
    """Every run of the table, by node, capacity and width."""
    with _TABLE.open(newline="") as file:
        return tuple(
            Sram(
                float(row["node_nm"]),
                int(row["capacity_bytes"]),
                int(row["width_bits"]),
                *(float(row[key]) for key in ("area_um2", "read_pj_per_bit", "write_pj_per_bit", "leakage_mw")),
            )
            for row in csv.DictReader(file)
        )


def sram_area_um2(node_nm: float, capacity_bytes: int) -> float:
    """Area of a memory with words of 64 bits.

    The logarithm is linear in that of the capacity between two of the table, and area is proportional to capacity
    beyond its ends. Below the smallest node, 22 nm, area goes with the node [1]_: memory has shrunk less than its
    square since.

    Raises
    ------
    TechnologyError
        The node is neither in the table nor below its smallest, or the capacity is less than 1 byte.

    References
    ----------
    .. [1] T. Andrulis et al., hwcomponents-cacti 1.0.40, which extrapolates CACTI so.
    """
    return _found(node_nm, capacity_bytes, lambda sram: sram.area_um2, scaled=True)


def sram_leakage_mw(node_nm: float, capacity_bytes: int) -> float:
    """Leakage of a memory with words of 64 bits, of low-standby-power transistors; below 22 nm, what 22 nm has.

    Between and beyond the capacities of the table as `sram_area_um2`.

    Raises
    ------
    TechnologyError
        As `sram_area_um2`.
    """
    return _found(node_nm, capacity_bytes, lambda sram: sram.leakage_mw, scaled=False)


def _found(node_nm: float, capacity_bytes: int, value: Callable[[Sram], float], *, scaled: bool) -> float:
    nodes = sorted({sram.node_nm for sram in sram_table()})
    smallest = nodes[0]
    if node_nm > smallest and node_nm not in nodes:
        known = ", ".join(f"{node:g}" for node in nodes)
        raise TechnologyError(f"{node_nm:g}nm", (f"memories are known at {known} nm and below {smallest:g} nm",))
    if capacity_bytes < 1:
        raise TechnologyError(f"{node_nm:g}nm", (f"a memory must hold at least 1 byte, not {capacity_bytes}",))
    node = max(node_nm, smallest)
    rows = [sram for sram in sram_table() if sram.node_nm == node and sram.width_bits == _WIDTH_BITS]
    factor = min(1.0, node_nm / smallest) if scaled else 1.0
    above = bisect_left([sram.capacity_bytes for sram in rows], capacity_bytes)
    if above in (0, len(rows)):
        end = rows[min(above, len(rows) - 1)]
        return factor * value(end) * capacity_bytes / end.capacity_bytes
    low, high = rows[above - 1], rows[above]
    part = log(capacity_bytes / low.capacity_bytes) / log(high.capacity_bytes / low.capacity_bytes)
    return factor * exp((1 - part) * log(value(low)) + part * log(value(high)))
