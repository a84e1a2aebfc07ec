"""The verb ``synth``: area, registers and longest paths in a cell library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from brickwork import console
from brickwork.arguments import (
    DataflowOption,
    JsonOption,
    LimitOption,
    OrderOption,
    SkewOption,
    SpaceOption,
    SpecArgument,
    TileOption,
)
from brickwork.files import check_writable, write_all
from brickwork.options import chosen_dataflow, limits_of
from brickwork.steps import generate, load
from hw.synthesis import Synthesis, read_library, synthesize
from hw.synthesis.library import DEFAULT_LIBRARY
from sim.toolchain import cache_folder


def synth(
    spec: SpecArgument,
    dataflow: DataflowOption = None,
    space: SpaceOption = None,
    skew: SkewOption = None,
    order: OrderOption = None,
    tile: TileOption = None,
    limit: LimitOption = None,
    liberty: Annotated[Path, typer.Option(help="cell library (.lib or .lib.gz)")] = DEFAULT_LIBRARY,
    folder: Annotated[
        Path | None, typer.Option("--output", "-o", help="folder for the mapped Verilog and the figures")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Area, registers and longest paths of a design, mapped to a library of standard cells.

    Banks count as bits, not as area; wires are not placed. Longest paths need OpenSTA (apt-get install opensta).

    Example: `brickwork synth gemm:m=64,n=64,k=64 --space m=8,n=8 --skew 1,1`

    Example: `brickwork synth conv2d --space oc=4,ic=4 --liberty NangateOpenCellLibrary_typical.lib --json`
    """
    with console.user_errors():
        library = read_library(liberty)
        given = load(spec)
        flow = chosen_dataflow(given, dataflow, space, skew, order, tile)
        if folder is not None:
            check_writable(folder / "design.v")
        with console.progress("synth"):
            accelerator = generate(given.nest, flow, limits=limits_of(given.nest, limit))
            found = synthesize(accelerator, library, cache=cache_folder() / "synthesis")
        facts = synthesis_facts(found)
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
