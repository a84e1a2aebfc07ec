from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from kernel_cases import RANDOM, every_nest

NAMES = every_nest()


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    program = Path(__file__).with_name("interpret_kernels.py")
    cache = str(tmp_path_factory.mktemp("kernels"))
    done = subprocess.run(
        [sys.executable, str(program)],
        env={**os.environ, "BRICKWORK_CACHE": cache},
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
    forms = Counter(compared[f"random-{seed}"]["form"] for seed in range(RANDOM))
    assert forms["dot"] >= RANDOM // 4
