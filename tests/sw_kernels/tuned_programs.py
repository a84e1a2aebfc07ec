"""Results of the programs that interpret and compile the hand-written kernels, each run once."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def _run(program: str, *arguments: str, **environment: str) -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(HERE / program), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    rows: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return rows


@functools.cache
def interpreted() -> dict[str, dict[str, Any]]:
    """How each case compares with its twin."""
    return _run("interpret_tuned.py")


@functools.cache
def compiled(folder: Path) -> dict[str, dict[str, Any]]:
    """What the machine code of each build uses; compiled in ``folder``."""
    return _run(
        "compile_tuned.py",
        "90",
        "100",
        TRITON_CACHE_DIR=str(folder),
        TRITON_INTERPRET="0",
        TRITON_DEFAULT_FP_FUSION="1",
    )
