"""The dataflows that an array of a given shape could run a nest on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from dataflow.dataflow import Dataflow
from dataflow.mapping.mapping import MappingError
from workloads.nest import Nest


def every_dataflow(
    nest: Nest, shape: tuple[int, ...], spaces: tuple[tuple[str, ...], ...] | None = None
) -> tuple[Dataflow, ...]:
    """Dataflows of a systolic array of ``shape`` whose axes take any loops and which keeps any one operand in place.

    Parameters
    ----------
    spaces
        Loops for the axes, one tuple a choice; every choice of loops with more than one iteration when left out.

    Raises
    ------
    MappingError
        A choice has more loops than the array has axes, or a loop twice.
    """
    moving = [loop.name for loop in nest.loops if loop.extent > 1] or [nest.loop_names[0]]
    if spaces is None:
        spaces = tuple(permutations(moving, min(len(shape), len(moving))))
        if len(set(shape)) == 1:
            # A square array turned round is the same array.
            spaces = tuple(s for s in spaces if list(s) == sorted(s, key=moving.index))
    for space in spaces:
        if len(space) > len(shape) or len(set(space)) < len(space):
            array, most = " x ".join(map(str, shape)), len(shape)
            fault = f"axes {','.join(space)} do not fit an array of {array}; expected at most {most} different loops"
            raise MappingError(nest.name, (fault,))
    return tuple(flow for space in spaces for flow in _keeping(nest, shape, space))


def _keeping(nest: Nest, shape: tuple[int, ...], space: tuple[str, ...]) -> Iterator[Dataflow]:
    """One dataflow for each operand that may stay in place, its other loops innermost."""
    sizes = {loop: min(size, nest.extents[loop]) for loop, size in zip(space, shape, strict=False)}
    seen = set()
    for access in nest.accesses:
        outer = tuple(n for n in nest.loop_names if n in access.loops)
        order = outer + tuple(n for n in nest.loop_names if n not in outer)
        if order not in seen:
            seen.add(order)
            yield Dataflow.of(nest, sizes, order=order, name=f"{'_'.join(space)}_keeps_{access.tensor}")


def fitting_spaces(nest: Nest, spaces: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...] | None:
    """The choices of axes whose loops the nest has; None where everything is allowed.

    Raises
    ------
    MappingError
        There are choices but none of them fits.
    """
    if not spaces:
        return None
    found = tuple(space for space in spaces if set(space) <= set(nest.loop_names))
    if not found:
        given = "; ".join(",".join(space) for space in spaces)
        raise MappingError(
            nest.name,
            (f"none of the axes {given} are loops of it; expected some of {', '.join(nest.loop_names)}",),
        )
    return found
