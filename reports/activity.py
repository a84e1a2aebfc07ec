"""How many functional units work in each part of a run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dataflow.architecture import Plan
from dataflow.dataflow import Point


def active_units(plan: Plan, extents: Mapping[str, int]) -> npt.NDArray[np.int64]:
    """Functional units with a point of the nest's box in each time step, in execution order (guards not considered).

    A spatial loop keeps all its positions busy except in its last time step, where those beyond the extent idle.
    """
    dataflow = plan.dataflow
    trips = dataflow.time_extents(extents)
    total = np.ones((1,) * len(trips), np.int64)
    for k, (loop, trip) in enumerate(zip(dataflow.order, trips, strict=True)):
        size = dataflow.size(loop)
        busy = np.full(trip, size, np.int64)
        busy[-1] = extents[loop] - size * (trip - 1)
        total = total * busy.reshape([-1 if j == k else 1 for j in range(len(trips))])
    return np.broadcast_to(total, trips).ravel()


def utilization_over_time(
    plan: Plan, extents: Mapping[str, int], weights: Point, total_cycles: int, buckets: int
) -> npt.NDArray[np.float64]:
    """Share of functional units at work in ``buckets`` equal parts of a run of ``total_cycles``.

    A functional unit works ``skew . s`` cycles after the control; the skew is spread evenly over the array's diagonals.
    """
    dataflow = plan.dataflow
    active = active_units(plan, extents)
    trips = dataflow.time_extents(extents)
    at = np.zeros((1,) * len(trips), np.int64)
    for k, (trip, weight) in enumerate(zip(trips, weights, strict=True)):
        at = at + (np.arange(trip) * weight).reshape([-1 if j == k else 1 for j in range(len(trips))])
    at = at.ravel()
    delays = np.array([dataflow.skew_cycles(unit) for unit in dataflow.units])
    work = np.zeros(total_cycles + 1)
    for delay, units in zip(*np.unique(delays, return_counts=True), strict=True):
        np.add.at(work, at + delay, active * (units / len(dataflow.units)))
    work = work[:total_cycles] / len(dataflow.units)
    edges = np.linspace(0, total_cycles, min(buckets, total_cycles) + 1).astype(int)
    sums = np.add.reduceat(work, edges[:-1])
    result: npt.NDArray[np.float64] = sums / np.diff(edges)
    return result
