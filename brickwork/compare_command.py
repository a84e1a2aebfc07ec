"""The verbs ``page`` and ``compare``: what an exploration found, as a page and against a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brickwork import console
from brickwork.arguments import GpuOption, JsonOption
from brickwork.compare_output import print_comparison
from brickwork.exploration_steps import compare, stored_of
from brickwork.files import check_writable, write_all
from brickwork.gpu_files import gpu_of
from brickwork.steps import ChoiceError
from brickwork.watching import AT_THE_TERMINAL, interruptions

_ResultsArgument = Annotated[
    Path, typer.Argument(metavar="STUDY|RESULTS", help="a study file, or results.json of an exploration")
]
_FolderOption = Annotated[
    Path | None, typer.Option("--store", help="folder of the study's exploration; brickwork-out/NAME when left out")
]


def page(
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
    from reports.study_page import study_page
    from reports.study_page.figures import FILE_KINDS, study_figures

    with console.user_errors(), interruptions():
        check_writable(out)
        if figures is not None and figures not in FILE_KINDS:
            raise ChoiceError(f"--figures: expected one of {', '.join(FILE_KINDS)}, not {figures!r}")
        measured = gpu_of(gpu)
        stored = stored_of(results, store, watcher=AT_THE_TERMINAL)
        files = {out: study_page(stored.header, stored.outcomes, measured.measurements).encode()}
        drawn = study_figures(stored.outcomes, figures) if figures else {}
        files |= {out.with_name(f"{out.stem}_{name}.{figures}"): content for name, content in drawn.items()}
        write_all(files)
        if json_:
            paths = [str(path) for path in files if path != out]
            facts = {"page": str(out), "figures": paths, "points": len(stored.outcomes), "gpu": measured.names}
            console.print_json(facts)
        else:
            console.out.print(f"page of {len(stored.outcomes)} designs: {out}", markup=False)
            for path in (path for path in files if path != out):
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
