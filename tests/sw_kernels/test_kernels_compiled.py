from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kernel_cases import LATER_ON_100

from sw_kernels.cases import cases

# Shared memory of one block: 227 KiB on both.
MOST_SHARED_BYTES = 232448
FAMILIES = ("mttkrp-fp16", "causal-scores-fp16", "conv-nchw-fp16", "gemv-fp16", "gemm-fp32")
NAMES = [*(case.name for case in cases()), *FAMILIES]
WITHOUT_TENSOR_CORES = ("depthwise", "mobilenet_v2", "gemv", "gemm-fp32")
# Columns of an image start anywhere, three channels too, and lanes of bytes that are summed one by one load one each.
UNALIGNED = ("conv-nchw", "resnet50-conv1-", "mobilenet_v2-stage1.1-int8", "mobilenet_v2-stage6.0-int8")
# A tile of 32 rows is too small for a warp group.
BY_WARP = ("gemm-128", "resnet50-conv4_x.b-bf16")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return results(tmp_path_factory.mktemp("kernels"))


def results(folder: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    program = Path(__file__).with_name("compile_kernels.py")
    environment = {
        **os.environ,
        "BRICKWORK_CACHE": str(folder),
        "TRITON_CACHE_DIR": str(folder / "triton"),
        "TRITON_INTERPRET": "0",
        "TRITON_DEFAULT_FP_FUSION": "1",
    }
    done = subprocess.run(
        [sys.executable, str(program), *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    rows: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return rows


@pytest.mark.parametrize(
    ("name", "capability"),
    [(n, c) for c in (90, 100) for n in NAMES if c == 90 or not n.startswith(LATER_ON_100)],
)
def test_kernel_compiles_well(compiled: dict[str, dict[str, Any]], name: str, capability: int) -> None:
    check(compiled[f"{name}-sm{capability}"], name, capability)


@pytest.mark.full
def test_layers_of_networks_compile_well(tmp_path: Path) -> None:
    rows = results(tmp_path, "later")
    names = [name for name in NAMES if name.startswith(LATER_ON_100)]
    assert rows.keys() == {f"{name}-sm100" for name in names}
    for name in names:
        check(rows[f"{name}-sm100"], name, 100)


def check(row: dict[str, Any], name: str, capability: int) -> None:
    tensor_cores = not name.startswith((*WITHOUT_TENSOR_CORES, *BY_WARP))
    assert row["local_bytes"] == 0
    assert row["shared_bytes"] <= MOST_SHARED_BYTES
    assert row["wgmma"] == (tensor_cores and capability == 90)
    assert row["tcgen05"] == (tensor_cores and capability == 100)
    assert row["wide"] == (not name.startswith(UNALIGNED))
