"""Exact cycle counts of one run of the array with its banks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

from dataflow.architecture import Plan
from dataflow.dataflow import Point
from dataflow.lattice import least_free, solutions
from dataflow.reuse import dot, space_target, time_matrix, time_weights


@dataclass(frozen=True, slots=True)
class Timing:
    """What the netlist adds to the schedule, known after delay matching.

    Attributes
    ----------
    write_cycles : int
        From a time step to the write of its result, skew excluded.
    hazard_cycles : int
        Least distance from the time step whose sum is written to the one that may read it back.
    """

    write_cycles: int
    hazard_cycles: int


@dataclass(frozen=True, slots=True)
class Cycles:
    """Cycles of one run by cause; ``total`` is their sum.

    Attributes
    ----------
    steady : int
        Cycles that full use of every functional unit would need.
    border : int
        Further time steps, because sizes do not divide the array or guards switch units off.
    gap : int
        Idle cycles in which spilled sums return to their banks.
    fill : int
        Control skew: until the last functional unit has started.
    drain : int
        Pipeline: until the last result is written.
    """

    steady: int
    border: int
    gap: int
    fill: int
    drain: int

    @property
    def total(self) -> int:
        return self.steady + self.border + self.gap + self.fill + self.drain


def gap_cycles(plan: Plan, extents: Mapping[str, int], hazard_cycles: int) -> int:
    """Idle cycles after each step of the gap loop, so that no spilled sum is read before it is written back.

    The least distance between two visits of an element, from the last time step of one accumulation to the first of
    the next, is a bounded integer problem over the loops outside the held ones; see docs/reference/cycles.md.
    """
    output = plan.drain
    if output.gap_level < 0:
        return 0
    time_extents = plan.dataflow.time_extents(extents)
    outer = len(time_extents) - output.held
    weights = time_weights(time_extents)
    inside = prod(time_extents[outer:])
    rows = tuple(row[:outer] for row in time_matrix(output.access, plan.dataflow))
    free = [k for k in range(outer) if not any(row[k] for row in rows)]
    least: int | None = None
    for space in _collector_steps(plan):
        target = space_target(output.access, plan.dataflow, space)
        for time in solutions(rows, target, time_extents[:outer]):
            chosen = least_free(
                dot(weights[:outer], time), [weights[k] for k in free], [time_extents[k] for k in free], 1
            )
            if chosen is None:
                continue
            lag = dot(weights[:outer], time) + sum(weights[k] * y for k, y in zip(free, chosen, strict=True))
            distance = lag - (inside - 1)
            least = distance if least is None else min(least, distance)
    return 0 if least is None else max(0, hazard_cycles - least)


def _collector_steps(plan: Plan) -> set[Point]:
    """Differences of collectors that can hold the same element at different times."""
    output = plan.drain
    still = (0,) * len(plan.dataflow.shape)
    if output.start != "memory":
        return {still}
    sizes = plan.dataflow.shape
    return set(product(*(range(1 - size, size) for size in sizes)))


def run_weights(plan: Plan, extents: Mapping[str, int], timing: Timing) -> Point:
    """``lambda`` of one run, idle cycles included."""
    gap = gap_cycles(plan, extents, timing.hazard_cycles)
    return time_weights(plan.dataflow.time_extents(extents), plan.drain.gap_level, gap)


def count_cycles(plan: Plan, extents: Mapping[str, int], timing: Timing) -> Cycles:
    """Cycles from start to done of one run of the given extents.

    ``lambda . t_last + 1`` cycles of control, then the skew of the last functional unit, then the pipeline up to the
    write of the result.
    """
    dataflow = plan.dataflow
    time_extents = dataflow.time_extents(extents)
    weights = run_weights(plan, extents, timing)
    control = dot(weights, tuple(r - 1 for r in time_extents)) + 1
    steps = prod(time_extents)
    steady = -(-prod(extents[loop] for loop in dataflow.order) // len(dataflow.units))
    return Cycles(
        steady=steady,
        border=steps - steady,
        gap=control - steps,
        fill=dataflow.most_skew_cycles,
        drain=timing.write_cycles,
    )
