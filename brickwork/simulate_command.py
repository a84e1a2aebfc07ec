"""The verbs ``simulate`` and ``report``: run a design and say, or write, what came."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from brickwork import console
from brickwork.arguments import (
    HERE,
    SIMULATORS,
    AlphaOption,
    DataflowOption,
    FanOutOption,
    FolderOption,
    InputsOption,
    JsonOption,
    LimitOption,
    MultiplierOption,
    OrderOption,
    OutputFormatOption,
    QuantizersOption,
    SeedOption,
    SimulatorOption,
    SkewOption,
    SpaceOption,
    SpecArgument,
    TileOption,
)
from brickwork.files import check_writable, write_all
from brickwork.options import chosen_dataflow, limits_of, resized
from brickwork.recurrences import of_longest_run, print_idle
from brickwork.steps import Array, ChoiceError, generate, inputs_for, load
from brickwork.steps import report as write_report
from hw.accelerator import Accelerator
from hw.manifest import recurrence_facts
from hw.passes.broadcasts import FAN_OUT_LIMIT
from sim import Result, simulate
from workloads.nest import Nest


def simulate_(
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
    alpha: AlphaOption = 1.0,
    multiplier: MultiplierOption = None,
    size: Annotated[str | None, typer.Option(help="run the generated design at these extents, as m=20")] = None,
    inputs: InputsOption = None,
    outputs: Annotated[Path | None, typer.Option(help="where to write the result (.npz)")] = None,
    seed: SeedOption = 0,
    simulator: SimulatorOption = "verilator",
    waveform: Annotated[Path | None, typer.Option(help="write a waveform (.vcd or .fst)")] = None,
    json_: JsonOption = False,
) -> None:
    """Generate, build, run in a simulator, and compare with the definition.

    Exit code 1 where outputs or cycles differ.

    Example: `brickwork simulate gemm:m=20,n=20,k=20 --space m=4,n=4 --simulator icarus`
    """
    with console.user_errors():
        if outputs is not None and outputs.suffix != ".npz":
            raise ChoiceError(f"--outputs {outputs}: expected a name that ends in .npz")
        for path in (outputs, waveform):
            if path is not None:
                check_writable(path)
        accelerator, nest, result = _simulated(
            spec,
            (dataflow, space, skew, order, tile),
            limit,
            fan_out_limit,
            size,
            inputs,
            seed,
            simulator,
            waveform,
            Quantization(output_format, quantizers, alpha, multiplier),
        )
        name = nest.output.tensor
        if outputs is not None:
            scales = {f"{name}_scales": result.coded.scales} if result.coded else {}
            _write_outputs(outputs, {name: result.outputs, **scales})
        recurrences = of_longest_run(accelerator, nest)
        facts: dict[str, Any] = {
            "match": result.matches,
            "cycles": {"predicted": result.predicted_cycles, "simulated": result.simulated_cycles},
            "macs": result.macs,
            "utilization": result.utilization,
            "recurrences": [recurrence_facts(found) for found in recurrences],
            "simulator": result.simulator,
            "seconds": round(result.seconds, 3),
            "outputs": str(outputs) if outputs else None,
            "runs": len(result.runs),
            "faults": list(result.faults),
        }
        if result.coded:
            facts["output_format"] = str(result.coded.format)
            facts["multiplier"] = result.multiplier
        if json_:
            console.print_json(facts)
        else:
            _print_result(accelerator.name, result)
            print_idle(recurrences)
            if outputs is not None:
                console.out.print(f"  outputs   {outputs}", markup=False)
        if not result.matches:
            raise typer.Exit(1)


class Quantization(NamedTuple):
    """What results are quantized to, and with which factors."""

    output_format: str | None = None
    quantizers: int | None = None
    alpha: float = 1.0
    multiplier: float | None = None


def _simulated(
    spec: str,
    flow: tuple[str | None, str | None, str | None, str | None, str | None],
    limit: str | None,
    fan_out_limit: int,
    size: str | None,
    inputs: Path | None,
    seed: int,
    simulator: str,
    waveform: Path | None,
    quantization: Quantization,
) -> tuple[Accelerator, Nest, Result]:
    given = load(spec)
    output_format = quantization.output_format or given.output_format
    if output_format is None and (quantization.alpha != 1 or quantization.multiplier is not None):
        raise ChoiceError("--alpha and --multiplier: expected --output-format beside them, to quantize results")
    chosen = chosen_dataflow(given, *flow)
    limits = limits_of(given.nest, limit)
    nest = given.nest if size is None else resized(given.nest, "--size", size)
    if simulator not in SIMULATORS:
        raise ChoiceError(f"--simulator: expected one of {', '.join(SIMULATORS)}, not {simulator!r}")
    tensors = inputs_for(nest, inputs, seed)
    if waveform is not None:
        waveform.parent.mkdir(parents=True, exist_ok=True)
    with console.progress("simulate") as say:
        say("generate", 0.0)
        accelerator = generate(
            given.nest,
            chosen,
            limits=limits,
            fan_out_limit=fan_out_limit,
            output_format=output_format,
            quantizers=quantization.quantizers,
        )
        result = simulate(
            accelerator,
            nest,
            tensors,
            alpha=quantization.alpha,
            multiplier=quantization.multiplier,
            simulator=simulator,
            waveform=waveform,
            progress=say,
        )
    return accelerator, nest, result


def _write_outputs(path: Path, arrays: Mapping[str, Array]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    write_all({path: buffer.getvalue()})


def _print_result(name: str, result: Result) -> None:
    verdict = "[green]match[/green]" if result.matches else "[red]MISMATCH[/red]"
    console.out.print(
        f"{name}: {verdict}, {result.simulated_cycles:,} cycles simulated, "
        f"{result.predicted_cycles:,} predicted, {result.utilization:.1%} utilization"
    )
    if result.coded:
        made, codes = result.coded.format, result.coded.codes
        scaled = f", multiplier {result.multiplier:g}" if made.tensor_scale else ""
        console.out.print(
            f"  results in {made}: {made.bytes(codes.size):,} bytes{scaled}", markup=False, highlight=False
        )
    for fault in result.faults:
        console.out.print(f"  {fault}", markup=False)
    built = "found built" if result.reused_build else f"built in {result.build_seconds:.1f} s"
    console.out.print(f"  {result.simulator}: {built}, ran in {result.run_seconds:.1f} s", markup=False)


def report(
    spec: SpecArgument,
    dataflow: DataflowOption = None,
    space: SpaceOption = None,
    skew: SkewOption = None,
    order: OrderOption = None,
    tile: TileOption = None,
    output_format: OutputFormatOption = None,
    quantizers: QuantizersOption = None,
    alpha: AlphaOption = 1.0,
    multiplier: MultiplierOption = None,
    inputs: InputsOption = None,
    seed: SeedOption = 0,
    simulator: SimulatorOption = "verilator",
    folder: FolderOption = HERE,
    json_: JsonOption = False,
) -> None:
    """Simulate, then write an HTML page about the design.

    Example: `brickwork report gemm:m=64,n=64,k=64 --space m=8,n=8`
    """
    with console.user_errors():
        check_writable(folder / "design.html")
        accelerator, nest, result = _simulated(
            spec,
            (dataflow, space, skew, order, tile),
            None,
            FAN_OUT_LIMIT,
            None,
            inputs,
            seed,
            simulator,
            None,
            Quantization(output_format, quantizers, alpha, multiplier),
        )
        page = folder / f"{accelerator.name}.html"
        write_report(accelerator, nest, result, page)
        if json_:
            console.print_json({"report": str(page), "match": result.matches})
        else:
            _print_result(accelerator.name, result)
            print_idle(of_longest_run(accelerator, nest))
            console.out.print(f"  report    {page}", markup=False)
        if not result.matches:
            raise typer.Exit(1)
