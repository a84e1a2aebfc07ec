"""Floating-point sums in the order of a dataflow: what its hardware has to compute, bit for bit.

Floating-point addition is not associative, so a dataflow is part of what such a nest means. Every product and every sum
rounds to fp32, to nearest, ties to even; nothing is reordered, fused or kept in more bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.architecture import Plan
from dataflow.dataflow import Point
from dataflow.drain import Stage
from workloads.interpreter import Array, check_inputs, start_of
from workloads.nest import Access, Nest

Values = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Order = dict[str, Any]


def run_ordered(
    plan: Plan, nest: Nest, inputs: Mapping[str, npt.ArrayLike], initial: npt.ArrayLike | None = None
) -> Array:
    """Run ``nest``, at any size, as the functional units of ``plan`` do, time step by time step.

    A term is the product of the operands from left to right, then of the coefficient. The terms of a time step meet
    stage by stage: along a chain one after the other, in a tree pairwise, neighbours first, level by level. The result
    is added to the sum that its element has so far, which starts from ``initial``, or from the positive zero. Tiles
    follow each other in the nest's loop order. What lies outside the nest or fails a guard is +0 in its sum, which
    changes nothing, since no sum that started from +0 is ever -0.

    Raises
    ------
    InputError
    """
    arrays = check_inputs(nest, inputs, initial)
    result = arrays[nest.output.tensor].copy() if initial is not None else start_of(nest)
    stages = [(stage, tuple(_by_length(stage))) for stage in plan.drain.stages]
    collectors = tuple(np.array(plan.drain.collectors).T)
    dataflow = plan.dataflow
    units = np.indices(dataflow.shape)
    at = {loop: units[axis] for axis, (loop, _) in enumerate(dataflow.space)}
    with np.errstate(all="ignore"):
        for origin, extents in _tiles(plan, nest):
            for time in np.ndindex(*dataflow.time_extents(extents)):
                point: dict[str, Any] = {}
                active = np.ones(dataflow.shape, np.bool_)
                for loop, step in zip(dataflow.order, time, strict=True):
                    local = dataflow.size(loop) * step + at.get(loop, np.zeros(dataflow.shape, np.int64))
                    active &= local < extents[loop]
                    point[loop] = origin[loop] + local
                for guard in nest.guards:
                    active &= guard.holds(point)
                terms = np.where(active, _terms(nest, arrays, point), np.float32(0))
                for stage, groups in stages:
                    for members in groups:
                        terms[members[-1]] = _folded([terms[m] for m in members], tree=stage.tree)
                        active[members[-1]] = np.logical_or.reduce([active[m] for m in members])
                # A port without any term has no element to add it to, or adds nothing.
                some = tuple(axis[active[collectors]] for axis in collectors)
                there: dict[str, Any] = {loop: values[some] for loop, values in point.items()}
                where = tuple(np.broadcast_to(i.value(there), len(some[0])) for i in nest.output.index)
                result[where] = result[where] + terms[some]
    return result


def sum_order(plan: Plan) -> Order:
    """The order of a sum, for a manifest: the stages within a time step, then the loops over which sums go on."""
    reduction = plan.nest.reduction_loops
    stages = [
        {"step": list(stage.step.space), "kind": "tree" if stage.tree else "chain", "length": _longest(stage)}
        for stage in plan.drain.stages
    ]
    tiled = dict(plan.dataflow.tile)
    tiles = [loop for loop in plan.nest.loop_names if loop in tiled]
    spatial = "".join(
        f"the {stage['length']} terms along {stage['step']} "
        + ("pairwise, neighbours first, level by level" if stage["kind"] == "tree" else "from the first to the last")
        + "; then "
        for stage in stages
    )
    over = " ".join(loop for loop in plan.dataflow.order if loop in reduction) or "no loop"
    text = f"fp32, rounded after every product and sum: {spatial}one after the other over {over}" + (
        f", tile by tile of {' '.join(tiles)}" if tiles else ""
    )
    return {"text": text, "stages": stages, "time": list(plan.dataflow.order), "tiles": tiles, "start": "+0"}


def _longest(stage: Stage) -> int:
    return max(len(group) for group in stage.groups)


def _tiles(plan: Plan, nest: Nest) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    """Origin and extents of each run of the driver, in its order."""
    held = dict(plan.dataflow.tile)
    for start in product(*(range(0, extent, held.get(loop, extent)) for loop, extent in nest.extents.items())):
        origin = dict(zip(nest.loop_names, start, strict=True))
        yield origin, {n: min(held.get(n, extent), extent - origin[n]) for n, extent in nest.extents.items()}


def _by_length(stage: Stage) -> Iterator[list[tuple[npt.NDArray[np.int64], ...]]]:
    """Groups of one length together: for each place in them, the units as an index of arrays over the array's axes."""
    lengths: dict[int, list[tuple[Point, ...]]] = {}
    for group in stage.groups:
        lengths.setdefault(len(group), []).append(group)
    for groups in lengths.values():
        yield [tuple(np.array(place).T) for place in zip(*groups, strict=True)]


def _folded(values: list[Values], *, tree: bool) -> Values:
    while len(values) > 1:
        pairs = [values[k : k + 2] for k in range(0, len(values) if tree else 2, 2)]
        values = [pair[0] + pair[1] if len(pair) == 2 else pair[0] for pair in pairs] + ([] if tree else values[2:])
    return values[0]


def _terms(nest: Nest, arrays: Mapping[str, Array], point: Mapping[str, npt.NDArray[np.int64]]) -> Values:
    """The term of every functional unit, whatever it is where there is none."""
    value = _elements(nest, nest.inputs[0], arrays, point)
    for access in nest.inputs[1:]:
        value = value * _elements(nest, access, arrays, point)
    return value if nest.coefficient == 1 else value * np.float32(nest.coefficient)


def _elements(
    nest: Nest, access: Access, arrays: Mapping[str, Array], point: Mapping[str, npt.NDArray[np.int64]]
) -> Values:
    """What each unit reads: 0 outside the tensor."""
    array = arrays[access.tensor]
    # Loops have plain integers as their type.
    where = [np.asarray(index.value(point)) for index in access.index]  # type: ignore[arg-type]
    inside = np.logical_and.reduce([(w >= 0) & (w < n) for w, n in zip(where, array.shape, strict=True)])
    found = array[tuple(np.clip(w, 0, n - 1) for w, n in zip(where, array.shape, strict=True))]
    return np.where(inside, found, 0).astype(np.float32)
