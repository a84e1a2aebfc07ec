"""Random designs, mapped: every register and port of the gates does what the simulated source does."""

from __future__ import annotations

import pytest
from designs import random_design

from dataflow import build
from hw import generate
from sim.power import measure_power
from workloads.interpreter import random_inputs


@pytest.mark.full
@pytest.mark.parametrize("seed", range(12))
def test_mapped_random_designs_do_what_their_source_does(seed):
    nest, dataflow, _ = random_design(seed)
    assert measure_power(generate(build(nest, dataflow)), nest, random_inputs(nest, seed)).pj_per_cycle > 0
