"""Exact reuse: where and when the array uses the same tensor element again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from dataflow.dataflow import Dataflow, Point
from dataflow.lattice import Matrix, least_free, solutions
from workloads.nest import Access


@dataclass(frozen=True, slots=True)
class Step:
    """The same element at ``(t, s)`` and ``(t + time, s + space)``.

    Attributes
    ----------
    space : tuple of int
        ``Ds``, one entry an axis.
    time : tuple of int
        ``Dt``, one entry a time loop, outermost first.
    """

    space: Point
    time: Point

    @property
    def direct(self) -> bool:
        """Same time step: only the control skew lies between the two."""
        return not any(self.time)

    def lag_cycles(self, weights: Point, skew: Point) -> int:
        """``lambda . Dt + c . Ds``."""
        return dot(weights, self.time) + dot(skew, self.space)

    def valid_points(self, time_extents: Point) -> int:
        """Time steps whose producer ``t - Dt`` lies in the box."""
        total = 1
        for step, extent in zip(self.time, time_extents, strict=True):
            total *= max(0, extent - abs(step))
        return total

    def __str__(self) -> str:
        return f"space {list(self.space)} time {list(self.time)}"


def dot(a: Point, b: Point) -> int:
    """Scalar product."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def products(rows: Matrix, points: Sequence[Point]) -> list[Point]:
    """The product of a matrix with each of many points."""
    found = np.array(points, np.int64) @ np.array(rows, np.int64).reshape(len(rows), len(points[0])).T
    return list(map(tuple, found.tolist()))


def time_weights(time_extents: Point, gap_level: int = -1, gap_cycles: int = 0) -> Point:
    """``lambda``: cycles that one step of each time loop takes, outermost first.

    ``gap_cycles`` idle cycles follow every step of loop ``gap_level`` or of a loop outside it.
    """
    weights = [0] * len(time_extents)
    inner = 1
    for k in range(len(time_extents) - 1, -1, -1):
        weights[k] = inner + (gap_cycles if k == gap_level else 0)
        inner = weights[k] * time_extents[k]
    return tuple(weights)


def time_matrix(access: Access, dataflow: Dataflow) -> Matrix:
    """``A T``: how the element moves with each time loop, outermost first."""
    return tuple(
        tuple(index.coefficient(loop) * dataflow.size(loop) for loop in dataflow.order) for index in access.index
    )


def space_matrix(access: Access, dataflow: Dataflow) -> Matrix:
    """``A S``: how the element moves with each axis of the array."""
    return tuple(tuple(index.coefficient(loop) for loop, _ in dataflow.space) for index in access.index)


def space_target(access: Access, dataflow: Dataflow, space: Point) -> tuple[int, ...]:
    """``-A S Ds``: what the time step has to make up for a step in space."""
    return tuple(-dot(row, space) for row in space_matrix(access, dataflow))


def direct_steps(access: Access, dataflow: Dataflow) -> tuple[Step, ...]:
    """All ``Ds != 0`` with ``A S Ds = 0`` inside the array and lag >= 0, shortest lag first, then nearest.

    Where the lag is 0 both directions would do; the lexicographically positive one is kept.
    """
    still = (0,) * len(dataflow.order)
    sizes = np.array(dataflow.shape)
    # Row-major, so that of two opposite steps the lexicographically positive one is the later one.
    steps = np.indices(tuple(2 * size - 1 for size in dataflow.shape)).reshape(len(sizes), -1).T - (sizes - 1)
    lags = steps @ np.array(dataflow.skew)
    positive = np.arange(len(steps)) > len(steps) // 2
    same = ~(steps @ np.array(space_matrix(access, dataflow), np.int64).reshape(-1, len(sizes)).T).any(axis=1)
    kept = same & ((lags > 0) | ((lags == 0) & positive))
    steps, lags = steps[kept], lags[kept]
    order = np.lexsort((*steps.T[::-1], np.abs(steps).sum(axis=1), lags))
    return tuple(Step(tuple(space), still) for space in steps[order].tolist())


def least_lag(access: Access, dataflow: Dataflow, extents: Mapping[str, int], space: Point) -> Step | None:
    """The step to ``s + space`` of least lag >= 0 inside the box, or none.

    The step is not (0, 0); for ``space = 0`` that means a lag of at least 1.
    """
    time_extents = dataflow.time_extents(extents)
    weights = time_weights(time_extents)
    rows = time_matrix(access, dataflow)
    free = [k for k in range(len(weights)) if not any(row[k] for row in rows)]
    base = dot(dataflow.skew, space)
    best: Step | None = None
    for time in solutions(rows, space_target(access, dataflow, space), time_extents):
        start = base + dot(weights, time)
        least = 1 if not any(space) else 0
        chosen = least_free(start, [weights[k] for k in free], [time_extents[k] for k in free], least)
        if chosen is None:
            continue
        full = list(time)
        for k, value in zip(free, chosen, strict=True):
            full[k] = value
        step = Step(space, tuple(full))
        if best is None or _lag(step, weights, dataflow) < _lag(best, weights, dataflow):
            best = step
    return best


def _lag(step: Step, weights: Point, dataflow: Dataflow) -> int:
    return step.lag_cycles(weights, dataflow.skew)


def delayed_steps(access: Access, dataflow: Dataflow, extents: Mapping[str, int], reach: int = 1) -> tuple[Step, ...]:
    """Delayed steps worth a link: for each ``Ds`` within ``reach``, those not beaten in both lag and validity.

    Only steps whose leading time component is positive are kept: those have a positive lag at every run-time size at
    which they are usable at all, up to the skew, which the driver checks.
    """
    time_extents = dataflow.time_extents(extents)
    weights = time_weights(time_extents)
    rows = time_matrix(access, dataflow)
    free = [k for k in range(len(weights)) if not any(row[k] for row in rows)]
    kept: list[Step] = []
    for space in product(*(range(-min(reach, size - 1), min(reach, size - 1) + 1) for size in dataflow.shape)):
        candidates = []
        for time in solutions(rows, space_target(access, dataflow, space), time_extents):
            for full in (time, *(_with(time, k, 1) for k in free if time_extents[k] > 1)):
                step = Step(space, full)
                if any(full) and full > (0,) * len(full) and _lag(step, weights, dataflow) >= 1:
                    candidates.append(step)
        least = None
        for step in sorted(set(candidates), key=lambda s: (_lag(s, weights, dataflow), -s.valid_points(time_extents))):
            points = step.valid_points(time_extents)
            if points and (least is None or points > least):
                least = points
                kept.append(step)
    return tuple(kept)


def _with(time: Point, position: int, value: int) -> Point:
    return (*time[:position], value, *time[position + 1 :])


def stationary_loops(access: Access, dataflow: Dataflow, extents: Mapping[str, int]) -> int:
    """How many innermost time loops leave the element of every functional unit unchanged.

    A loop that the array covers in one step never moves, at these extents or smaller ones.
    """
    rows = time_matrix(access, dataflow)
    trips = dataflow.time_extents(extents)
    count = 0
    for k in range(len(trips) - 1, -1, -1):
        if trips[k] > 1 and any(row[k] for row in rows):
            break
        count += 1
    return count


def time_points(time_extents: Point) -> Iterator[Point]:
    """All time steps in execution order."""
    return product(*(range(extent) for extent in time_extents))
