"""The command line: verbs, plain files, exit codes 0 (done), 1 (the user's mistake), 2 (wrong usage)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from brickwork import console
from brickwork.options import check_loops, chosen_dataflow, resized, sizes
from brickwork.steps import ChoiceError, architecture, generate, inputs_for, load, save

app = typer.Typer(
    help="Turn a tensor workload into a verified spatial accelerator, GPU kernels, and a decision.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

SpecArgument = Annotated[str, typer.Argument(metavar="SPEC", help="a library name such as gemm:m=64 or a spec file")]
DataflowOption = Annotated[str | None, typer.Option("--dataflow", help="a dataflow of the spec, by name")]
SpaceOption = Annotated[str | None, typer.Option(help="functional units along each axis, as m=16,n=16")]
SkewOption = Annotated[str | None, typer.Option(help="cycles of control delay along each axis, as 1,1")]
OrderOption = Annotated[str | None, typer.Option(help="time loops, outermost first, as m,n,k")]
TileOption = Annotated[str | None, typer.Option(help="iterations that the banks hold in one run, as oh=28")]
LimitOption = Annotated[str | None, typer.Option(help="largest extents to generate for, as m=512,k=1024")]
JsonOption = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]
SimulatorOption = Annotated[str, typer.Option(help="verilator or icarus")]
FolderOption = Annotated[Path, typer.Option("--output", "-o", help="folder for the results")]

HERE = Path("brickwork-out")


@app.command("list")
def list_(json_: JsonOption = False) -> None:
    """Workloads, formats and simulators that Brickwork knows.

    Example: `brickwork list`
    """
    from workloads.formats import FORMATS
    from workloads.library import library

    entries = library()
    if json_:
        console.print_json(
            {
                "workloads": [
                    {"name": e.name, "description": e.description, "parameters": dict(e.defaults), "use": e.use}
                    for e in entries
                ],
                "formats": list(FORMATS),
                "simulators": ["verilator", "icarus"],
            }
        )
        return
    width = max(len(e.name) for e in entries)
    console.out.print("[bold]workloads[/bold] (name:parameter=value,...)")
    for entry in entries:
        console.out.print(f"  {entry.name:<{width}}  {entry.description}", markup=False)
        given = ", ".join(f"{key}={value}" for key, value in dict(entry.defaults).items())
        console.out.print(f"  {'':<{width}}  {given}", style="dim", markup=False)
    console.out.print("[bold]formats[/bold]")
    console.out.print("  " + ", ".join(FORMATS))
    console.out.print("[bold]simulators[/bold]")
    console.out.print("  verilator, icarus")


@app.command()
def show(
    spec: SpecArgument,
    dataflow: DataflowOption = None,
    space: SpaceOption = None,
    skew: SkewOption = None,
    order: OrderOption = None,
    tile: TileOption = None,
    drawing: Annotated[Path | None, typer.Option(help="write a picture of the array (.svg)")] = None,
    json_: JsonOption = False,
) -> None:
    """The nest, its tensors, sizes, reuse and dataflow, as text and as a picture.

    Example: `brickwork show conv2d:oc=64,ic=64,oh=56,ow=56 --drawing array.svg`
    """
    from workloads.describe import describe, nest_facts

    with console.user_errors():
        given = load(spec)
        built = None
        if given.dataflows or space:
            built = architecture(given.nest, chosen_dataflow(given, dataflow, space, skew, order, tile))
        if drawing is not None:
            if built is None:
                raise ChoiceError("--drawing needs a dataflow; give one with --space or in the spec")
            from brickwork.files import write_all
            from reports.drawing import draw_array

            write_all({drawing: draw_array(built.plans[0]).encode()})
        facts = nest_facts(given.nest)
        if json_:
            console.print_json(
                {
                    "name": given.nest.name,
                    "loops": given.nest.extents,
                    "macs": facts.macs,
                    "bytes": facts.bytes,
                    "tensors": [
                        {"name": t.tensor.name, "shape": list(t.tensor.shape), "format": str(t.tensor.format)}
                        for t in facts.tensors
                    ],
                }
            )
            return
        console.out.print(describe(given.nest, given.dataflows), markup=False, end="")
        if built is not None:
            _print_architecture(built)
        if drawing is not None:
            console.out.print(f"  drawing: {drawing}", markup=False)


def _print_architecture(built: Any) -> None:
    plan = built.plans[0]
    console.out.print(f"\narray of {' x '.join(map(str, built.shape))} functional units", markup=False)
    for feed in plan.feeds:
        ways = [f"hops {list(s.space)}" for s in feed.direct] + [f"delayed {s}" for s in feed.delayed]
        if feed.held:
            ways.append(f"stationary over {', '.join(plan.dataflow.order[-feed.held :])}")
        console.out.print(
            f"  {feed.access}: {feed.banking}; {'; '.join(ways) or 'every unit from its port'}", markup=False
        )
    drain = plan.drain
    ways = [f"{'tree' if s.tree else 'chain'} along {list(s.step.space)}" for s in drain.stages]
    if drain.held:
        ways.append(f"accumulated over {', '.join(plan.dataflow.order[-drain.held :])}")
    console.out.print(f"  {drain.access}: {drain.banking}; {'; '.join(ways) or 'written at once'}", markup=False)


@app.command("generate")
def generate_(
    spec: SpecArgument,
    dataflow: DataflowOption = None,
    space: SpaceOption = None,
    skew: SkewOption = None,
    order: OrderOption = None,
    tile: TileOption = None,
    limit: LimitOption = None,
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
        limits = sizes("--limit", limit)
        check_loops(given.nest, "--limit", limits)
        with console.progress("generate"):
            accelerator = generate(given.nest, flow, limits=limits)
            files = save(accelerator, folder)
        facts = {
            "verilog": str(files.verilog),
            "manifest": str(files.manifest),
            "drawing": str(files.drawing),
            "modules": len(accelerator.design.kind_name),
            "instances": sum(len(p) for p in accelerator.design.structure.kinds.values()),
            "register_bits": accelerator.design.netlist.statistics[-1].register_bits,
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
        for key in ("verilog", "manifest", "drawing"):
            console.out.print(f"  {key:<9} {facts[key]}", markup=False)


@app.command("simulate")
def simulate_(
    spec: SpecArgument,
    dataflow: DataflowOption = None,
    space: SpaceOption = None,
    skew: SkewOption = None,
    order: OrderOption = None,
    tile: TileOption = None,
    size: Annotated[str | None, typer.Option(help="run the generated design at these extents, as m=20")] = None,
    inputs: Annotated[Path | None, typer.Option(help=".npz with the input tensors by name")] = None,
    outputs: Annotated[Path | None, typer.Option(help="where to write the result (.npz)")] = None,
    seed: Annotated[int, typer.Option(help="seed of the random inputs")] = 0,
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
        accelerator, nest, result = _simulated(
            spec, (dataflow, space, skew, order, tile), size, inputs, seed, simulator, waveform
        )
        if outputs is not None:
            _write_outputs(outputs, nest.output.tensor, result.outputs)
        facts = {
            "match": result.matches,
            "cycles": {"predicted": result.predicted_cycles, "simulated": result.simulated_cycles},
            "macs": result.macs,
            "utilization": result.utilization,
            "simulator": result.simulator,
            "seconds": round(result.seconds, 3),
            "outputs": str(outputs) if outputs else None,
            "runs": len(result.runs),
            "faults": list(result.faults),
        }
        if json_:
            console.print_json(facts)
        else:
            _print_result(accelerator.name, result)
            if outputs is not None:
                console.out.print(f"  outputs   {outputs}", markup=False)
        if not result.matches:
            raise typer.Exit(1)


def _simulated(
    spec: str,
    flow: tuple[str | None, str | None, str | None, str | None, str | None],
    size: str | None,
    inputs: Path | None,
    seed: int,
    simulator: str,
    waveform: Path | None,
) -> Any:
    from sim import simulate

    given = load(spec)
    accelerator = generate(given.nest, chosen_dataflow(given, *flow))
    nest = resized(given.nest, "--size", size) if size else given.nest
    with console.progress("simulate") as say:
        result = simulate(
            accelerator, nest, inputs_for(nest, inputs, seed), simulator=simulator, waveform=waveform, progress=say
        )
    return accelerator, nest, result


def _write_outputs(path: Path, name: str, value: Any) -> None:
    import io

    import numpy as np

    from brickwork.files import write_all

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: value})
    write_all({path: buffer.getvalue()})


def _print_result(name: str, result: Any) -> None:
    verdict = "[green]match[/green]" if result.matches else "[red]MISMATCH[/red]"
    console.out.print(
        f"{name}: {verdict}, {result.simulated_cycles:,} cycles simulated, "
        f"{result.predicted_cycles:,} predicted, {result.utilization:.1%} utilization"
    )
    for fault in result.faults:
        console.out.print(f"  {fault}", markup=False)
    built = "found built" if result.reused_build else f"built in {result.build_seconds:.1f} s"
    console.out.print(f"  {result.simulator}: {built}, ran in {result.run_seconds:.1f} s", markup=False)


@app.command()
def report(
    spec: SpecArgument,
    dataflow: DataflowOption = None,
    space: SpaceOption = None,
    skew: SkewOption = None,
    order: OrderOption = None,
    tile: TileOption = None,
    seed: Annotated[int, typer.Option(help="seed of the random inputs")] = 0,
    simulator: SimulatorOption = "verilator",
    folder: FolderOption = HERE,
    json_: JsonOption = False,
) -> None:
    """Simulate, then write an HTML page about the design.

    Example: `brickwork report gemm:m=64,n=64,k=64 --space m=8,n=8`
    """
    from brickwork.files import write_all
    from reports.page import design_page

    with console.user_errors():
        accelerator, nest, result = _simulated(
            spec, (dataflow, space, skew, order, tile), None, None, seed, simulator, None
        )
        page = folder / f"{accelerator.name}.html"
        write_all({page: design_page(accelerator, nest, result).encode()})
        if json_:
            console.print_json({"report": str(page), "match": result.matches})
        else:
            _print_result(accelerator.name, result)
            console.out.print(f"  report    {page}", markup=False)
        if not result.matches:
            raise typer.Exit(1)


@app.command()
def bench(
    kernels: Annotated[
        list[str] | None, typer.Argument(metavar="[KERNELS]", help="cases by name; all by default")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="measurement file to write")] = Path("gpu.json"),
    json_: JsonOption = False,
) -> None:
    """Run the Triton kernels on this machine's GPU and write a measurement file.

    Example: `brickwork bench gemm --out gpu.json`
    """
    from sw_kernels.bench import bench as run_bench

    with console.user_errors():
        with console.progress("bench") as say:
            measured = run_bench(kernels or [], out, say)
        if json_:
            console.print_json(measured)
        else:
            for case in measured["cases"]:
                ratio = f", {case['ratio_to_peer']:.2f} of {case['peer']}" if case.get("peer") else ""
                console.out.print(f"{case['name']}: {case['time_us']:.1f} us{ratio}", markup=False)
            console.out.print(f"written to {out}", markup=False)


@app.command()
def demo(
    folder: FolderOption = Path("brickwork-demo"),
    json_: JsonOption = False,
) -> None:
    """The whole way on a ResNet-50 convolution and a matrix product, in about a minute.

    Example: `brickwork demo -o demo`
    """
    from brickwork.demo import run_demo

    with console.user_errors():
        rows = run_demo(folder)
        if json_:
            console.print_json({"designs": rows})
        if not all(row["match"] for row in rows):
            raise typer.Exit(1)


def main() -> None:
    """Entry point of the console command."""
    app()


if __name__ == "__main__":
    main()

__all__ = ["app", "main"]
