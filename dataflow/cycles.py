"""Exact cycle counts of one run of the array with its banks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

from dataflow.architecture import Plan
from dataflow.dataflow import Dataflow, Point
from dataflow.drain import Spill
from dataflow.lattice import least_free, solutions
from dataflow.reuse import dot, space_target, time_matrix, time_weights
from workloads.nest import Nest


@dataclass(frozen=True, slots=True)
class Timing:
    """What the netlist adds to the schedule, known after delay matching.

    Attributes
    ----------
    write_cycles : int
        From a time step to the write of its result, skew excluded.
    hazard_cycles : int
        Least distance from the time step whose sum is written to the one that may read it back.
    sum_cycles : int
        Least distance between two terms that are summed in place.
    """

    write_cycles: int
    hazard_cycles: int
    sum_cycles: int = 1


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
    post : int
        What results pass behind the array, such as a quantizer.
    """

    steady: int
    border: int
    gap: int
    fill: int
    drain: int
    post: int = 0

    @property
    def total(self) -> int:
        return self.steady + self.border + self.gap + self.fill + self.drain + self.post


@dataclass(frozen=True, slots=True)
class Visits:
    """Two visits of one output element, of the pair that lies closest in time.

    Attributes
    ----------
    space : tuple of int
        From the collector of the first visit to that of the second, one entry an axis.
    time : tuple of int
        Steps of the time loops between them, outermost first; 0 for the loops held.
    distance_cycles : int
        From the last time step of the first to the first of the second, without idle cycles.
    """

    space: Point
    time: Point
    distance_cycles: int


def closest_visits(nest: Nest, dataflow: Dataflow, spill: Spill, extents: Mapping[str, int]) -> Visits | None:
    """The two visits of an element that lie closest, none where no sum is read back from a bank.

    From the last time step of one accumulation to the first of the next is a bounded integer problem over the loops
    outside the held ones; see docs/reference/cycles.md.
    """
    return min(close_visits(nest, dataflow, spill, extents), key=lambda v: v.distance_cycles, default=None)


def close_visits(nest: Nest, dataflow: Dataflow, spill: Spill, extents: Mapping[str, int]) -> Iterator[Visits]:
    """For each way from one visit of an element to another, the least distance that it can have."""
    if spill.gap_level < 0:
        return
    time_extents = dataflow.time_extents(extents)
    outer = len(time_extents) - spill.held
    weights = time_weights(time_extents)
    inside = prod(time_extents[outer:])
    rows = tuple(row[:outer] for row in time_matrix(nest.output, dataflow))
    free = [k for k in range(outer) if not any(row[k] for row in rows)]
    for space in _collector_steps(dataflow, spill):
        target = space_target(nest.output, dataflow, space)
        for time in solutions(rows, target, time_extents[:outer]):
            chosen = least_free(
                dot(weights[:outer], time), [weights[k] for k in free], [time_extents[k] for k in free], 1
            )
            if chosen is None:
                continue
            full = list(time)
            for k, steps in zip(free, chosen, strict=True):
                full[k] = steps
            yield Visits(space, (*full, *(0,) * spill.held), dot(weights[:outer], tuple(full)) - (inside - 1))


def gap_cycles(plan: Plan, extents: Mapping[str, int], hazard_cycles: int) -> int:
    """Idle cycles after each step of the gap loop, so that no spilled sum is read before it is written back."""
    least = closest_visits(plan.nest, plan.dataflow, plan.drain.spill, extents)
    return 0 if least is None else max(0, hazard_cycles - least.distance_cycles)


def _collector_steps(dataflow: Dataflow, spill: Spill) -> Iterable[Point]:
    """Differences of collectors that can hold the same element at different times."""
    if spill.start != "memory":
        return ((0,) * len(dataflow.shape),)
    return product(*(range(1 - size, size) for size in dataflow.shape))


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
