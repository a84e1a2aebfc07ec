"""The verb ``generate``: a design's files."""

from __future__ import annotations

import time

from brickwork import console
from brickwork.arguments import (
    HERE,
    DataflowOption,
    FanOutOption,
    FolderOption,
    JsonOption,
    LimitOption,
    OrderOption,
    OutputFormatOption,
    QuantizersOption,
    SkewOption,
    SpaceOption,
    SpecArgument,
    TileOption,
)
from brickwork.files import check_writable
from brickwork.options import chosen_dataflow, limits_of
from brickwork.recurrences import print_idle
from brickwork.steps import generate, load, save
from hw.manifest import recurrence_facts
from hw.passes.broadcasts import FAN_OUT_LIMIT


def generate_(
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
    folder: FolderOption = HERE,
    json_: JsonOption = False,
) -> None:
    """Verilog, manifest and a drawing of the array.

    Example: `brickwork generate gemm:m=64,n=64,k=64 --space m=8,n=8 -o out`
    """
    with console.user_errors():
        began = time.perf_counter()
        given = load(spec)
        flow = chosen_dataflow(given, dataflow, space, skew, order, tile)
        check_writable(folder / "design.v")
        with console.progress("generate"):
            accelerator = generate(
                given.nest,
                flow,
                limits=limits_of(given.nest, limit),
                fan_out_limit=fan_out_limit,
                output_format=output_format or given.output_format,
                quantizers=quantizers,
            )
            files = save(accelerator, folder)
        recurrences = accelerator.design.recurrences(0)
        facts = {
            "verilog": str(files.verilog),
            "manifest": str(files.manifest),
            "drawing": str(files.drawing),
            "modules": len(accelerator.design.kind_name),
            "instances": sum(len(p) for p in accelerator.design.structure.kinds.values()),
            "register_bits": accelerator.design.netlist.statistics[-1].register_bits,
            "recurrences": [recurrence_facts(found) for found in recurrences],
            "seconds": round(time.perf_counter() - began, 3),
        }
        if json_:
            console.print_json(facts)
            return
        console.out.print(
            f"{accelerator.name}: {facts['instances']} instances of {facts['modules']} modules, "
            f"{facts['register_bits']:,} register bits, {facts['seconds']} s",
            markup=False,
        )
        print_idle(recurrences)
        for key in ("verilog", "manifest", "drawing"):
            console.out.print(f"  {key:<9} {facts[key]}", markup=False)
