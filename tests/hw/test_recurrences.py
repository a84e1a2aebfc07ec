"""Sums that wait for themselves: how long, why, and in which order of the loops they would not."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_float_hardware import DIAGONAL

from dataflow import Dataflow, build
from dataflow.architecture import Plan
from dataflow.cycles import Timing, closest_visits, count_cycles
from dataflow.dataflow import Point
from dataflow.recurrence import order_without_idle, recurrences
from dataflow.reuse import dot, time_points, time_weights
from hw.accelerator import design_of
from hw.design import Design
from hw.manifest import manifest
from workloads.spec import load


@dataclass(frozen=True)
class Case:
    id: str
    spec: str
    space: dict[str, int]
    order: str
    says: tuple[str, ...]
    skew: tuple[int, ...] = (1, 1)

    @property
    def design(self) -> Design:
        return designed(self, self.order)


def designed(case: Case, order: str) -> Design:
    nest = load(case.spec).nest
    return design_of(build(nest, Dataflow.of(nest, case.space, skew=case.skew, order=tuple(order.split()))))


UNITS = {"m": 4, "n": 4}
IN_PLACE = "O: summed in place, the next term after 1 cycle ({} +1); an addition takes 1: no idle cycles"
CASES = (
    Case(
        "spilled-and-soon-back",
        "gemm:m=8,n=4,k=10",
        UNITS,
        "k m n",
        (
            "O: sums leave for the banks and are needed again after 2 cycles (k +1); add, write and read take 3: "
            "1 idle cycle after each step of k, 9 in a run; the order m, k, n needs none",
        ),
    ),
    Case(
        "spilled-after-a-chain",
        "gemm:m=2,n=8,k=10",
        {"k": 2, "n": 4},
        "n k m",
        (
            "O: sums leave for the banks and are needed again after 2 cycles (k +1); add, write and read take 3: "
            "1 idle cycle after each step of n or k, 9 in a run; the order n, m, k needs none",
        ),
    ),
    Case(
        "spilled-and-late-back",
        "gemm:m=8,n=8,k=10",
        UNITS,
        "k m n",
        (
            "O: sums leave for the banks and are needed again after 4 cycles (k +1); add, write and read take 3: "
            "no idle cycles",
        ),
    ),
    Case("in-place", "gemm:m=8,n=8,k=10", UNITS, "m n k", (IN_PLACE.format("k"),)),
    Case(
        "in-place-and-spilled",
        "name: x\nloops: {m: 4, k: 3, l: 2}\nbody: O[m] += A[m, k, l] * B[k, l]\n"
        "formats: {A: int8, B: int8, O: int32}\n",
        {"m": 2},
        "k m l",
        (
            IN_PLACE.format("l"),
            "O: sums leave for the banks and are needed again after 3 cycles (k +1); add, write and read take 3: "
            "no idle cycles",
        ),
        (0,),
    ),
    Case("nothing-comes-back", "gemm:m=8,n=8,k=4", {"m": 2, "n": 2, "k": 4}, "m n k", (), (1, 1, 0)),
    Case(
        "other-units-are-next",
        DIAGONAL,
        {"m": 5, "n": 3},
        "m n k",
        (
            "O: sums leave for the banks and are needed again after 1 cycle (k +1, units by [-1, 0]); add, write and "
            "read take 6: 5 idle cycles after each step of k, 15 in a run; no order of the loops needs none",
        ),
        (0, 0),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_is_said(case: Case) -> None:
    design = case.design
    found = design.recurrences(0)
    assert tuple(map(str, found)) == case.says
    assert [entry["text"] for entry in manifest(design)["modes"][0]["recurrences"]] == list(case.says)
    waits = sum(recurrence.total_idle_cycles for recurrence in found)
    plan = design.netlist.plan
    assert waits == count_cycles(plan, plan.extents, design.timings[0]).gap


def swaps(order: tuple[str, ...], given_order: tuple[str, ...]) -> int:
    """Pairs of loops that change places."""
    place = given_order.index
    return sum(place(a) > place(b) for k, a in enumerate(order) for b in order[k + 1 :])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_other_order_is_the_nearest_without_idle_cycles(case: Case) -> None:
    """By the cycle counts of designs that really have those orders."""

    def idle(order: tuple[str, ...]) -> int:
        design = designed(case, " ".join(order))
        plan = design.netlist.plan
        return count_cycles(plan, plan.extents, design.timings[0]).gap

    given_order = tuple(case.order.split())
    offered = [r.order_without for r in case.design.recurrences(0) if r.idle_cycles]
    if not offered:
        assert idle(given_order) == 0
        return
    (other,) = offered
    without = [order for order in permutations(given_order) if not idle(order)]
    assert (other in without) if other else not without
    if other:
        assert swaps(other, given_order) == min(swaps(order, given_order) for order in without)


def test_a_larger_run_waits_less() -> None:
    """What is said is about the run, not about the limits."""
    design = CASES[2].design
    small = {"m": 8, "n": 4, "k": 3}
    assert [r.total_idle_cycles for r in design.recurrences(0, small)] == [2]
    assert [r.total_idle_cycles for r in design.recurrences(0)] == [0]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Products with two reduction loops in any order, on one or two axes."""
    extents = ", ".join(f"{loop}: {draw(st.integers(1, 4))}" for loop in "mnkl")
    nest = load(
        f"name: x\nloops: {{{extents}}}\nbody: O[m, n] += A[m, k, l] * B[k, l, n]\n"
        "formats: {A: int8, B: int8, O: int32}\n"
    ).nest
    axes = draw(st.permutations(nest.loop_names))[: draw(st.integers(1, 2))]
    space = {loop: draw(st.integers(1, 2)) for loop in axes}
    order = tuple(draw(st.permutations(nest.loop_names)))
    return build(nest, Dataflow.of(nest, space, order=order)).plans[0]


