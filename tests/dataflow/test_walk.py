"""The plan against an executable walk of every functional unit through every time step."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise, product

import networkx as nx
import pytest
from designs import random_design

from dataflow import Dataflow, Plan, Timing, build, count_cycles
from dataflow.accesses import FeedAccesses, count_accesses, usable_links
from dataflow.banking import find_conflict
from dataflow.cycles import gap_cycles, run_weights
from dataflow.dataflow import Point
from dataflow.feed import Feed, minus
from dataflow.reuse import delayed_steps, direct_steps, dot, least_lag, time_points, time_weights
from workloads.spec import load

SEEDS = range(200)


def plan_of(seed: int) -> Plan:
    nest, dataflow, _ = random_design(seed)
    return build(nest, dataflow).plans[0]


def source(
    feed: Feed, plan: Plan, trips: Point, usable: tuple[int, ...], time: Point, unit: Point
) -> tuple[str, Point, Point]:
    """How the unit gets its operand: kind, and the unit and time step that had it before."""
    step = feed.parent[unit]
    if step is not None:
        return "direct", minus(unit, step.space), time
    outer = len(trips) - feed.held
    if any(time[outer:]):
        return "stationary", unit, (*time[:outer], *(0,) * feed.held)
    for i in usable:
        step = feed.delayed[i]
        before = minus(time, step.time)
        if plan.dataflow.contains(minus(unit, step.space)) and all(
            0 <= t < r for t, r in zip(before, trips, strict=True)
        ):
            return "delayed", minus(unit, step.space), before
    return "read", unit, time


@pytest.mark.parametrize("seed", SEEDS)
def test_every_operand_is_the_right_element(seed: int) -> None:
    plan = plan_of(seed)
    dataflow, trips = plan.dataflow, plan.dataflow.time_extents(plan.extents)
    weights = time_weights(trips)
    counts = count_accesses(plan, plan.extents)
    for feed, counted in zip(plan.feeds, counts.feeds, strict=True):
        usable = usable_links(feed, plan, plan.extents)
        seen: Counter[str] = Counter()
        for time, unit in product(time_points(trips), dataflow.units):
            kind, other, before = source(feed, plan, trips, usable, time, unit)
            seen[kind] += 1
            element = feed.access.element(dataflow.iteration(time, unit))
            assert element == feed.access.element(dataflow.iteration(before, other)), (kind, time, unit)
            at = dot(weights, time) + dataflow.skew_cycles(unit)
            earlier = dot(weights, before) + dataflow.skew_cycles(other)
            assert earlier <= at
            if kind == "delayed":
                assert earlier < at
        assert counted == FeedAccesses(seen["read"], seen["delayed"], seen["stationary"], seen["direct"])


@pytest.mark.parametrize("seed", SEEDS)
def test_reduction_adds_every_unit_once(seed: int) -> None:
    plan = plan_of(seed)
    dataflow, drain = plan.dataflow, plan.drain
    holds = {unit: {unit} for unit in dataflow.units}
    for stage in drain.stages:
        assert sorted(unit for group in stage.groups for unit in group) == sorted(stage.points)
        for group in stage.groups:
            if not stage.tree:
                assert stage.lag_cycles >= 1
            holds[group[-1]] = set().union(*(holds[unit] for unit in group))
    assert sorted(u for c in drain.collectors for u in holds[c]) == sorted(dataflow.units)
    still = (0,) * len(dataflow.order)
    for collector in drain.collectors:
        element = drain.access.element(dataflow.iteration(still, collector))
        assert {drain.access.element(dataflow.iteration(still, unit)) for unit in holds[collector]} == {element}


@pytest.mark.parametrize("seed", SEEDS)
def test_banks_never_conflict(seed: int) -> None:
    plan = plan_of(seed)
    trips = plan.dataflow.time_extents(plan.extents)
    for part in (*plan.feeds, plan.drain):
        for time in time_points(trips):
            assert find_conflict(part.banking, part.access, plan.dataflow, time) is None
            if not part.banking.switched:
                for unit, offset in part.banking.ports:
                    element = part.access.element(plan.dataflow.iteration(time, unit))
                    assert part.banking.bank(element) == part.banking.port_bank(offset)


@pytest.mark.parametrize("seed", SEEDS)
def test_cycles_and_gap(seed: int) -> None:
    check_cycles(plan_of(seed))


# Sums that are kept in place over some reduction loops and spilled over others, revisited after few steps.
SPILLED = (
    ("conv2d:n=1,oc=1,ic=3,h=2,w=1,kh=2,kw=2,padding=1", {"oh": 2}, (1,), "n oc ic ow oh kh kw"),
    ("conv2d:n=1,oc=2,ic=3,h=1,w=2,kh=1,kw=3,padding=1", {"oc": 2}, (0,), "n oc kh ic ow oh kw"),
    ("ttmc:i=2,j=1,k=2,l=3,m=3", {"i": 2}, (1,), "i j l k m"),
    ("gemm:m=2,n=2,k=6", {"k": 2, "n": 2}, (1, 1), "k n m"),
)


@pytest.mark.parametrize("case", SPILLED, ids=lambda case: case[0].split(":")[0] + "-" + case[3].replace(" ", ""))
def test_cycles_and_gap_of_spilled_sums(case: tuple[str, dict[str, int], tuple[int, ...], str]) -> None:
    spec, space, skew, order = case
    nest = load(spec).nest
    plan = build(nest, Dataflow.of(nest, space, skew=skew, order=tuple(order.split()))).plans[0]
    assert plan.drain.start == "spilled"
    check_cycles(plan)


def check_cycles(plan: Plan) -> None:
    dataflow, drain = plan.dataflow, plan.drain
    timing = Timing(write_cycles=5, hazard_cycles=4 if drain.reads_back else 0)
    trips = dataflow.time_extents(plan.extents)
    gap = gap_cycles(plan, plan.extents, timing.hazard_cycles)
    weights = run_weights(plan, plan.extents, timing)
    outer = len(trips) - drain.held
    clock = -1
    visits: dict[tuple[int, ...], list[tuple[int, int]]] = defaultdict(list)
    previous: Point | None = None
    for time in time_points(trips):
        clock += 1
        if previous is not None and any(a != b for a, b in zip(time[: drain.gap_level + 1], previous, strict=False)):
            clock += gap
        assert clock == dot(weights, time)
        previous = time
        for unit in drain.collectors:
            element = drain.access.element(dataflow.iteration(time, unit))
            if not any(time[outer:]):
                visits[element].append((clock, clock))
            visits[element][-1] = (visits[element][-1][0], clock)
    cycles = count_cycles(plan, plan.extents, timing)
    assert cycles.total == clock + 1 + dataflow.most_skew_cycles + timing.write_cycles
    if drain.reads_back:
        distances = [read - written for spans in visits.values() for (_, written), (read, _) in pairwise(sorted(spans))]
        assert all(distance >= timing.hazard_cycles for distance in distances)
        if gap and drain.start == "spilled":
            assert min(distances) == timing.hazard_cycles


@pytest.mark.parametrize("seed", range(60))
def test_sums_start_at_zero_on_the_first_visit_only(seed: int) -> None:
    plan = plan_of(seed)
    drain, dataflow = plan.drain, plan.dataflow
    trips = dataflow.time_extents(plan.extents)
    outer = len(trips) - drain.held
    visited: set[tuple[Point, tuple[int, ...]]] = set()
    for time in time_points(trips):
        if any(time[outer:]):
            continue
        for unit in drain.collectors:
            element = drain.access.element(dataflow.iteration(time, unit))
            first = (unit, element) not in visited
            visited.add((unit, element))
            if drain.start == "zero":
                assert first
            elif drain.start == "spilled":
                assert first == (not any(time[k] for k in drain.spilled))


@pytest.mark.parametrize("seed", range(60))
def test_direct_links_are_a_minimum_arborescence(seed: int) -> None:
    nest, dataflow, _ = random_design(seed)
    port = 1000
    for access in nest.inputs:
        steps = direct_steps(access, dataflow)
        graph = nx.DiGraph()
        for unit in dataflow.units:
            graph.add_edge("memory", unit, weight=port)
            for step in steps:
                if dataflow.contains(minus(unit, step.space)):
                    graph.add_edge(minus(unit, step.space), unit, weight=dot(dataflow.skew, step.space))
        best = nx.minimum_spanning_arborescence(graph).size(weight="weight")
        feed = next(f for f in build(nest, dataflow).plans[0].feeds if f.access == access)
        ours = sum(port if step is None else dot(dataflow.skew, step.space) for _, step in feed.parents)
        assert ours == best


@pytest.mark.parametrize("seed", range(60))
def test_steps_against_all_pairs_of_points(seed: int) -> None:
    nest, dataflow, _ = random_design(seed)
    trips = dataflow.time_extents(nest.extents)
    weights = time_weights(trips)
    times = list(product(*(range(1 - r, r) for r in trips)))
    for access in nest.accesses:
        for space in product(*(range(1 - n, n) for n in dataflow.shape)):
            same = [
                time
                for time in times
                if (any(time) or any(space)) and _moves_nothing(access.matrix(dataflow.order), dataflow, time, space)
            ]
            lags = [dot(weights, time) + dot(dataflow.skew, space) for time in same]
            possible = [lag for lag in lags if lag >= (0 if any(space) else 1)]
            found = least_lag(access, dataflow, nest.extents, space)
            if not possible:
                assert found is None
            else:
                assert found is not None
                assert found.time in same
                assert found.lag_cycles(weights, dataflow.skew) == min(possible)
        for step in delayed_steps(access, dataflow, nest.extents):
            assert _moves_nothing(access.matrix(dataflow.order), dataflow, step.time, step.space)
            assert step.lag_cycles(weights, dataflow.skew) >= 1


def _moves_nothing(rows: tuple[tuple[int, ...], ...], dataflow: Dataflow, time: Point, space: Point) -> bool:
    at = dict(zip((loop for loop, _ in dataflow.space), space, strict=True))
    moved = [dataflow.size(loop) * t + at.get(loop, 0) for loop, t in zip(dataflow.order, time, strict=True)]
    return all(dot(row, tuple(moved)) == 0 for row in rows)


def test_worked_example_of_a_matrix_product() -> None:
    nest = load("gemm:m=8,n=8,k=8").nest
    plan = build(nest, Dataflow.of(nest, {"m": 4, "n": 4}, skew=(1, 1))).plans[0]
    a, b = plan.feeds
    assert [step.space for step in a.direct] == [(0, 1)]
    assert [step.space for step in b.direct] == [(1, 0)]
    assert (plan.drain.held, plan.drain.start, plan.drain.stages) == (1, "zero", ())
    assert (a.banking.counts, b.banking.counts, plan.drain.banking.counts) == ((4, 1), (1, 4), (4, 4))


def test_worked_example_of_a_sliding_window() -> None:
    nest = load("conv2d:n=1,oc=1,ic=1,h=4,w=4,kh=3,kw=3,padding=0").nest
    order = ("n", "oc", "ic", "oh", "ow", "kh", "kw")
    dataflow = Dataflow.of(nest, {"oh": 2, "ow": 2}, skew=(0, 0), order=order)
    image = nest.inputs[0]
    left = least_lag(image, dataflow, nest.extents, (0, -1))
    up = least_lag(image, dataflow, nest.extents, (-1, 0))
    assert left is not None
    assert up is not None
    weights = time_weights(dataflow.time_extents(nest.extents))
    assert (left.time[-2:], left.lag_cycles(weights, (0, 0))) == ((0, 1), 1)
    assert (up.time[-2:], up.lag_cycles(weights, (0, 0))) == ((1, 0), 3)
