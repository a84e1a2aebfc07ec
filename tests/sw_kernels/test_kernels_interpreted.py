from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from kernel_cases import RANDOM, RANDOM_FULL, every_nest

NAMES = every_nest()


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return interpreted(tmp_path_factory.mktemp("kernels"))


def interpreted(cache: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    program = Path(__file__).with_name("interpret_kernels.py")
    done = subprocess.run(
        [sys.executable, str(program), *arguments],
        env={**os.environ, "BRICKWORK_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    rows: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return rows


@pytest.mark.parametrize("name", NAMES)
def test_kernel_computes_the_nest(compared: dict[str, dict[str, Any]], name: str) -> None:
    expected = NAMES[name][2]
    row = compared[name]
    assert row == {
        "form": expected or row["form"],
        "int8": True,
        "naive": True,
        "float32": True,
        "float16": True,
    }


def test_random_nests_reach_the_tensor_cores(compared: dict[str, dict[str, Any]]) -> None:
    forms = Counter(compared[f"random-{seed}"]["form"] for seed in RANDOM)
    assert forms["dot"] >= len(RANDOM) // 4


@pytest.mark.full
def test_random_kernels_compute_their_nests(tmp_path: Path) -> None:
    rows = interpreted(tmp_path, "full")
    assert len(rows) == len(RANDOM_FULL)
    for name, row in rows.items():
        right = {key: value for key, value in row.items() if key != "form"}
        assert right == {"int8": True, "naive": True, "float32": True, "float16": True}, name