def least_distance(plan: Plan) -> int | None:
    """Of any two visits of an element in turn, one time step after the other; the oracle."""
    nest, dataflow, drain = plan.nest, plan.dataflow, plan.drain
    trips = dataflow.time_extents(plan.extents)
    weights = time_weights(trips)
    outer = len(trips) - drain.held
    begun: dict[Point, list[Point]] = defaultdict(list)
    for time in time_points(trips):
        if not any(time[outer:]):
            begun[nest.output.element(dataflow.iteration(time, drain.collectors[0]))].append(time)
    last = tuple(0 if k < outer else trip - 1 for k, trip in enumerate(trips))
    found = [
        dot(weights, later) - dot(weights, earlier) - dot(weights, last)
        for times in begun.values()
        for earlier, later in pairwise(times)
    ]
    return min(found, default=None)


@settings(max_examples=150)
@given(plans())
def test_closest_visits(plan: Plan) -> None:
    found = closest_visits(plan.nest, plan.dataflow, plan.drain.spill, plan.extents)
    assert (found and found.distance_cycles) == least_distance(plan)


@settings(max_examples=40)
@given(plans(), st.integers(2, 9))
def test_the_order_offered(plan: Plan, hazard_cycles: int) -> None:
    """Where a sum waits there is always an order in which it does not, and no nearer one, by the model's counts."""
    timing = Timing(4, hazard_cycles)

    def idle(order: tuple[str, ...]) -> int:
        other = build(plan.nest, replace(plan.dataflow, order=order)).plans[0]
        return count_cycles(other, plan.extents, timing).gap

    mine = plan.dataflow.order
    for recurrence in recurrences(plan, plan.extents, timing):
        if recurrence.idle_cycles:
            other = recurrence.order_without
            assert other
            without = [order for order in permutations(mine) if not idle(order)]
            assert other in without
            assert swaps(other, mine) == min(swaps(order, mine) for order in without)


@pytest.mark.parametrize(("hazard_cycles", "order"), [(8, "k m n p"), (9, "m n p k")])
def test_an_order_is_enough_that_brings_sums_back_just_in_time(hazard_cycles: int, order: str) -> None:
    nest = load(
        "name: x\nloops: {m: 2, n: 2, p: 2, k: 3}\nbody: O[m, n, p] += A[m, n, k] * B[k, p]\n"
        "formats: {A: int8, B: int8, O: int32}\n"
    ).nest
    dataflow = Dataflow.of(nest, {"p": 1}, order=("m", "k", "n", "p"))
    assert order_without_idle(nest, dataflow, nest.extents, hazard_cycles) == tuple(order.split())
