"""Random nests on random dataflows: the simulated Verilog equals the interpreter, cycles equal the model."""

from __future__ import annotations

from pathlib import Path

import pytest
from designs import random_design

from dataflow import build
from hw import generate
from sim import simulate
from workloads.interpreter import random_inputs, run_points

QUICK = range(36)
FULL = range(1000, 1240)


def check(seed: int, cache: Path) -> None:
    nest, dataflow, smaller = random_design(seed)
    accelerator = generate(build(nest, dataflow))
    for size in (nest, smaller):
        inputs = random_inputs(size, seed)
        result = simulate(accelerator, size, inputs, simulator="icarus", cache=cache)
        assert result.faults == ()
        assert (result.outputs == run_points(size, inputs)).all()


@pytest.mark.parametrize("seed", QUICK)
def test_random_design(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("seed", FULL)
def test_random_design_full(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path)
