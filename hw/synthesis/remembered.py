"""What tools gave, kept by content, so that they run once."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def remembered(cache: Path | None, parts: tuple[str, ...], make: Callable[[], str]) -> str:
    """What ``make`` gives for these parts, from ``cache`` if it was asked before; never remembered without a cache."""
    if cache is None:
        return make()
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:".encode() + part.encode())
    file = cache / digest.hexdigest()[:24]
    try:
        return file.read_text()
    except FileNotFoundError:
        pass
    text = make()
    cache.mkdir(parents=True, exist_ok=True)
    # Another process may write the same at the same time.
    handle, name = tempfile.mkstemp(dir=cache)
    with os.fdopen(handle, "w") as out:
        out.write(text)
    os.replace(name, file)
    return text
