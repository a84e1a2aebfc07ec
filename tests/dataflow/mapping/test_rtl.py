"""The array part of a mapping in RTL: the hardware of its tiles takes the cycles that the model counts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from mappings import random_mapping

from dataflow import build
from dataflow.mapping import Machine, Objective, best_mapping, count, every_dataflow
from hw import generate
from sim import simulate
from workloads.interpreter import random_inputs
from workloads.spec import load


@dataclass(frozen=True)
class Case:
    id: str
    spec: str
    shape: tuple[int, ...]
    buffer_bytes: int
    objective: Objective
    runs: int


CASES = [
    Case("uneven-tiles-of-all-loops", "gemm:m=20,n=12,k=30", (4, 4), 200, "cycles", 120),
    Case("one-buffer-tiles-of-single-rows", "gemm:m=9,n=10,k=33", (3, 4), 260, "energy", 18),
    Case("halos", "conv2d:oc=6,ic=5,h=9,w=8", (3, 4), 600, "energy-delay", 24),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_simulated_cycles_are_counted_cycles(case: Case) -> None:
    nest = load(case.spec).nest
    machine = Machine(case.buffer_bytes, 4.0)
    mapping = best_mapping(nest, machine, every_dataflow(nest, case.shape), objective=case.objective).mapping
    assert mapping.runs == case.runs
    accelerator = generate(build(nest, mapping.dataflow))
    result = simulate(accelerator, nest, random_inputs(nest, seed=1), simulator="icarus")
    assert result.matches
    exact = replace(machine, timing=accelerator.design.timings[0])
    assert result.simulated_cycles == count(mapping, exact).array_cycles
    assert len(result.runs) == mapping.runs
    # Links are chosen by their delays, which tiles shorten: the array of the tiles may have more, and read less.
    plan = accelerator.architecture.plans[0]
    built = replace(mapping, plan=replace(plan, dataflow=replace(plan.dataflow, tile=())))
    for less, more in zip(count(built, exact).operands, count(mapping, exact).operands, strict=True):
        assert less.reads <= more.reads
        assert replace(less, reads=more.reads, hops=more.hops) == more


def check_random(seed: int) -> None:
    mapping, machine = random_mapping(seed)
    nest = mapping.nest
    accelerator = generate(build(nest, mapping.dataflow))
    result = simulate(accelerator, nest, random_inputs(nest, seed=seed), simulator="icarus")
    assert result.matches
    exact = replace(machine, timing=accelerator.design.timings[0])
    assert result.simulated_cycles == count(mapping, exact).array_cycles


# Spilled sums, uneven tiles, one to three axes.
@pytest.mark.parametrize("seed", [11, 24, 25, 36])
def test_random_mappings_take_their_cycles(seed: int) -> None:
    check_random(seed)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(40, 240))
def test_many_random_mappings_take_their_cycles(seed: int) -> None:
    check_random(seed)
