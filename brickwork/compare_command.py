"""The verbs ``page`` and ``compare``: what an exploration found, as a page and against a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brickwork import console
from brickwork.arguments import GpuOption, JsonOption
from brickwork.compare_output import print_comparison
from brickwork.exploration_steps import compare
from brickwork.exploration_steps import page as write_page
from brickwork.gpu_files import gpu_of
from brickwork.watching import AT_THE_TERMINAL, interruptions

_ResultsArgument = Annotated[
    Path, typer.Argument(metavar="STUDY|RESULTS", help="a study file, or results.json of an exploration")
]
_FolderOption = Annotated[
    Path | None, typer.Option("--store", help="folder of the study's exploration; brickwork-out/NAME when left out")
]


def page_(
    results: _ResultsArgument,
    out: Annotated[Path, typer.Option("--out", help="page to write (.html)")] = Path("study.html"),
    gpu: GpuOption = None,
    store: _FolderOption = None,
    figures: Annotated[
        str | None, typer.Option(help="write figures for papers beside the page, as svg, pdf or png")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Write the page of an exploration: designs, layers, energies, mappings, arrays and every constant.

    `brickwork explore` writes it too; this verb writes it again, beside other measurements. A study that has not been
    explored is explored first.

    Example: `brickwork page results.json --out study.html`

    Example: `brickwork page results.json --gpu gpu.json --figures pdf`
    """
    with console.user_errors(), interruptions():
        measured = gpu_of(gpu)
        written = write_page(results, out, gpu=gpu or (), folder=store, figures=figures, watcher=AT_THE_TERMINAL)
        if json_:
            paths = [str(path) for path in written.figures]
            facts = {"page": str(out), "figures": paths, "points": written.designs, "gpu": measured.names}
            console.print_json(facts)
        else:
            console.out.print(f"page of {written.designs} designs: {out}", markup=False)
            for path in written.figures:
                console.out.print(f"  figure: {path}", markup=False)
            console.out.print(measured.note, markup=False)


def compare_(
    results: _ResultsArgument,
    gpu: GpuOption = None,
    store: _FolderOption = None,
    json_: JsonOption = False,
) -> None:
    """The best design of an exploration against a GPU: each layer beside the same work, measured.

    Layers that were not measured stand beside what the GPU's published peak and bandwidth allow. A study that has not
    been explored is explored first. docs/comparison.md has the rules.

    Example: `brickwork compare examples/study_dc_ae.yaml`

    Example: `brickwork compare results.json --gpu gpu.json`
    """
    with console.user_errors(), interruptions():
        measured = gpu_of(gpu)
        found = compare(results, gpu or (), folder=store, watcher=AT_THE_TERMINAL)
        if json_:
            console.print_json(found.facts | {"gpu_files": measured.names})
        else:
            print_comparison(found)
            console.out.print(measured.note, markup=False)
