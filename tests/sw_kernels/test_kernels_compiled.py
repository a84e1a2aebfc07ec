from __future__ import annotations

from typing import Any

import pytest
from programs import COMPILING, builds, printed

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


@pytest.mark.parametrize(("name", "capability"), builds(NAMES))
def test_kernel_compiles_well(name: str, capability: int) -> None:
    check(printed("compile_kernels.py", "now", **COMPILING)[f"{name}-sm{capability}"], name, capability)


@pytest.mark.full
@pytest.mark.parametrize(("name", "capability"), builds(NAMES, later=True))
def test_other_kernels_compile_well(name: str, capability: int) -> None:
    check(printed("compile_kernels.py", "later", **COMPILING)[f"{name}-sm{capability}"], name, capability)


def check(row: dict[str, Any], name: str, capability: int) -> None:
    tensor_cores = not name.startswith((*WITHOUT_TENSOR_CORES, *BY_WARP))
    assert row["local_bytes"] == 0
    assert row["shared_bytes"] <= MOST_SHARED_BYTES
    assert row["wgmma"] == (tensor_cores and capability == 90)
    assert row["tcgen05"] == (tensor_cores and capability == 100)
    assert row["wide"] == (not name.startswith(UNALIGNED))
