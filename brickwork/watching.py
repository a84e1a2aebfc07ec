"""What an exploration says at the terminal while it runs, and when Ctrl-C ends it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from brickwork import console
from brickwork.exploration_steps import ExplorationInterrupted, Watcher
from reports.exploration.engine import Progress as Layers
from reports.exploration.engine import Say


@contextmanager
def _bar(title: str) -> Iterator[Say | None]:
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


AT_THE_TERMINAL = Watcher(_bar, console.progress, lambda note: console.err.print(note, markup=False))


@contextmanager
def interruptions() -> Iterator[None]:
    """Turn Ctrl-C during an exploration into what is kept and how to go on."""
    try:
        yield
    except ExplorationInterrupted as interrupted:
        sys.stderr.write(f"brickwork: {interrupted}: run the same command to go on\n")
        raise typer.Exit(console.INTERRUPTED) from None
