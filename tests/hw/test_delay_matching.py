"""Delay matching: optimal against brute force, folded against flat, never worse than as early as possible."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from designs import random_design

from dataflow import Dataflow, build
from hw.accelerator import PASSES, design_of
from hw.lower import lower
from hw.passes.delay_matching import (
    DelayProblem,
    InfeasibleError,
    Precedence,
    SharedRegisters,
    cheapest_by_trying,
    delay_problem,
    earliest,
    solve,
    unfold,
)
from hw.passes.reduction_trees import balance_reductions
from hw.passes.widths import infer_widths
from workloads.spec import load


def random_problem(seed: int) -> DelayProblem:
    """A small random graph with shared fan-out, widths and architectural delays."""
    r = random.Random(seed)
    names = [f"n{k}" for k in range(r.randint(3, 5))]
    latency = {n: r.randint(0, 2) for n in names}
    edges = [(u, v) for k, u in enumerate(names) for v in names[k + 1 :] if r.random() < 0.6]
    delay = {edge: r.choice((0, 0, 0, 1)) for edge in edges}
    precedences = tuple(Precedence(u, v, latency[u] - delay[u, v]) for u, v in edges)
    chains = tuple(
        SharedRegisters(
            r.choice((1, 8, 32)), r.choice((1, 4)), tuple((u, v, delay[u, v] - latency[u]) for w, v in edges if w == u)
        )
        for u in names
        if any(w == u for w, _ in edges)
    )
    return DelayProblem(tuple(names), frozenset(names[:1]), precedences, chains)


@pytest.mark.parametrize("seed", range(60))
def test_optimal(seed: int) -> None:
    problem = random_problem(seed)
    label = solve(problem)
    assert problem.respects(label)
    assert problem.register_bits(label) == cheapest_by_trying(problem, 7)
    assert problem.register_bits(label) <= problem.register_bits(earliest(problem))


def test_late_is_cheaper_when_the_result_is_narrow() -> None:
    wide_late = DelayProblem(
        ("in", "slow", "narrow", "join"),
        frozenset({"in"}),
        (
            Precedence("in", "slow", 0),
            Precedence("in", "narrow", 0),
            Precedence("slow", "join", 3),
            Precedence("narrow", "join", 1),
        ),
        (
            SharedRegisters(32, 1, (("in", "slow", 0), ("in", "narrow", 0))),
            SharedRegisters(8, 1, (("slow", "join", -3),)),
            SharedRegisters(1, 1, (("narrow", "join", -1),)),
        ),
    )
    assert solve(wide_late) == {"in": 0, "slow": 0, "narrow": 0, "join": 3}
    assert wide_late.register_bits(solve(wide_late)) == 2


def test_recurrence_too_short() -> None:
    loop = DelayProblem(
        ("ctl", "mul", "add"),
        frozenset({"ctl"}),
        (Precedence("ctl", "mul", 0), Precedence("mul", "add", 2), Precedence("add", "mul", 1 - 1)),
        (),
    )
    with pytest.raises(InfeasibleError) as caught:
        solve(loop)
    assert caught.value.missing_cycles == 2
    assert set(caught.value.cycle) == {"mul", "add"}
    path = " -> ".join(caught.value.cycle)
    assert str(caught.value) == (
        f"delay matching: the recurrence {path} needs 2 more cycles than the dataflow leaves it; "
        "another loop order or skew is needed"
    )


REGULAR = (
    ("gemm:m=6,n=6,k=6", {"m": 2, "n": 2}, (1, 1), "m n k"),
    ("gemm:m=6,n=6,k=6", {"m": 3, "n": 3}, (1, 1), "m n k"),
    ("gemm:m=6,n=6,k=6", {"k": 3, "n": 2}, (1, 1), "k n m"),
    ("gemm:m=6,n=6,k=6", {"k": 3, "n": 2}, (0, 0), "m n k"),
    ("conv2d:n=1,oc=2,ic=2,h=6,w=6", {"oh": 3, "ow": 3}, (0, 0), "n oc oh ow ic kh kw"),
)


@pytest.mark.parametrize("case", REGULAR, ids=lambda case: f"{case[0].split(':')[0]}-{case[1]}-{case[2]}")
def test_folded_is_the_flat_problem_with_equal_labels(case: tuple[str, dict[str, int], tuple[int, ...], str]) -> None:
    spec, space, skew, order = case
    nest = load(spec).nest
    netlist, _ = lower(build(nest, Dataflow.of(nest, space, skew=skew, order=tuple(order.split()))).plans[0], "case")
    netlist = infer_widths(balance_reductions(netlist))
    folded, flat = delay_problem(netlist), unfold(netlist)
    best = folded.register_bits(solve(folded))
    # One module for all points of a region needs one label for them; points free to differ can only be cheaper.
    first: dict[str, str] = {}
    equal = []
    for name in flat.nodes:
        other = first.setdefault(name.split("@")[0], name)
        equal += [Precedence(name, other, 0), Precedence(other, name, 0)]
    tied = replace(flat, precedences=(*flat.precedences, *equal))
    assert best == tied.register_bits(solve(tied))
    assert flat.register_bits(solve(flat)) <= best


@pytest.mark.parametrize("seed", range(25))
def test_never_worse_than_earliest(seed: int) -> None:
    nest, dataflow, _ = random_design(seed)
    netlist, _ = lower(build(nest, dataflow).plans[0], "case")
    problem = delay_problem(infer_widths(balance_reductions(netlist)))
    assert problem.register_bits(solve(problem)) <= problem.register_bits(earliest(problem))


def test_size_of_the_problem_does_not_grow_with_the_array() -> None:
    nest = load("gemm:m=64,n=64,k=64").nest

    def variables(size: int) -> int:
        netlist, _ = lower(build(nest, Dataflow.of(nest, {"m": size, "n": size}, skew=(1, 1))).plans[0], "case")
        return len(delay_problem(netlist).nodes)

    assert variables(4) == variables(16)


def test_statistics_of_every_pass() -> None:
    nest = load("gemm:m=16,n=16,k=16").nest
    design = design_of(build(nest, Dataflow.of(nest, {"k": 8, "n": 4}, skew=(0, 0))))
    names = [s.name for s in design.netlist.statistics]
    assert names == ["lowering", *(apply.__name__ for apply in PASSES)]
    bits = [s.register_bits for s in design.netlist.statistics]
    # Relays come on top; delay matching takes some of them in place of other registers.
    assert [name for name, (one, other) in zip(names[1:], pairwise(bits), strict=True) if other > one] == [
        "rewire_broadcasts"
    ]
    assert bits[-1] < bits[0]
