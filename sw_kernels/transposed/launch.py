"""A tensor with one dimension moved to the end, as a copy that reads and writes whole tiles."""

from __future__ import annotations

from math import prod
from typing import Any

TILE = 64


def moved_last(tensor: Any, dimension: int) -> Any:
    """A contiguous copy whose last dimension is ``dimension``, the others in their order.

    Parameters
    ----------
    tensor : contiguous torch tensor of fewer than 2**31 elements
    """
    import torch

    from sw_kernels.transposed.kernel import transpose

    shape = tensor.shape
    outer, rows, columns = prod(shape[:dimension]), shape[dimension], prod(shape[dimension + 1 :])
    out = torch.empty((*shape[:dimension], *shape[dimension + 1 :], rows), dtype=tensor.dtype, device=tensor.device)
    tiles = -(-rows // TILE) * -(-columns // TILE)
    transpose[(outer * tiles,)](tensor, out, rows, columns, TILE=TILE, num_warps=4)
    return out
