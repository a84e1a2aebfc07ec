"""Shared reducer pins: the programs against trying everything, adders that fall, results that stay."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from equivalence import equal
from test_fused_designs import GEMM, ROWS, TREE, Member, jobs_of

from dataflow import build, fuse
from dataflow.architecture import Architecture
from hw import generate
from hw.accelerator import PASSES, design_of
from hw.passes.shared_pins import (
    Group,
    SharingProblem,
    Term,
    cheapest_by_trying,
    fewest_inputs_by_trying,
    inputs_of,
    place_terms,
    share_pins,
    solve,
)
from sim import simulate_all

UNSHARED = tuple(apply for apply in PASSES if apply is not share_pins)


def random_problem(r: random.Random) -> SharingProblem:
    """Two or three modes of up to three groups, with wires that some of them have in common."""

    def group() -> Group:
        adders = {node: 8 * r.randint(0, 3) for node in r.sample(("tree0", "sum"), r.randint(1, 2))}
        wires = {(wire,): (1, 8, 16)[wire % 3] for wire in r.sample(range(8), r.randint(0, 4))}
        return Group(adders, wires)

    sizes = sorted((r.randint(1, 3) for _ in range(r.randint(2, 3))), reverse=True)
    return SharingProblem(tuple(tuple(group() for _ in range(size)) for size in sizes))


@pytest.mark.parametrize("seed", range(80))
def test_groups_are_placed_at_the_least_cost(seed: int) -> None:
    problem = random_problem(random.Random(seed))
    slots = solve(problem)
    assert all(len(set(places)) == len(places) for places in slots)
    assert problem.cost(slots) == pytest.approx(cheapest_by_trying(problem))


@pytest.mark.parametrize("seed", range(80))
def test_terms_are_placed_with_the_fewest_inputs(seed: int) -> None:
    r = random.Random(seed)
    terms: list[Term] = [("product", (k,)) for k in range(6)]
    modes = [r.sample(terms, r.randint(1, 4)) for _ in range(r.randint(1, 3))]
    pins = place_terms(modes)
    assert all(len(set(chosen)) == len(chosen) for chosen in pins)
    assert {pin for chosen in pins for pin in chosen} == set(range(max(map(len, modes))))
    assert inputs_of(modes, pins) == fewest_inputs_by_trying(modes)


@dataclass(frozen=True)
class Case:
    """Dataflows whose reducers meet, and the adder bits of the design without sharing and with it."""

    id: str
    members: tuple[Member, ...]
    adder_bits: tuple[int, int]


COLUMNS = Member(GEMM, {"n": 4, "k": 4}, (0, 0), "m n k")
SLOW = Member(GEMM, {"m": 4, "k": 4}, (1, 0), "m n k")
CHAINED = Member(GEMM, {"k": 4, "n": 4}, (1, 1), "k n m")
SHORT = Member(GEMM, {"k": 2, "n": 4}, (0, 0), "k n m")
CASES = (
    Case("rows-and-columns", (TREE, ROWS), (602, 344)),
    Case("three-modes", (TREE, ROWS, COLUMNS), (602, 344)),
    Case("skewed-and-not", (TREE, SLOW), (602, 344)),
    Case("tree-and-chain", (ROWS, CHAINED), (656, 560)),
    Case("short-and-long", (SHORT, ROWS), (494, 344)),
)


def architecture(members: tuple[Member, ...], name: str = "fused") -> Architecture:
    named = [replace(m.dataflow, name=f"flow{k}") for k, m in enumerate(members)]
    parts = [build(m.nest, flow) for m, flow in zip(members, named, strict=True)]
    return fuse(parts, name=name).architecture


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_multiplexer_input_replaces_an_adder(case: Case, tmp_path: Path) -> None:
    fused = architecture(case.members)
    before, after = (design_of(fused, passes=passes).netlist.statistics[-1] for passes in (UNSHARED, PASSES))
    assert (before.adder_bits, after.adder_bits) == case.adder_bits
    assert after.register_bits <= before.register_bits
    results = simulate_all(generate(fused), jobs_of(case.members), simulator="icarus", cache=tmp_path)
    assert [r.faults for r in results] == [()] * (2 * len(case.members))
    assert all(r.predicted_cycles == r.simulated_cycles == r.timed_cycles for r in results)


def test_reducers_that_look_alike_are_one_module() -> None:
    kinds = design_of(architecture((TREE, ROWS))).structure.kinds["tree0"]
    assert len(kinds) == 4 and len(set(map(id, kinds.values()))) == 1


def test_shared_adders_are_those_of_one_dataflow() -> None:
    fused, alone = (design_of(architecture(m)).netlist.statistics[-1] for m in ((TREE, ROWS), (TREE, TREE)))
    assert fused.adder_bits == alone.adder_bits


SMALL = (
    "name: x\nloops: {m: 2, n: 2, k: 3}\nbody: O[m, n] += abs(A[m, k] - B[k, n])\nformats: {A: int4, B: int4, O: int16}"
)


@pytest.mark.parametrize("flow", ["flow0", "flow1"])
def test_outputs_are_equal(flow: str, tmp_path: Path) -> None:
    members = (Member(SMALL, {"k": 2, "n": 2}, (0, 0), "m n k"), Member(SMALL, {"m": 2, "k": 2}, (0, 0), "m n k"))
    gold = generate(architecture(members, "gold"), passes=UNSHARED)
    gate = generate(architecture(members, "gate"), passes=PASSES)
    assert gate.design.netlist.statistics[-1].adder_bits < gold.design.netlist.statistics[-1].adder_bits
    assert equal(gold, gate, members[0].nest, tmp_path, dataflow=flow)
