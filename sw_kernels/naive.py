"""The definition of a nest in torch, for tensors on any device: gather every factor over its loops, multiply, sum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workloads.affine import Affine, Guard
from workloads.nest import Access, Nest


def contract_naively(nest: Nest, tensors: Mapping[str, Any]) -> Any:
    """Compute a nest in fp64, with memory for every factor at each of its iteration points.

    Integers are exact while sums stay below 2**53. Elements that no point reaches are 0.
    """
    import torch

    assert nest.contraction, nest
    device = next(iter(tensors.values())).device
    letters = {loop: chr(ord("a") + number) for number, loop in enumerate(nest.loop_names)}
    factors, names = [], []
    for access in nest.inputs:
        factors.append(_gathered(torch, nest, access, tensors[access.tensor].double()))
        names.append("".join(letters[loop] for loop in access.loops))
    for guard in nest.guards:
        factors.append(_holds(torch, nest, guard, device).double())
        names.append("".join(letters[loop] for loop in guard.loops))
    # Every loop has to appear, also one that only repeats a point.
    for loop in nest.loop_names:
        if not any(letters[loop] in name for name in names):
            factors.append(torch.ones(nest.extents[loop], dtype=torch.float64, device=device))
            names.append(letters[loop])
    to = "".join(letters[loop] for loop in nest.output.loops)
    values = torch.einsum(f"{','.join(names)}->{to}", *factors) * float(nest.coefficient)
    shape = nest.tensor(nest.output.tensor).shape
    where = _flat(torch, nest, nest.output, nest.output.loops, device)
    flat = torch.zeros(nest.tensor(nest.output.tensor).elements, dtype=torch.float64, device=device)
    flat.index_put_((where.reshape(-1),), values.reshape(-1), accumulate=True)
    return flat.reshape(shape)


def _along(torch: Any, nest: Nest, loop: str, loops: tuple[str, ...], device: Any) -> Any:
    shape = [nest.extents[loop] if name == loop else 1 for name in loops]
    return torch.arange(nest.extents[loop], device=device).reshape(shape)


def _value(torch: Any, nest: Nest, expression: Affine, loops: tuple[str, ...], device: Any) -> Any:
    total = torch.full([1] * len(loops), expression.constant, device=device)
    for loop, coefficient in expression.terms:
        total = total + coefficient * _along(torch, nest, loop, loops, device)
    return total


def _flat(torch: Any, nest: Nest, access: Access, loops: tuple[str, ...], device: Any) -> Any:
    total = torch.zeros([nest.extents[loop] for loop in loops], dtype=torch.int64, device=device)
    for extent, index in zip(nest.tensor(access.tensor).shape, access.index, strict=True):
        total = total * extent + _value(torch, nest, index, loops, device)
    return total


def _gathered(torch: Any, nest: Nest, access: Access, values: Any) -> Any:
    loops, device = access.loops, values.device
    where = _flat(torch, nest, access, loops, device)
    outside = torch.zeros([1] * len(loops), dtype=torch.bool, device=device)
    for extent, index in zip(nest.tensor(access.tensor).shape, access.index, strict=True):
        value = _value(torch, nest, index, loops, device)
        outside = outside | (value < 0) | (value >= extent)
    taken = values.reshape(-1)[where.clamp(0, values.numel() - 1)]
    return torch.where(outside, 0.0, taken)


def _holds(torch: Any, nest: Nest, guard: Guard, device: Any) -> Any:
    loops = guard.loops
    value = _value(torch, nest, guard.affine, loops, device)
    for division, coefficient in guard.divisions:
        inner = _value(torch, nest, division.inner, loops, device)
        quotient = torch.div(inner, division.divisor, rounding_mode="floor")
        value = value + coefficient * (quotient if division.operator == "//" else inner - quotient * division.divisor)
    holds = value >= 0 if guard.relation == ">=" else (value == 0) == (guard.relation == "==")
    return holds.expand([nest.extents[loop] for loop in loops])
