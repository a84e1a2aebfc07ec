"""Results of the programs that interpret and compile kernels, each run once a test run."""

from __future__ import annotations

import fcntl
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# Compiled for sm_100 by the full tests only: kernels with other tiles than those that are, and layers of networks,
# whose forms other cases have.
LATER_ON_100 = (
    *("weight-only-m16", "weight-only-m16-lora32", "weight-only-m32", "weight-only-m64", "weight-only-m64-lora32"),
    *("weight-only-m128-lora32", "weight-only-small-m8", "weight-only-small-m8-lora32", "exact-product-3x2-branch"),
)
NETWORKS_ON_100 = ("resnet50", "mobilenet_v2", "bert_base", "gpt2")
COMPILING = {"TRITON_INTERPRET": "0", "TRITON_DEFAULT_FP_FUSION": "1"}


@functools.cache
def printed(program: str, *arguments: str, **environment: str) -> dict[str, dict[str, Any]]:
    """What the program prints; processes of one test run share it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    found = Path(tempfile.gettempdir()) / f"brickwork-tests-{run}-{'-'.join((Path(program).stem, *arguments))}.json"
    with found.with_suffix(".lock").open("w") as lock, tempfile.TemporaryDirectory() as folder:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            done = subprocess.run(
                [sys.executable, str(HERE / program), *arguments],
                env={**os.environ, "BRICKWORK_CACHE": folder, "TRITON_CACHE_DIR": folder, **environment},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr[-4000:]
            found.write_text(done.stdout)
    rows: dict[str, dict[str, Any]] = json.loads(found.read_text())
    return rows


def interpreted() -> dict[str, dict[str, Any]]:
    """How each case compares with its twin."""
    return printed("interpret_tuned.py")


def compiled(when: str = "now") -> dict[str, dict[str, Any]]:
    """What the machine code of each build uses; with ``later``, of those that the full tests compile."""
    return printed("compile_tuned.py", when, **COMPILING)


def builds(names: Iterable[str], *, later: bool = False) -> list[tuple[str, int]]:
    """Names and capabilities that are compiled now, or later."""
    of_90, of_100 = [], []
    for name in names:
        is_later = name in LATER_ON_100 or name.startswith(NETWORKS_ON_100)
        if not later:
            of_90.append((name, 90))
        if is_later == later:
            of_100.append((name, 100))
    return of_90 + of_100
