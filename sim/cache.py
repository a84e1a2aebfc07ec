"""Folders named by a hash of what they were made from, filled once, by one process, all or nothing."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

# Random designs come by the hundred; those used last are kept.
MOST_BYTES = 2 << 30


def content_key(*parts: str) -> str:
    """A short name for all parts together."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:".encode() + part.encode())
    return digest.hexdigest()[:24]


def filled(folder: Path, fill: Callable[[Path], None]) -> bool:
    """Make sure that ``folder`` exists, filled by ``fill``; returns whether it was there already.

    Other processes wait for the first one. An exception in ``fill`` leaves nothing behind.
    """
    if _used(folder):
        return True
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _used(folder):
            return True
        work = Path(tempfile.mkdtemp(prefix=".filling-", dir=folder.parent))
        try:
            fill(work)
            work.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    _prune(folder)
    return False


def _used(folder: Path) -> bool:
    try:
        os.utime(folder)
    except FileNotFoundError:
        return False
    return True


def _prune(newest: Path) -> None:
    """Remove the folders beside ``newest`` that were used longest ago, until the rest is small enough."""
    found = []
    for folder in newest.parent.iterdir():
        try:
            if folder.is_dir() and not folder.name.startswith("."):
                size = sum(f.stat().st_size for f in folder.iterdir())
                found.append((folder.stat().st_mtime, size, folder))
        except FileNotFoundError:
            # Another process prunes too.
            continue
    total = 0
    for _, size, folder in sorted(found, reverse=True):
        total += size
        if total > MOST_BYTES and folder != newest:
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)
