"""Tensors stored again before a kernel, where the tensor cores would otherwise read them slowly.

Hopper's tensor cores read 8-bit operands along the reduction only; a kernel that loads such an operand across it
transposes every tile anew. Storing a tensor of a large product again, once, costs far less.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sw_kernels.dot import obstacle, tiled_reduction
from sw_kernels.roles import address, classify
from workloads.nest import Nest

# Smaller products are over before a tensor is stored again.
LEAST_POINTS = 1 << 27


def stored_along_reduction(nest: Nest, element_bytes: int, *, integer: bool) -> tuple[Nest, dict[str, int]]:
    """The nest on tensors that are contiguous along the reduction, and which dimension moved to the end of which.

    The nest itself and no tensors where nothing is gained.
    """
    roles = classify(nest)
    if element_bytes != 1 or not integer or nest.points < LEAST_POINTS or obstacle(roles, element_bytes, integer):
        return nest, {}
    along, operands = tiled_reduction(roles)
    moved: dict[str, int] = {}
    for access in (nest.inputs[i] for i in operands):
        last = next((d for d, index in enumerate(access.index) if index.terms == ((along, 1),)), None)
        alone = sum(other.tensor == access.tensor for other in nest.inputs) == 1
        if last is not None and alone and address(nest, access)[0].get(along) != 1:
            moved[access.tensor] = last
    inputs = tuple(
        replace(access, index=_with_last(access.index, moved[access.tensor])) if access.tensor in moved else access
        for access in nest.inputs
    )
    tensors = tuple(
        replace(tensor, shape=_with_last(tensor.shape, moved[tensor.name])) if tensor.name in moved else tensor
        for tensor in nest.tensors
    )
    return (replace(nest, inputs=inputs, tensors=tensors) if moved else nest), moved


def _with_last(parts: tuple[Any, ...], last: int) -> tuple[Any, ...]:
    return (*parts[:last], *parts[last + 1 :], parts[last])
