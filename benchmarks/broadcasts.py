"""What a limit on fan-out costs in area and cycles, and what it does to the longest path.

Prints a JSON list of measurements or, given ``--table``, the table of docs/broadcasts.md. Area and paths are those of
logic without banks, by synthesis to a library of standard cells, with and without buffers for inputs that fan out
inside a module.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.architectures import literature
from hw import generate, runs
from hw.accelerator import passes_with
from hw.synthesis import synthesize
from sim.toolchain import cache_folder

SIZE = 16
ARCHITECTURES = ("gemm_output_broadcast", "gemm_weight_broadcast", "conv2d_oh_ow")
LIMITS = (0, 32, 16, 8)
# What drives an input where inputs get buffers.
INPUT_CELL = "BUFX2"


class Figures(NamedTuple):
    """One design, mapped to cells."""

    largest_fan_out: int
    register_bits: int
    area_um2: float
    longest_path_ns: float
    buffered_area_um2: float
    buffered_longest_path_ns: float
    cycles: int
    library: str


def figures(name: str, limit: int) -> Figures:
    """Generate and map an architecture at a limit."""
    architecture = literature(SIZE)[name]()
    accelerator = generate(architecture, passes=passes_with(fan_out_limit=limit))
    cache = cache_folder() / "synthesis"
    found = synthesize(accelerator, cache=cache)
    buffered = synthesize(accelerator, input_cell=INPUT_CELL, cache=cache)
    return Figures(
        accelerator.design.netlist.statistics[-1].largest_fan_out,
        found.register_bits,
        found.area_um2,
        found.longest_path_ns or 0.0,
        buffered.area_um2,
        buffered.longest_path_ns or 0.0,
        sum(run.predicted_cycles for run in runs(accelerator, architecture.plans[0].nest)),
        found.library,
    )


def rows(measured: dict[tuple[str, int], Figures]) -> Iterator[dict[str, object]]:
    """Measurements in the form of benchmarks/results.json."""
    for (name, limit), found in measured.items():
        which = f"limit_{limit}" if limit else "no_limit"
        how = f"{SIZE}x{SIZE}, int8, largest fan-out {found.largest_fan_out}; {found.library}, loads of pins, no wires"
        buffers = f"{how}; inputs driven by {INPUT_CELL}"
        for key, unit, text in (
            ("longest_path_ns", "ns", how),
            ("area_um2", "um2", how),
            ("buffered_longest_path_ns", "ns", buffers),
            ("buffered_area_um2", "um2", buffers),
            ("cycles", "cycles", "the nest, as the cycle model counts"),
        ):
            yield {
                "name": f"broadcasts_{SIZE}x{SIZE}_{name}_{which}_{key}",
                "value": getattr(found, key),
                "unit": unit,
                "target": None,
                "better": "lower",
                "how": text,
            }


def table(measured: dict[tuple[str, int], Figures]) -> Iterator[str]:
    """The same as Markdown."""
    yield (
        "| architecture | limit | largest fan-out | register bits | cycles | area um2 | path ns "
        "| area um2, buffers | path ns, buffers |"
    )
    yield "| --- |" + " ---: |" * 8
    for (name, limit), f in measured.items():
        yield (
            f"| {name} | {limit or 'none'} | {f.largest_fan_out} | {f.register_bits:,} | {f.cycles:,} "
            f"| {f.area_um2:,.0f} | {f.longest_path_ns:.1f} "
            f"| {f.buffered_area_um2:,.0f} | {f.buffered_longest_path_ns:.1f} |"
        )


def main() -> None:
    measured = {}
    for name in ARCHITECTURES:
        for limit in LIMITS:
            measured[name, limit] = figures(name, limit)
            print(f"{name} {limit}: {measured[name, limit]}", file=sys.stderr, flush=True)
    print("\n".join(table(measured)) if "--table" in sys.argv else json.dumps(list(rows(measured)), indent=2))


if __name__ == "__main__":
    main()
