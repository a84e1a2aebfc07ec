"""Running a study behind a progress bar, into its store; and the results of a study however they are named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from brickwork import console
from brickwork.arguments import HERE
from brickwork.explore_output import RESULTS
from brickwork.steps import ChoiceError
from brickwork.studies import load_study
from reports.exploration.engine import Progress as Layers
from reports.exploration.engine import Say, explore
from reports.exploration.results import Results
from reports.exploration.runners import Runner, processes, serial
from reports.exploration.store import Store
from reports.exploration.study import Study

if TYPE_CHECKING:
    from reports.study_page.results import StoredResults


def local_workers(jobs: int | None = None) -> AbstractContextManager[Runner]:
    """Processes of this machine, one a core unless told otherwise."""
    count = jobs or len(os.sched_getaffinity(0))
    return nullcontext(serial) if count == 1 else processes(count)


@contextmanager
def open_store(folder: Path, writer: str = "results") -> Iterator[Store]:
    """The store of a folder, with what was repaired in it said."""
    with Store(folder / "store", writer) as store:
        for note in store.notes:
            console.err.print(note, markup=False)
        yield store


def explored(
    study: Study, folder: Path, workers: AbstractContextManager[Runner], store: Store, limit: int | None = None
) -> Results:
    """Evaluate what the store does not have yet; Ctrl-C ends the command and says how to go on."""
    try:
        with workers as runner, bar(study.name) as say:
            return explore(study, store, runner, limit=limit, say=say)
    except KeyboardInterrupt:
        interrupted(store, folder)


def stored_of(path: Path, folder: Path | None = None) -> StoredResults:
    """What a results file holds, or what a study finds; layers that its store has are not evaluated again.

    Parameters
    ----------
    path
        Results as `explore` writes them, or a study file.
    folder
        Of the study's exploration; ``brickwork-out/NAME`` when left out.

    Raises
    ------
    BrickworkError
    """
    from reports.study_page.results import read_results, stored_results

    if path.suffix not in (".yaml", ".yml"):
        if folder is not None:
            raise ChoiceError(f"--store is for a study file (.yaml), not for {path}")
        return read_results(path)
    study = load_study(path)
    place = folder or HERE / study.name
    with open_store(place) as store:
        found = stored_results(explored(study, place, local_workers(), store).facts)
    if not (place / RESULTS).is_file():
        return found
    # Simulations are in the results file only; they count for points whose outcome is still the same.
    checked = {o: o.verifications for o in read_results(place / RESULTS).outcomes}
    earlier = {replace(outcome, verifications=()): checks for outcome, checks in checked.items()}
    outcomes = (replace(outcome, verifications=earlier.get(outcome, ())) for outcome in found.outcomes)
    return replace(found, outcomes=tuple(outcomes))


def interrupted(store: Store, folder: Path) -> NoReturn:
    """Say what is kept, and leave."""
    console.err.print(
        f"brickwork: interrupted; {len(store.values())} layers are kept in {folder}: run the same command to go on",
        markup=False,
    )
    raise typer.Exit(console.INTERRUPTED) from None


@contextmanager
def bar(title: str) -> Iterator[Say | None]:
    """Layers done, and when the rest will be."""
    if not console.err.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[unit]},"))
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, *times, console=console.err, transient=True) as shown:
        task = shown.add_task(title, total=None, unit="layers")

        def say(layers: Layers) -> None:
            failed = f", {layers.failed} failed" if layers.failed else ""
            shown.update(
                task, description=f"{title}{failed}", total=layers.total, completed=layers.done, unit=layers.unit
            )

        yield say
