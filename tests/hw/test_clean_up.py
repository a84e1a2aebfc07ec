"""Clean-up: control values equal at every count within the limits, nodes that go, and designs that stay exact."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from designs import random_design
from test_fused_designs import OUTPUT, SPILLED, accelerator_of, jobs_of

from dataflow import Dataflow, build
from dataflow.architecture import Architecture
from hw import generate
from hw.accelerator import PASSES, design_of
from hw.conditions import All, AtLeast, Condition, Flag, Last, NoneOf, Step, Zero
from hw.constants import FALSE, TRUE, simplified, trips
from hw.passes.clean_up import clean_up
from sim import simulate, simulate_all
from workloads.interpreter import random_inputs
from workloads.spec import load

UNCLEAN = tuple(apply for apply in PASSES if apply is not clean_up)


def architecture(spec: str, space: dict[str, int], skew: tuple[int, ...], order: str) -> Architecture:
    nest = load(spec).nest
    return build(nest, Dataflow.of(nest, space, skew=skew, order=tuple(order.split())))


def holds(value: Condition, counts: tuple[int, ...], last: tuple[int, ...], flags: dict[str, bool]) -> bool:
    """What a condition means, for counters ``counts`` whose loops end at ``last``."""
    match value:
        case Step():
            return flags["step"]
        case Flag(register):
            return flags[register]
        case Zero(level):
            return counts[level] == 0
        case Last(level):
            return counts[level] == last[level]
        case AtLeast(level, steps):
            return counts[level] >= steps if steps > 0 else counts[level] - steps <= last[level]
        case All(terms):
            return all(holds(t, counts, last, flags) for t in terms)
        case NoneOf(terms):
            return not any(holds(t, counts, last, flags) for t in terms)
    raise AssertionError(value)


def random_condition(r: random.Random, depth: int = 3) -> Condition:
    level = r.randrange(3)
    leaves: list[Condition] = [Step(), Zero(level), Last(level), AtLeast(level, r.choice((-2, -1, 1, 2))), Flag("on")]
    if not depth or r.random() < 0.3:
        return r.choice(leaves)
    terms = tuple(random_condition(r, depth - 1) for _ in range(r.randint(0, 3)))
    return r.choice((All, NoneOf))(terms)


# Loops of 3, 1 and 2 trips at the limits.
PLANS = architecture("gemm:m=6,n=4,k=2", {"m": 2, "n": 4}, (0, 0), "m n k").plans


@pytest.mark.parametrize("seed", range(150))
def test_simplified_is_equal_in_every_run(seed: int) -> None:
    value = random_condition(random.Random(seed))
    simple = simplified(value, PLANS)
    assert simplified(simple, PLANS) == simple
    outcomes = set()
    for last in product(*(range(most) for most in trips(PLANS, 0))):
        for counts in product(*(range(end + 1) for end in last)):
            for step, on in product((False, True), repeat=2):
                flags = {"step": step, "on": on}
                outcomes.add(holds(value, counts, last, flags))
                assert holds(simple, counts, last, flags) == holds(value, counts, last, flags)
    assert (simple == TRUE) <= (outcomes == {True}) and (simple == FALSE) <= (outcomes == {False})


def test_order_of_terms_does_not_matter() -> None:
    one, other = All((Step(), All((Flag("on"), Last(1))))), All((Flag("on"), Step(), Step()))
    assert simplified(one, PLANS) == simplified(other, PLANS)
    assert simplified(NoneOf((NoneOf((Zero(0),)),)), PLANS) == Zero(0)
    assert simplified(All((Zero(1), Last(1))), PLANS) == TRUE
    assert simplified(AtLeast(2, 2), PLANS) == FALSE


@dataclass(frozen=True)
class Case:
    """A design, and the nodes that clean-up saves it."""

    id: str
    spec: str
    space: dict[str, int]
    skew: tuple[int, ...]
    order: str
    gone: set[str]


SUM = {"O_start", "O_partial", "O_sum"}
WINDOW = "n oc oh ow ic kh kw"
CASES = (
    Case("all-terms-in-space", "gemm:m=5,n=4,k=3", {"k": 3, "n": 2}, (0, 0), "m n k", SUM),
    Case("chain-of-all-terms", "gemm:m=5,n=4,k=3", {"k": 3, "n": 2}, (1, 1), "m n k", SUM),
    Case("no-trip-to-wait-for", "gemm:m=5,n=4,k=6", {"k": 3, "n": 4}, (1, 1), "n k m", {"O_emit"}),
    Case("two-reads-each-step", "conv2d:n=1,oc=3,ic=2,h=6,w=6", {"oh": 3, "ow": 3}, (0, 0), WINDOW, {"W_want"}),
    Case("nothing-to-gain", "gemm:m=5,n=4,k=6", {"m": 2, "n": 2}, (1, 1), "m n k", set()),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_goes(case: Case, tmp_path: Path) -> None:
    found = architecture(case.spec, case.space, case.skew, case.order)
    before, after = design_of(found, passes=UNCLEAN), design_of(found)
    assert set(before.netlist.node) - set(after.netlist.node) == case.gone
    nest = load(case.spec).nest
    result = simulate(generate(found), nest, random_inputs(nest, 1), simulator="icarus", cache=tmp_path)
    assert result.faults == () and result.predicted_cycles == result.simulated_cycles


def test_fused_designs_share_control_values(tmp_path: Path) -> None:
    members = (OUTPUT, SPILLED)
    results = simulate_all(accelerator_of(members), jobs_of(members), simulator="icarus", cache=tmp_path)
    assert [r.faults for r in results] == [()] * 4


@pytest.mark.parametrize("seed", range(25))
def test_never_more_hardware(seed: int) -> None:
    nest, dataflow, _ = random_design(seed)
    found = build(nest, dataflow)
    before, after = (design_of(found, passes=passes).netlist.statistics[-1] for passes in (UNCLEAN, PASSES))
    assert after.register_bits <= before.register_bits and after.mux_bits <= before.mux_bits
    assert after.adder_bits <= before.adder_bits and after.depth_cycles <= before.depth_cycles
    cleaned = design_of(found, passes=PASSES[:-1]).netlist
    assert clean_up(cleaned).nodes == cleaned.nodes
