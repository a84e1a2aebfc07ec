"""Gating: results stay, what has no step or guard holds still, and it costs no area."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from test_clean_up import PLANS, holds, random_condition
from test_fused_designs import DEPTHWISE, GUARDED, OUTPUT, WINDOW, Member, accelerator_of, jobs_of

from dataflow import Dataflow, build
from dataflow.architecture import Architecture
from hw import generate
from hw.accelerator import PASSES, design_of
from hw.conditions import ByMode, NoneOf, Zero
from hw.constants import trips
from hw.passes.gating import gate, or_idle
from sim import simulate, simulate_all
from sim.power import measure_power
from workloads.interpreter import random_inputs
from workloads.spec import load

UNGATED = tuple(apply for apply in PASSES if apply is not gate)


@pytest.mark.parametrize("seed", range(60))
def test_a_sum_begins_where_it_did_and_in_every_idle_cycle(seed: int) -> None:
    start = random_condition(random.Random(seed))
    gated = or_idle(start)
    last = tuple(most - 1 for most in trips(PLANS, 0))
    for counts in product(*(range(end + 1) for end in last)):
        for step, on in product((False, True), repeat=2):
            flags = {"step": step, "on": on}
            assert holds(gated, counts, last, flags) == (holds(start, counts, last, flags) or not step)


@dataclass(frozen=True)
class Case:
    """A guarded nest, what its mask reads, and how wide it is."""

    id: str
    body: str
    masks: tuple[str, int]
    more: str = ""


CASES = (
    Case("product", "O[m, n] += A[m, k] * B[k, n]", ("A_in", 8)),
    Case("coefficient", "O[m, n] += 3 * A[m, k] * B[k, n]", ("A_in", 8)),
    Case("three-factors", "O[m, n] += A[m, k] * B[k, n] * D[m, n]", ("A_in", 8)),
    Case("wraps", "O[m, n] += A[m, k] * B[k, n]", ("A_in", 8), "formats: {O: int8}\n"),
    Case("one-factor", "O[m, n] += A[m, k]", ("A_in", 8)),
    Case("largest", "O[m, n] max= A[m, k] * B[k, n]", ("product0", 32)),
    Case("other-unit", "O[m, n] += abs(A[m, k] - B[k, n])", ("term0_absolute_difference", 9)),
)


def architecture(case: Case) -> Architecture:
    nest = load(f"name: x\nloops: {{m: 5, n: 4, k: 6}}\nbody: {case.body}\nguards: ['m - k >= 0']\n{case.more}").nest
    return build(nest, Dataflow.of(nest, {"m": 3, "n": 2}, skew=(1, 1)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_guards_stand_in_front_of_multiplications(case: Case, tmp_path: Path) -> None:
    made = generate(architecture(case))
    mask = made.design.netlist.node["gated"]
    found = mask.arcs("value")[0].source
    assert (found, mask.width_bits) == case.masks
    nest = made.architecture.plans[0].nest
    result = simulate(made, nest, random_inputs(nest, 2), simulator="icarus", cache=tmp_path)
    assert result.faults == () and result.predicted_cycles == result.simulated_cycles


@pytest.mark.parametrize("members", [(GUARDED, OUTPUT), (OUTPUT, GUARDED)], ids=["guarded-first", "guarded-last"])
def test_fused_guards_stand_there_too(members: tuple[Member, ...], tmp_path: Path) -> None:
    made = accelerator_of(members)
    assert {arc.source for arc in made.design.netlist.node["product0"].arcs("a")} == {"gated"}
    results = simulate_all(made, jobs_of(members), simulator="icarus", cache=tmp_path)
    assert [r.faults for r in results] == [()] * 4


def test_a_resting_functional_unit_takes_no_operand() -> None:
    # The depthwise convolution uses 3 by 3 of 4 by 4 functional units.
    design = accelerator_of((WINDOW, DEPTHWISE)).design
    kinds = design.structure.kinds["fu"]
    for use in kinds[3, 3].uses:
        if use.node.op == "source":
            for operand in use.operands:
                taken = [c for c in operand.choices if 1 in c.modes and (c.port or c.local)]
                assert len(operand.choices) == 1 or not taken


def test_idle_starts_are_control_only() -> None:
    case = CASES[0]
    before, after = (design_of(architecture(case), passes=passes).netlist for passes in (UNGATED, PASSES))
    assert before.node["O_start"].parameter("values") == (Zero(2),)
    assert after.node["O_start"].parameter("values") != (Zero(2),)
    for one, other in zip(before.statistics[-1:], after.statistics[-1:], strict=True):
        assert other.register_bits <= one.register_bits and other.adder_bits == one.adder_bits
    fused = accelerator_of((OUTPUT, GUARDED)).design.netlist.node["O_start"].parameter("values")
    assert isinstance(fused, tuple)
    assert all(isinstance(v, ByMode) and all(isinstance(s, NoneOf) for _, s in v.values) for v in fused)


@pytest.mark.full
def test_it_pays(tmp_path: Path) -> None:
    built = architecture(CASES[0])
    nest = built.plans[0].nest
    before, after = (
        measure_power(generate(built, passes=passes), nest, random_inputs(nest, 0), cache=tmp_path)
        for passes in (UNGATED, PASSES)
    )
    # On few functional units the control is most of what changes.
    assert after.synthesis.area_um2 < 1.002 * before.synthesis.area_um2
    assert after.pj_per_cycle < 0.95 * before.pj_per_cycle
