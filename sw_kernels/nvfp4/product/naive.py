"""The definition: `workloads.formats.exact.matmul`; with a low-rank branch, in fp64."""

from __future__ import annotations

from typing import Any

from sw_kernels.nvfp4.matrix import Nvfp4Matrix
from workloads.formats.encoding import BF16, FP16, FP32
from workloads.formats.exact import matmul

_ENCODINGS = {"float32": FP32, "bfloat16": BF16, "float16": FP16}


def product_naively(left: Nvfp4Matrix, right: Nvfp4Matrix, dtype: Any) -> Any:
    """``left @ right.T`` rounded once to ``dtype``, bit for bit."""
    import torch

    encoding = _ENCODINGS[str(dtype).removeprefix("torch.")]
    result = matmul(left.block_scaled(), right.block_scaled(), encoding)
    return torch.from_numpy(result).to(dtype)


def branched_product_naively(left: Nvfp4Matrix, right: Nvfp4Matrix, narrow: Any, up: Any) -> Any:
    """``left @ right.T + narrow @ up.T`` in fp64."""
    import torch

    return product_naively(left, right, torch.float32).double() + narrow.double() @ up.double().T
