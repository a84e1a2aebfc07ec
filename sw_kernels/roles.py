"""Loops of a contraction as the dimensions of a matrix product."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from workloads.nest import Access, Nest


@dataclass(frozen=True)
class Roles:
    """Which loops of a nest play batch, M, N and K of an implicit matrix product.

    Attributes
    ----------
    batch, m, n, k : tuple of str
        Loops, outermost first; within a role they are fused into one index.
    left, right : tuple of int
        Positions of the inputs whose product is the left (batch, M, K) and the right (batch, K, N) operand.
    """

    nest: Nest
    batch: tuple[str, ...]
    m: tuple[str, ...]
    n: tuple[str, ...]
    k: tuple[str, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]

    def extent(self, loops: Iterable[str]) -> int:
        """Points of fused loops."""
        return prod(self.nest.extents[loop] for loop in loops)

    def __str__(self) -> str:
        parts = (("batch", self.batch), ("M", self.m), ("N", self.n), ("K", self.k))
        return ", ".join(f"{name} = {'*'.join(loops) or '1'} = {self.extent(loops)}" for name, loops in parts)


def classify(nest: Nest) -> Roles:
    """Sort loops by the tensors that use them.

    Loops in every input are batch, loops that the output does not use are K. Output loops that meet in one input belong
    together; the group that is contiguous in the output is N, the rest M.
    """
    output = nest.output.loops
    used = [set(access.loops) for access in nest.inputs]
    order = by_stride(nest, nest.output, output)
    batch = {loop for loop in output if all(loop in u for u in used)} if len(used) > 1 else set()
    groups: list[set[str]] = [{loop} for loop in output if loop not in batch]
    for loops in used:
        touched = [g for g in groups if g & loops]
        if len(touched) > 1:
            groups = [g for g in groups if g not in touched] + [set().union(*touched)]
    # Neighbouring columns of a tile should be neighbours in the output: its contiguous loop makes N.
    along = next((loop for loop in reversed(order) if loop not in batch), None)
    n = next((g for g in groups if along in g), set()) if len(groups) > 1 else set()
    m = set().union(*(g for g in groups if g is not n))
    left = tuple(i for i, u in enumerate(used) if not u & n)
    right = tuple(i for i, u in enumerate(used) if u & n)
    if not n and len(left) > 1:
        # No input has an N loop: inputs without an M loop make the right operand.
        right = tuple(i for i in left if not used[i] & m)
        left = tuple(i for i in left if i not in right)
    largest = max(nest.inputs, key=lambda access: nest.tensor(access.tensor).elements)
    return Roles(
        nest,
        tuple(loop for loop in order if loop in batch),
        tuple(loop for loop in order if loop in m),
        tuple(loop for loop in order if loop in n),
        by_stride(nest, largest, nest.reduction_loops),
        left,
        right,
    )


def by_stride(nest: Nest, access: Access, loops: tuple[str, ...]) -> tuple[str, ...]:
    """Loops so that the one that moves least through the tensor comes last, and those that do not move it first."""
    step = address(nest, access)[0]

    def key(loop: str) -> tuple[float, int]:
        return (-(abs(step.get(loop, 0)) or float("inf")), nest.loop_names.index(loop))

    return tuple(sorted(loops, key=key))


def address(nest: Nest, access: Access) -> tuple[dict[str, int], int]:
    """Row-major element address of an access: coefficient of each loop, and constant."""
    shape = nest.tensor(access.tensor).shape
    steps: dict[str, int] = {}
    constant, stride = 0, 1
    for extent, index in zip(reversed(shape), reversed(access.index), strict=True):
        constant += stride * index.constant
        for loop, coefficient in index.terms:
            steps[loop] = steps.get(loop, 0) + stride * coefficient
        stride *= extent
    return steps, constant
