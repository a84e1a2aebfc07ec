"""The page docs/ablation.md, from what `benchmarks.ablation` measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isnan, nan
from statistics import geometric_mean
from typing import NamedTuple


class Figures(NamedTuple):
    """One design, mapped and run."""

    area_um2: float
    register_bits: int
    pj_per_cycle: float
    longest_path_ns: float
    cycles: int


# What a cell of the table compares.
COMPARED = ("area_um2", "pj_per_cycle", "longest_path_ns")

# The plain back end with registers of its own for every operand.
UNSHARED = "plain, registers not shared"

# By architecture and back end.
Table = Mapping[str, Mapping[str, Figures]]


def page(tables: Mapping[str, Table], library: str, tool: str) -> str:
    """All of the page, from tables by title."""
    return "\n".join(_lines(tables, library, tool)) + "\n"


def ratio(found: Table, back_end: str, what: str) -> float:
    """Geometric mean of a back end over the one with all passes, over the architectures that have it."""
    measured = [each for each in found.values() if back_end in each]
    return geometric_mean(getattr(e[back_end], what) / getattr(e["all"], what) for e in measured)


def unshared(plain: Figures, more_bits: int, flip_flop_um2: float) -> Figures:
    """The plain back end with so many more register bits; only area and bits are known."""
    area_um2 = plain.area_um2 + more_bits * flip_flop_um2
    return Figures(area_um2, plain.register_bits + more_bits, nan, nan, plain.cycles)


def _lines(tables: Mapping[str, Table], library: str, tool: str) -> Iterator[str]:
    yield "# What each pass is worth"
    yield ""
    yield (
        "Written by `python -m benchmarks.ablation --write`. Every design is generated, mapped to the standard cells "
        f"of `{library}` ({tool}, modules one by one), simulated on its own nest with random int8 inputs, and compared "
        "with the interpreter; its gates are compared with the simulation in every register and cycle. Area and "
        "energy are those of the logic, banks left out; [how they are found](reference/synthesis.md)."
    )
    yield ""
    yield (
        "*All* has every pass. A column named after a pass has all others; without `match_delays` every node starts as "
        "early as it can instead of where registers are fewest. *Plain* has nothing but that: no narrower widths, "
        "chains instead of trees. Registers behind one driver are shared even there, since Yosys merges equal "
        "registers whatever the generator writes; *plain, registers not shared* is counted, not measured: the plain "
        "design and a flip-flop for every bit by which the delays of all operands exceed the longest behind each "
        "driver. A cell is area / energy / longest path over those of *all*; above 1 the pass helps. Without "
        "`rewire_broadcasts` one register drives all operands of a broadcast; paths are those of wires without "
        "buffers, so that they overstate what it is worth ([with buffers](broadcasts.md)). An empty cell was not "
        "measured; means are over those that were."
    )
    yield ""
    yield _verdict(tables)
    for title, found in tables.items():
        yield ""
        yield f"## {title}"
        yield ""
        yield from _table(found)


def _verdict(tables: Mapping[str, Table]) -> str:
    measured = "; ".join(
        f"{title}: {ratio(found, 'plain', 'area_um2'):.2f} / {ratio(found, 'plain', 'pj_per_cycle'):.2f}"
        for title, found in tables.items()
    )
    counted = "; ".join(f"{title}: {ratio(found, UNSHARED, 'area_um2'):.2f}" for title, found in tables.items())
    return (
        "**Against LEGO's back end**, which saves 1.54 in area and 1.39 in energy, the geometric means here are "
        f"(area / energy) {measured}. A functional unit is mostly its multiplier and its accumulator, which any back "
        "end must have; what passes can save is registers, width and adders. Where a reduction runs over the array "
        "(the broadcast dataflows with weights or inputs at rest), trees in place of chains save most, and more in "
        "larger arrays, and every dataflow that an array has adds to it; elsewhere narrower widths and fewer registers "
        "are all there is to save. With every operand's "
        f"registers its own, the area would be (counted) {counted}: most of that are addresses, which "
        "reach the banks along a skewed array through delays of their own."
    )


def _table(found: Table) -> Iterator[str]:
    others = [name for name in max(found.values(), key=len) if name != "all"]
    names = [name if name.startswith("plain") else f"without `{name}`" for name in others]
    yield f"| architecture | area um2 | register bits | pJ a cycle | path ns | {' | '.join(names)} |"
    yield f"| --- |{' ---: |' * (4 + len(others))}"
    for name, each in found.items():
        base = each["all"]
        cells = (
            _cell(getattr(each[o], what) / getattr(base, what) for what in COMPARED) if o in each else ""
            for o in others
        )
        yield (
            f"| {name} | {base.area_um2:,.0f} | {base.register_bits:,} | {base.pj_per_cycle:,.0f} | "
            f"{base.longest_path_ns:.1f} | {' | '.join(cells)} |"
        )
    means = (_cell(ratio(found, o, what) for what in COMPARED) for o in others)
    yield f"| geometric mean | | | | | {' | '.join(means)} |"


def _cell(ratios: Iterable[float]) -> str:
    return " / ".join(f"{ratio:.2f}" for ratio in ratios if not isnan(ratio))
