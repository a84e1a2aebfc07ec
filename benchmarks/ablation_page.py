"""The page docs/ablation.md, from what `benchmarks.ablation` measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

# By architecture and back end.
Table = Mapping[str, Mapping[str, Figures]]


def page(tables: Mapping[int, Table], library: str, tool: str) -> str:
    """All of the page."""
    return "\n".join(_lines(tables, library, tool)) + "\n"


def ratio(found: Table, back_end: str, what: str) -> float:
    """Geometric mean, over the architectures, of a back end over the one with all passes."""
    return geometric_mean(getattr(e[back_end], what) / getattr(e["all"], what) for e in found.values())


def _lines(tables: Mapping[int, Table], library: str, tool: str) -> Iterator[str]:
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
        "registers whatever the generator writes; nothing here measures a back end that keeps them apart. A cell is "
        "area / energy / longest path over those of *all*; above 1 the pass helps. Without `rewire_broadcasts` one "
        "register drives all operands of a broadcast; paths are those of wires without buffers, so that they overstate "
        "what it is worth ([with buffers](broadcasts.md))."
    )
    for size, found in tables.items():
        back_ends = list(next(iter(found.values())))
        others = [name for name in back_ends if name != "all"]
        yield ""
        yield f"## {size}x{size}"
        yield ""
        names = [f"without `{name}`" if name != "plain" else "plain" for name in others]
        yield f"| architecture | area um2 | register bits | pJ a cycle | path ns | {' | '.join(names)} |"
        yield f"| --- |{' ---: |' * (4 + len(others))}"
        for name, each in found.items():
            base = each["all"]
            cells = (
                " / ".join(f"{getattr(each[o], what) / getattr(base, what):.2f}" for what in COMPARED) for o in others
            )
            yield (
                f"| {name} | {base.area_um2:,.0f} | {base.register_bits:,} | {base.pj_per_cycle:,.0f} | "
                f"{base.longest_path_ns:.1f} | {' | '.join(cells)} |"
            )
        means = (" / ".join(f"{ratio(found, o, what):.2f}" for what in COMPARED) for o in others)
        yield f"| geometric mean | | | | | {' | '.join(means)} |"
