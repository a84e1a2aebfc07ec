"""Recurrences of the output: which sums have to wait for themselves, for how long, and which loop order would not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from typing import Literal

from dataflow.architecture import Plan
from dataflow.cycles import Timing, close_visits, closest_visits, count_cycles
from dataflow.dataflow import Dataflow, Point
from dataflow.drain import spill_of
from workloads.nest import Nest


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A sum that is needed again: after how many cycles, and how many it takes.

    Attributes
    ----------
    tensor : str
    through : {"register", "banks"}
        Where the sum waits.
    steps : tuple of (loop, steps)
        What the time loops move by between the two visits that lie closest; loops that stand still are left out.
    space : tuple of int
        From the unit of the first visit to that of the second, one entry an axis.
    distance_cycles : int
        From the last time step of one visit to the first of the next, without idle cycles.
    latency_cycles : int
        Least distance at which the second visit finds the first one's sum.
    idle_cycles : int
        Cycles without work after each step of any of ``idle_loops``: what the distance lacks.
    idle_loops : tuple of str
    total_idle_cycles : int
        In one run.
    order_without : tuple of str or None
        The order of the loops nearest to the given one that needs no idle cycle; None where there is none, or no need.
    """

    tensor: str
    through: Literal["register", "banks"]
    steps: tuple[tuple[str, int], ...]
    space: Point
    distance_cycles: int
    latency_cycles: int
    idle_cycles: int = 0
    idle_loops: tuple[str, ...] = ()
    total_idle_cycles: int = 0
    order_without: tuple[str, ...] | None = None

    def __str__(self) -> str:
        moved = ", ".join(f"{loop} {steps:+d}" for loop, steps in self.steps)
        if any(self.space):
            moved += f", units by {list(self.space)}"
        if self.through == "register":
            return (
                f"{self.tensor}: summed in place, the next term after {_cycles(self.distance_cycles)} ({moved}); "
                f"an addition takes {self.latency_cycles}: no idle cycles"
            )
        found = (
            f"{self.tensor}: sums leave for the banks and are needed again after {_cycles(self.distance_cycles)} "
            f"({moved}); add, write and read take {self.latency_cycles}"
        )
        if not self.idle_cycles:
            return f"{found}: no idle cycles"
        idle = "1 idle cycle" if self.idle_cycles == 1 else f"{self.idle_cycles:,} idle cycles"
        other = (
            f"the order {', '.join(self.order_without)} needs none"
            if self.order_without
            else "no order of the loops needs none"
        )
        where = f"after each step of {' or '.join(self.idle_loops)}, {self.total_idle_cycles:,} in a run"
        return f"{found}: {idle} {where}; {other}"


def _cycles(number: int) -> str:
    return "1 cycle" if number == 1 else f"{number:,} cycles"


def recurrences(plan: Plan, extents: Mapping[str, int], timing: Timing) -> tuple[Recurrence, ...]:
    """The recurrences of one run of the given extents, from the innermost outwards."""
    return tuple(_found(plan, extents, timing))


def _found(plan: Plan, extents: Mapping[str, int], timing: Timing) -> Iterator[Recurrence]:
    nest, dataflow, spill = plan.nest, plan.dataflow, plan.drain.spill
    tensor, still = nest.output.tensor, (0,) * len(dataflow.shape)
    trips = dataflow.time_extents(extents)
    outer = len(trips) - spill.held
    if inner := [loop for loop, trip in zip(dataflow.order[outer:], trips[outer:], strict=True) if trip > 1]:
        # An adder takes its own sum, one time step and so one cycle later; delay matching refuses a slower one.
        yield Recurrence(tensor, "register", ((inner[-1], 1),), still, 1, timing.sum_cycles)
    visits = closest_visits(nest, dataflow, spill, extents)
    if visits is None:
        return
    idle = max(0, timing.hazard_cycles - visits.distance_cycles)
    yield Recurrence(
        tensor,
        "banks",
        tuple((loop, steps) for loop, steps in zip(dataflow.order, visits.time, strict=True) if steps),
        visits.space,
        visits.distance_cycles,
        timing.hazard_cycles,
        idle,
        tuple(loop for loop, trip in zip(dataflow.order[: spill.gap_level + 1], trips, strict=False) if trip > 1)
        if idle
        else (),
        count_cycles(plan, extents, timing).gap,
        order_without_idle(nest, dataflow, extents, timing.hazard_cycles) if idle else None,
    )


def order_without_idle(
    nest: Nest, dataflow: Dataflow, extents: Mapping[str, int], hazard_cycles: int
) -> tuple[str, ...] | None:
    """The order nearest to the dataflow's in which no sum is needed before it is back, none where there is none.

    Nearest is by how many pairs of loops change places. Loops of one step stay where they are. An order with all
    loops of the reduction innermost always will do where the output's index is one loop a dimension, because sums
    then never leave.
    """
    for order in _orders(dataflow.order, dataflow.time_extents(extents)):
        other = replace(dataflow, order=order)
        found = close_visits(nest, other, spill_of(nest, other, extents), extents)
        if all(visits.distance_cycles >= hazard_cycles for visits in found):
            return order
    return None


def _orders(order: Sequence[str], trips: Point) -> Iterator[tuple[str, ...]]:
    """All other orders of the loops that take more than one step, the nearest first."""
    places = [k for k, trip in enumerate(trips) if trip > 1]

    def swaps(moved: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        return sum(a > b for a, b in combinations(moved, 2)), moved

    for moved in sorted(permutations(places), key=swaps)[1:]:
        found = list(order)
        for place, origin in zip(places, moved, strict=True):
            found[place] = order[origin]
        yield tuple(found)
