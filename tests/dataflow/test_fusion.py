"""Joint choice of slots and links: never dearer than the heuristic, as cheap as trying everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product

import pytest

from dataflow import Architecture, Dataflow, DataflowError, build, fuse
from dataflow.architecture import Plan
from dataflow.feed import LinkCosts
from dataflow.fusion import heuristic_plans
from dataflow.fusion_cost import Wiring, fused_cost
from dataflow.fusion_options import feed_options
from workloads.functional_units.product import UNIT as PRODUCT
from workloads.spec import load


def one(
    spec: str, space: dict[str, int], skew: tuple[int, ...], order: str | None = None, name: str = ""
) -> Architecture:
    nest = load(spec).nest
    flow = Dataflow.of(nest, space, skew=skew, order=tuple(order.split()) if order else None)
    return build(nest, replace(flow, name=name or flow.name))


GEMM = "gemm:m=8,n=8,k=8"
CONV = "conv2d:n=1,oc=8,ic=8,h=8,w=8,kh=3,kw=3"
OUTPUT = one(GEMM, {"m": 4, "n": 4}, (1, 1))
TURNED = one(GEMM, {"n": 4, "m": 4}, (1, 1), name="turned")
WEIGHT = one(GEMM, {"k": 4, "n": 4}, (1, 1), "n k m")
INPUT = one(GEMM, {"m": 4, "k": 4}, (1, 1), "m k n")
STILL = one(GEMM, {"m": 4, "n": 4}, (0, 0), name="still")
CHANNELS = one(CONV, {"ic": 4, "oc": 4}, (1, 1), "n oc ic kh kw oh ow")
WINDOW = one(CONV, {"oh": 4, "ow": 4}, (0, 0), "n oc oh ow ic kh kw")
SHIFT = one(CONV, {"ow": 4, "oc": 4}, (0, 0), "n oc oh ow ic kh kw")
DEPTHWISE = one("depthwise:c=4,h=8,w=8", {"oh": 4, "ow": 4}, (0, 0))
SCORES = one("attention_scores:h=1,q=8,k=8,d=8", {"q": 4, "k": 4}, (1, 1))
MTTKRP = one("mttkrp:i=8,j=8,k=4,l=4", {"i": 4, "j": 4}, (1, 1))
SAD = one("absolute_difference", {"dy": 2, "dx": 2}, (0, 0))


@dataclass(frozen=True)
class Case:
    """Dataflows to fuse; ``cheaper`` where the heuristic misses something."""

    id: str
    members: tuple[Architecture, ...]
    cheaper: bool


CASES = (
    Case("one-alone", (OUTPUT,), False),
    Case("same-links", (OUTPUT, SCORES), False),
    Case("operands-exchanged", (OUTPUT, TURNED), True),
    Case("weight-stationary-ports", (WEIGHT, WINDOW), True),
    Case("two-windows", (WINDOW, DEPTHWISE), True),
    Case("input-and-weight-stationary", (INPUT, WEIGHT), True),
    Case("three-factors", (MTTKRP, WINDOW), True),
    Case("broadcast-and-systolic", (OUTPUT, STILL), False),
    Case("many", (OUTPUT, WEIGHT, CHANNELS, WINDOW, SHIFT, DEPTHWISE, SCORES, MTTKRP), True),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_never_dearer_than_the_heuristic(case: Case) -> None:
    fusion = fuse(case.members)
    assert fusion.cost <= fusion.heuristic_cost + 1e-6
    assert (fusion.cost < fusion.heuristic_cost - 1e-6) == case.cheaper


@pytest.mark.parametrize("case", [c for c in CASES if len(c.members) <= 2], ids=lambda case: case.id)
def test_as_cheap_as_trying_everything(case: Case) -> None:
    plans = [plan for member in case.members for plan in member.plans]
    assert fuse(case.members).cost == pytest.approx(min(fused_cost(tried) for tried in everything(plans)))


def everything(plans: Sequence[Plan]) -> Iterator[tuple[Plan, ...]]:
    """Every slot and way of every operand of every dataflow."""
    heuristic = heuristic_plans(plans)
    slots = max(len(plan.feeds) for plan in plans)
    ways = []
    for plan, other in zip(plans, heuristic, strict=True):
        options = [(*feed_options(plan, f), o) for f, o in zip(plan.feeds, other.feeds, strict=True)]
        orders = [p for p in permutations(range(slots), len(plan.feeds)) if 0 in p]
        if plan.nest.unit != PRODUCT:
            orders = [tuple(range(len(plan.feeds)))]
        ways.append(
            [
                replace(plan, feeds=tuple(replace(f, slot=s) for f, s in zip(chosen, order, strict=True)))
                for chosen in product(*options)
                for order in orders
            ]
        )
    yield from product(*ways)


def test_sharing_is_paid_once() -> None:
    alone = fused_cost(OUTPUT.plans)
    twice = fused_cost((*OUTPUT.plans, replace(OUTPUT.plans[0], dataflow=replace(OUTPUT.plans[0].dataflow, name="b"))))
    assert twice == pytest.approx(alone)


def test_reads_per_step_are_what_a_walk_counts() -> None:
    """Against asking at every time step of every unit whether a link brings the element."""
    for plan in (*WINDOW.plans, *DEPTHWISE.plans, *WEIGHT.plans, *SHIFT.plans):
        trips = plan.dataflow.time_extents(plan.extents)
        for feed in plan.feeds:
            wiring = Wiring.of(plan, feed)
            inner = len(trips) - feed.held
            reads = 0
            for time in product(*map(range, trips)):
                if any(time[inner:]):
                    continue
                for unit in feed.roots:
                    steps = [feed.delayed[i] for i, _ in wiring.delayed(unit)]
                    fed = any(all(0 <= t - d < r for t, d, r in zip(time, s.time, trips, strict=True)) for s in steps)
                    reads += not fed
            total = 1
            for trip in trips:
                total *= trip
            assert wiring.reads_per_step == pytest.approx(reads / total)


def test_reads_weigh_by_their_dataflow() -> None:
    """A sliding window keeps its delayed links alone, and loses them among dataflows that seldom let it run."""
    window = fuse((WINDOW,)).architecture.plans[0]
    assert any(feed.delayed for feed in window.feeds)
    dear = fuse((WINDOW, OUTPUT, SCORES, MTTKRP), costs=LinkCosts(fifo=40.0)).architecture.plans[0]
    assert not any(feed.delayed for feed in dear.feeds)


def test_operands_that_do_not_commute_stay() -> None:
    (first, second) = fuse((SAD, WINDOW)).architecture.plans[0].feeds
    assert (first.slot, second.slot) == (0, 1)


def test_slots_are_named_after_their_tensor_where_all_agree() -> None:
    plans = fuse((OUTPUT, MTTKRP)).architecture.plans
    assert [feed.operand for feed in plans[0].feeds] == ["x0", "B"]
    assert plans[0].drain.operand == plans[1].drain.operand


FAULTS = (
    (
        (OUTPUT, one("gemv:m=8,k=8", {"m": 4}, (1,))),
        "dataflow 'pair': dataflows in one array need the same number of axes, but 'm_n' has 2, 'm' has 1; "
        "an axis may have one functional unit",
    ),
    ((OUTPUT, OUTPUT), "dataflow 'pair': nest 'gemm' has two dataflows named 'm_n'; give one another name"),
)


@pytest.mark.parametrize(("members", "says"), FAULTS, ids=["axes", "names"])
def test_what_cannot_be_fused(members: tuple[Architecture, ...], says: str) -> None:
    with pytest.raises(DataflowError) as caught:
        fuse(members, name="pair")
    assert str(caught.value) == says
