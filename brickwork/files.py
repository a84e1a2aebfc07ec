"""Writing results: all files of a step or none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from workloads.errors import BrickworkError


class OutputError(BrickworkError):
    """A result that cannot be written."""


def write_all(files: Mapping[Path, bytes]) -> None:
    """Write every file under a temporary name first, then rename; an error leaves nothing behind.

    Raises
    ------
    OutputError
        Names the path and the reason.
    """
    for path in files:
        check_writable(path)
    waiting: list[tuple[str, Path]] = []
    try:
        for path, content in files.items():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
                waiting.append((name, path))
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                os.chmod(name, 0o644)
            except OSError as error:
                raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
        for name, path in waiting:
            try:
                os.replace(name, path)
            except OSError as error:
                raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        for name, _ in waiting:
            Path(name).unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Refuse a place where no file can be, before any work is done for it.

    Raises
    ------
    OutputError
    """
    if path.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise OutputError(f"cannot write {path}: {above} is not a folder")
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
