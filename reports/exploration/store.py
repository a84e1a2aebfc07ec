"""Results on disk as they come: a run that is killed loses at most what it was working on."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from workloads.errors import BrickworkError


class StoreError(BrickworkError):
    """A store that cannot be read or written."""


class Store:
    """A folder of JSON-lines files, one for each writer; readers merge all of them.

    Each line is a key and a value, written at once and synchronised with the disk. Lines are never changed; where two
    have the same key, the one whose text comes first counts, so that the merged content does not depend on the order of
    files.

    Attributes
    ----------
    notes : list of str
        What was found and repaired.
    """

    def __init__(self, folder: Path, writer: str = "results") -> None:
        self.folder, self.path = folder, folder / f"{writer}.jsonl"
        self.notes: list[str] = []
        self._file: BinaryIO | None = None
        # Files only grow, so that each line is read once however often a search asks what is known.
        self._read: dict[Path, tuple[int, int]] = {}
        self._chosen: dict[str, tuple[str, dict[str, Any]]] = {}

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b")
        except OSError as error:
            raise StoreError(f"cannot write {self.path}: {error.strerror or error}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise StoreError(
                f"{self.path} is being written by another run; wait for it, or give this one its own --shard or --out"
            ) from None
        self._drop_torn_line(self._file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        self._file.close()
        self._file = None

    def add(self, key: str, value: Mapping[str, Any]) -> None:
        """Write one result and wait until it is on the disk.

        Raises
        ------
        StoreError
        """
        assert self._file is not None, "the store is not open"
        line = json.dumps({"key": key, "value": value}, separators=(",", ":")).encode() + b"\n"
        try:
            # One unbuffered write: a signal between two parts could leave half a line before a later one.
            os.write(self._file.fileno(), line)
            os.fsync(self._file.fileno())
        except OSError as error:
            raise StoreError(f"cannot write {self.path}: {error.strerror or error}") from None

    def values(self) -> dict[str, dict[str, Any]]:
        """Everything that any writer has finished, by key.

        Raises
        ------
        StoreError
            A line is neither a result nor the torn last one of its file.
        """
        for path in sorted(self.folder.glob("*.jsonl")):
            offset, lines = self._read.get(path, (0, 0))
            for number, line in enumerate(_lines(path, offset), lines + 1):
                key, value = _read(path, number, line)
                text = line.decode()
                if key not in self._chosen or text < self._chosen[key][0]:
                    self._chosen[key] = text, value
                offset += len(line) + 1
                self._read[path] = offset, number
        return {key: value for key, (_, value) in sorted(self._chosen.items())}

    def _drop_torn_line(self, file: BinaryIO) -> None:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        whole = file.read().rfind(b"\n") + 1
        if whole < size:
            file.truncate(whole)
            self.notes.append(f"{self.path}: the last line was cut off when a run was killed; its layer runs again")


def _lines(path: Path, offset: int) -> list[bytes]:
    """Whole lines from an offset on; what follows the last line break is torn, or being written now."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read().split(b"\n")[:-1]
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from None


def _read(path: Path, number: int, line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        row = json.loads(line)
        key, value = row["key"], row["value"]
    except (ValueError, KeyError, TypeError):
        key = value = None
    if not isinstance(key, str) or not isinstance(value, dict):
        raise StoreError(f"{path}:{number}: this is not a result; expected what a run wrote; delete the line")
    return key, value
