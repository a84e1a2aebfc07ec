"""The definition of the product, in fp64."""

from __future__ import annotations

from typing import Any

from sw_kernels.nvfp4.weight import Nvfp4Weight, dequantized


def linear_naively(x: Any, weight: Nvfp4Weight, lora: tuple[Any, Any] | None = None) -> Any:
    """``x W^T``, and ``+ (x A^T) B^T`` with ``lora`` the pair (A, B) of shapes (rank, K) and (N, rank)."""
    import torch

    wide = x.double()
    total = wide @ dequantized(weight, torch.float64).T
    if lora is None:
        return total
    down, up = lora
    # The kernels keep the narrow activations in the type of x.
    return total + (wide @ down.double().T).to(x.dtype).double() @ up.double().T
