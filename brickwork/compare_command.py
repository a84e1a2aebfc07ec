"""The verbs ``page`` and ``compare``: what an exploration found, as a page and against a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brickwork import console
from brickwork.arguments import JsonOption
from brickwork.files import write_all

if TYPE_CHECKING:
    from reports.compare import GpuComparison

_ResultsArgument = Annotated[Path, typer.Argument(metavar="RESULTS", help="results file of an exploration (.json)")]


def page(
    results: _ResultsArgument,
    out: Annotated[Path, typer.Option("--out", help="page to write (.html)")] = Path("study.html"),
    gpu: Annotated[Path | None, typer.Option(help="measurement file of `brickwork bench`, for the roofline")] = None,
    json_: JsonOption = False,
) -> None:
    """Write the page of an exploration: designs, layers, energies, mappings, arrays and every constant.

    Example: `brickwork page results.json --out study.html`
    """
    from reports.compare_gpu import read_gpu
    from reports.study_page import study_page
    from reports.study_page.results import read_results

    with console.user_errors():
        stored = read_results(results)
        measured = None if gpu is None else read_gpu(gpu)
        write_all({out: study_page(stored.header, stored.outcomes, measured).encode()})
        if json_:
            console.print_json({"page": str(out), "points": len(stored.outcomes)})
        else:
            console.out.print(f"page of {len(stored.outcomes)} designs: {out}", markup=False)


def compare(
    results: _ResultsArgument,
    gpu: Annotated[Path, typer.Option(help="measurement file of `brickwork bench`")],
    json_: JsonOption = False,
) -> None:
    """The best design of an exploration against a GPU: matrix products of the same sizes and format.

    Example: `brickwork compare results.json --gpu gpu.json`
    """
    from reports.compare import compare_with_gpu
    from reports.compare_gpu import read_gpu
    from reports.study_page.results import read_results

    with console.user_errors():
        found = compare_with_gpu(read_results(results).chosen, read_gpu(gpu))
        if json_:
            console.print_json(found.facts)
        else:
            _print(found)


def _print(found: GpuComparison) -> None:
    say = console.out.print
    for layer in found.layers:
        say(f"{layer.operator} = case {layer.case}, {layer.ops:,} operations", markup=False, style="bold")
        line = "  {:<22} {:<9} {:>14} {:>12} {:>12} {:>15}"
        say(line.format("", "kind", "time us", "energy mJ", "of its peak", "off-chip bytes"), markup=False)
        for name, kind, time_us, joule, part, moved in (
            (
                "accelerator",
                "modelled",
                layer.accelerator_us,
                layer.accelerator_j,
                layer.accelerator_of_peak,
                layer.accelerator_bytes,
            ),
            ("with GPU's bandwidth", "modelled", layer.equal_bandwidth_us, None, None, layer.accelerator_bytes),
            (found.gpu.gpu, "measured", layer.gpu_us, layer.gpu_j, layer.gpu_of_peak, layer.gpu_bytes),
        ):
            cells = (
                "-" if time_us is None else f"{time_us:,.2f}",
                "-" if joule is None else f"{joule * 1e3:,.4g}",
                "-" if part is None else f"{part:.1%}",
                f"{moved:,}",
            )
            say(line.format(name, kind, *cells), markup=False)
        say(f"  GPU kernel: {layer.kernel}", markup=False)
    for note in found.notes:
        say(note, markup=False)
