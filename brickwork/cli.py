"""The command line: verbs, plain files, exit codes 0 (done), 1 (the user's mistake), 2 (wrong usage)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brickwork import console
from brickwork.arguments import SIMULATORS, FolderOption, JsonOption
from brickwork.compare_command import compare_, page_
from brickwork.explore_command import explore_
from brickwork.files import check_writable
from brickwork.fuse_command import fuse_
from brickwork.generate_command import generate_
from brickwork.map_command import map_
from brickwork.show_command import show
from brickwork.simulate_command import report, simulate_
from brickwork.synth_command import synth

app = typer.Typer(
    help="Turn a tensor workload into a verified spatial accelerator, GPU kernels, and a decision.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


@app.command("list")
def list_(json_: JsonOption = False) -> None:
    """Workloads, formats and simulators that Brickwork knows.

    Example: `brickwork list`
    """
    from workloads.formats import FORMATS
    from workloads.functional_units import functional_units
    from workloads.library import library
    from workloads.networks import network_names

    entries = library()
    if json_:
        console.print_json(
            {
                "workloads": [
                    {"name": e.name, "description": e.description, "parameters": dict(e.defaults), "use": e.use}
                    for e in entries
                ],
                "formats": list(FORMATS),
                "functional_units": [unit.spelling for unit in functional_units()],
                "networks": list(network_names()),
                "simulators": list(SIMULATORS),
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
    console.out.print("[bold]functional units[/bold]")
    console.out.print("  " + ", ".join(unit.spelling for unit in functional_units()), markup=False)
    console.out.print("[bold]networks[/bold] (for map)")
    console.out.print("  " + ", ".join(network_names()), markup=False)
    console.out.print("[bold]simulators[/bold]")
    console.out.print("  " + ", ".join(SIMULATORS))


app.command()(show)
app.command("generate")(generate_)
app.command("simulate")(simulate_)
app.command()(report)
app.command()(synth)
app.command("map")(map_)
app.command("fuse")(fuse_)
app.command("page")(page_)
app.command("compare")(compare_)
app.command("explore")(explore_)


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
        check_writable(out)
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
    from brickwork.demo import print_demo, run_demo

    with console.user_errors():
        check_writable(folder / "design.v")
        rows = run_demo(folder)
        if json_:
            console.print_json({"designs": rows})
        else:
            print_demo(rows)
        if not all(row["match"] for row in rows):
            raise typer.Exit(1)


def main() -> None:
    """Entry point of the console command."""
    app()


if __name__ == "__main__":
    main()

__all__ = ["app", "main"]
