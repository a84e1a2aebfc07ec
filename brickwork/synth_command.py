"""The verb ``synth``: area, registers, longest paths and energy in a cell library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from brickwork import console
from brickwork.arguments import (
    DataflowOption,
    FanOutOption,
    JsonOption,
    LimitOption,
    OrderOption,
    OutputFormatOption,
    QuantizersOption,
    SeedOption,
    SkewOption,
    SpaceOption,
    SpecArgument,
    TileOption,
)
from brickwork.files import check_writable, write_all
from brickwork.options import chosen_dataflow, limits_of, resized
from brickwork.steps import ChoiceError, generate, inputs_for, load
from hw.accelerator import Accelerator
from hw.passes.broadcasts import FAN_OUT_LIMIT
from hw.program import runs
from hw.synthesis import Synthesis, read_library, synthesize
from hw.synthesis.library import DEFAULT_LIBRARY
from sim.power import PARTS, Power, measure_power, power_facts
from sim.toolchain import cache_folder
from workloads.nest import Nest

MOST_CYCLES = 5_000


def synth(
    spec: SpecArgument,
    dataflow: DataflowOption = None,
    space: SpaceOption = None,
    skew: SkewOption = None,
    order: OrderOption = None,
    tile: TileOption = None,
    limit: LimitOption = None,
    fan_out_limit: FanOutOption = FAN_OUT_LIMIT,
    output_format: OutputFormatOption = None,
    quantizers: QuantizersOption = None,
    liberty: Annotated[Path, typer.Option(help="cell library (.lib or .lib.gz)")] = DEFAULT_LIBRARY,
    folder: Annotated[
        Path | None, typer.Option("--output", "-o", help="folder for the mapped Verilog and the figures")
    ] = None,
    power: Annotated[bool, typer.Option("--power", help="simulate the nest and sum the energy of every gate")] = False,
    size: Annotated[str | None, typer.Option(help="with --power, run at these extents, as m=20")] = None,
    seed: SeedOption = 0,
    json_: JsonOption = False,
) -> None:
    """Area, registers, longest paths and energy of a design, mapped to a library of standard cells.

    Banks count as bits, not as area; wires are not placed. Longest paths need OpenSTA (apt-get install opensta), energy
    needs Icarus (apt-get install iverilog).

    Example: `brickwork synth gemm:m=64,n=64,k=64 --space m=8,n=8 --skew 1,1`

    Example: `brickwork synth gemm --space m=8,n=8 --power --size m=16,n=16,k=16`

    Example: `brickwork synth conv2d --space oc=4,ic=4 --liberty NangateOpenCellLibrary_typical.lib --json`
    """
    with console.user_errors():
        if size is not None and not power:
            raise ChoiceError("--size: only --power runs the design; expected both or none")
        library = read_library(liberty)
        given = load(spec)
        flow = chosen_dataflow(given, dataflow, space, skew, order, tile)
        if folder is not None:
            check_writable(folder / "design.v")
        with console.progress("synth"):
            accelerator = generate(
                given.nest,
                flow,
                limits=limits_of(given.nest, limit),
                fan_out_limit=fan_out_limit,
                output_format=output_format or given.output_format,
                quantizers=quantizers,
            )
            cache = cache_folder() / "synthesis"
            measured = None
            if power:
                nest = given.nest if size is None else resized(given.nest, "--size", size)
                _check_cycles(accelerator, nest)
                inputs = inputs_for(nest, None, seed)
                measured = measure_power(accelerator, nest, inputs, library=library, dataflow=flow.name, cache=cache)
            found = measured.synthesis if measured else synthesize(accelerator, library, cache=cache)
        facts = synthesis_facts(found)
        if measured is not None:
            facts["power"] = power_facts(measured)
        if folder is not None:
            write_all(
                {
                    folder / f"{accelerator.name}.mapped.v": found.gates.verilog.encode(),
                    folder / f"{accelerator.name}.synthesis.json": (json.dumps(facts, indent=1) + "\n").encode(),
                }
            )
        if json_:
            console.print_json(facts)
        else:
            _print(found)
            if measured is not None:
                _print_power(measured)


def _check_cycles(accelerator: Accelerator, nest: Nest) -> None:
    """Refuse runs whose simulation, which records every register, would take many minutes."""
    cycles = sum(run.predicted_cycles for run in runs(accelerator, nest))
    if cycles > MOST_CYCLES:
        raise ChoiceError(
            f"--power: nest {nest.name!r} takes {cycles} cycles; at most {MOST_CYCLES} are recorded; run it at smaller "
            f"extents with --size"
        )


def synthesis_facts(found: Synthesis) -> dict[str, Any]:
    """A synthesis as JSON types."""
    return {
        "design": found.top,
        "library": found.library,
        "tool": found.tool,
        "area_um2": found.area_um2,
        "register_bits": found.register_bits,
        "longest_path_ns": found.longest_path_ns,
        "memory_bits": found.memory_bits,
        "modules": [
            {
                "name": m.name,
                "instances": m.instances,
                "area_um2": m.area_um2,
                "register_bits": m.register_bits,
                "longest_path_ns": m.longest_path_ns,
            }
            for m in found.modules
        ],
        "cells": dict(found.cells),
    }


def _print(found: Synthesis) -> None:
    width = max(len(m.name) for m in found.modules)
    line = f"{{:<{width}}}  {{:>9}}  {{:>14}}  {{:>13}}  {{:>10}}"
    console.out.print(f"{found.top}: {found.library}, {found.tool}", markup=False)
    console.out.print(line.format("module", "instances", "area um2", "register bits", "path ns"), style="bold")
    for m in found.modules:
        console.out.print(
            line.format(m.name, m.instances, f"{m.area_um2:,.0f}", f"{m.register_bits:,}", _path(m.longest_path_ns)),
            markup=False,
        )
    console.out.print(
        line.format("total", "", f"{found.area_um2:,.0f}", f"{found.register_bits:,}", _path(found.longest_path_ns)),
        style="bold",
        markup=False,
    )
    console.out.print(f"banks: {found.memory_bits:,} bits, not in the area", markup=False)
    if found.longest_path_ns is None:
        console.out.print("longest paths need OpenSTA: install it, for example with 'apt-get install opensta'")


def _path(length_ns: float | None) -> str:
    return "" if length_ns is None else f"{length_ns:.2f}"


def _print_power(found: Power) -> None:
    facts = power_facts(found)
    width = max(len(name) for name in facts["components"])
    line = f"{{:<{width}}}" + "  {:>9}" * (len(PARTS) + 1)
    console.out.print(f"energy in pJ a cycle, mean of {found.cycles} cycles; without banks, glitches and clock tree")
    console.out.print(line.format("component", *PARTS, "total"), style="bold")
    for name, parts in facts["components"].items():
        console.out.print(
            line.format(name, *(f"{v:,.1f}" for v in (*parts.values(), sum(parts.values())))), markup=False
        )
    totals = [found.part_pj_per_cycle(part) for part in PARTS]
    console.out.print(line.format("total", *(f"{v:,.1f}" for v in (*totals, sum(totals)))), style="bold", markup=False)
    moved = ", ".join(f"{bits:,} bits {what}" for what, bits in found.bank_bits.items())
    console.out.print(f"banks: {moved}; at 100 MHz the logic takes {found.power_mw(100):,.1f} mW", markup=False)
