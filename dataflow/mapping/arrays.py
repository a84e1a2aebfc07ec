"""The dataflows that an array of a given shape could run a nest on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import permutations

from dataflow.architecture import Plan, build
from dataflow.dataflow import Dataflow, DataflowError
from dataflow.mapping.mapping import MappingError
from workloads.nest import Nest


def every_plan(nest: Nest, shape: tuple[int, ...], spaces: Iterable[tuple[str, ...]] | None = None) -> tuple[Plan, ...]:
    """Plans for a systolic array of ``shape`` whose axes take any loops and which keeps any one operand in place.

    Parameters
    ----------
    spaces
        Loops for the axes, one tuple a choice; every choice of loops with more than one iteration when left out.

    Raises
    ------
    MappingError
        No dataflow of this shape can be built; gives the reason for each.
    """
    plans: list[Plan] = []
    faults: list[str] = []
    for dataflow in _dataflows(nest, shape, tuple(spaces) if spaces is not None else None):
        try:
            plans += build(nest, dataflow).plans
        except DataflowError as error:
            faults += error.faults
    if not plans:
        reasons = tuple(dict.fromkeys(faults)) or (
            f"an array of {' x '.join(map(str, shape))} needs {len(shape)} loops of more than one iteration",
        )
        raise MappingError(nest.name, reasons)
    return tuple(plans)


def _dataflows(nest: Nest, shape: tuple[int, ...], spaces: tuple[tuple[str, ...], ...] | None) -> Iterator[Dataflow]:
    moving = [loop.name for loop in nest.loops if loop.extent > 1]
    if spaces is None:
        axes = min(len(shape), len(moving))
        spaces = tuple(permutations(moving, axes))
        if len(set(shape)) == 1:
            # A square array turned round is the same array.
            spaces = tuple(s for s in spaces if [moving.index(n) for n in s] == sorted(moving.index(n) for n in s))
    for space in spaces:
        sizes = {loop: min(size, nest.extents[loop]) for loop, size in zip(space, shape, strict=False)}
        seen = set()
        for access in nest.accesses:
            order = tuple(n for n in nest.loop_names if n in access.loops) + tuple(
                n for n in nest.loop_names if n not in access.loops
            )
            if order not in seen:
                seen.add(order)
                yield Dataflow.of(nest, sizes, order=order, name=f"{'_'.join(space)}_keeps_{access.tensor}")
