"""Talking to the person at the terminal: progress, results, errors. Only this package prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from workloads.errors import BrickworkError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Say = Callable[[str, float], None]

INTERRUPTED = 130


def print_json(value: Mapping[str, Any]) -> None:
    """One object on standard output."""
    sys.stdout.write(json.dumps(value) + "\n")


@contextmanager
def progress(title: str) -> Iterator[Say]:
    """A bar on standard error while something runs; the callback takes a phase and the part that is done."""
    if not err.is_terminal:
        yield lambda phase, part: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(title, total=None)

        def say(phase: str, part: float) -> None:
            bar.update(task, description=f"{title}: {phase}", total=1.0 if part > 0 else None, completed=part)

        yield say


def fail(error: BrickworkError) -> NoReturn:
    """One line a mistake on standard error; exit code 1."""
    for line in str(error).splitlines():
        sys.stderr.write(f"brickwork: error: {line}\n")
    raise typer.Exit(1)


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn the user's mistakes into messages, and Ctrl-C into a quiet end."""
    try:
        yield
    except BrickworkError as error:
        fail(error)
    except MemoryError as error:
        reason = f" ({error})" if str(error) else ""
        fail(
            BrickworkError(f"there is not enough memory for this{reason}; expected smaller tensors or a smaller array")
        )
    except KeyboardInterrupt:
        sys.stderr.write("brickwork: interrupted; nothing half-written was left behind\n")
        raise typer.Exit(INTERRUPTED) from None
