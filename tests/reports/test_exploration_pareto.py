"""The Pareto front against its definition, and over the bands of a technology against mapping anew."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.mapping import best_mapping, cost, energies, every_dataflow
from dataflow.technology import technology_named
from reports.exploration.design_point import DesignPoint
from reports.exploration.evaluate import evaluate, machine_of
from reports.exploration.outcome import Area, EnergyParts, LayerOutcome, PointOutcome, WorkloadOutcome
from reports.exploration.pareto import at_band, front, pareto_front, stability
from reports.exploration.workload import StudyWorkload
from workloads.spec import load

POINT = DesignPoint((4, 4), (("m", "n"), ("k", "n")), "int8", 2048, 8.0, 0.0, 1.0, "28nm", "lpddr4")


def naive(costs):
    def better(a, b):
        return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))

    return tuple(here for here, mine in enumerate(costs) if not any(better(other, mine) for other in costs))


few = st.integers(0, 4).map(float)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[few] * width), max_size=25)))
def test_the_front_is_what_none_dominates(costs):
    assert front(costs) == naive(costs)


def outcome(bits: int, cycles: int, parts: EnergyParts, area=None, failure=None) -> PointOutcome:
    layer = LayerOutcome("gemm:m=2,n=2,k=2,format=int8", 1, 8, "d", (), "", "", cycles, cycles, 0, 0, parts, True)
    workloads = () if failure else (WorkloadOutcome("w", 1.0, (layer,)),)
    point = replace(POINT, result_bits=bits)
    return PointOutcome(point, workloads, area and Area((("array", area),), "modelled"), failure)


def test_area_counts_where_all_have_one():
    fast, frugal = outcome(1, 10, EnergyParts(9, 0, 0, 0), 5e6), outcome(2, 20, EnergyParts(3, 0, 0, 0), 5e6)
    small, worse = outcome(3, 30, EnergyParts(9, 0, 0, 0), 1e6), outcome(4, 30, EnergyParts(9, 0, 0, 0), 6e6)
    failed = outcome(5, 1, EnergyParts(0, 0, 0, 0), failure="no")
    assert pareto_front((small, worse, failed, frugal, fast)) == (fast, frugal, small)
    assert pareto_front((small, replace(worse, area=None), frugal, fast)) == (fast, frugal)


def test_the_front_moves_with_the_band():
    # At the low end of 28 nm off-chip energy falls to three quarters, hops to 87 %; at the high end neither moves.
    fast = outcome(1, 10, EnergyParts(0, 0, 0, 100.0))
    hopping = outcome(2, 20, EnergyParts(0, 99.0, 0, 0))
    moving = outcome(3, 30, EnergyParts(0, 0, 0, 98.0))
    between = outcome(4, 25, EnergyParts(0, 0, 0, 99.2))
    low, high = stability((fast, hopping, moving, between))
    assert (low.band, low.stays, low.leaves, low.enters) == ("low", (fast, moving), (hopping,), (between,))
    assert (high.band, high.stays, high.leaves, high.enters) == ("high", (fast, hopping, moving), (), ())


@pytest.mark.parametrize("band", ["low", "value", "high"])
@pytest.mark.parametrize("technology", ["7nm", "28nm", "45nm"])
def test_energies_at_a_band_are_those_of_the_same_mapping(band, technology):
    known = technology_named(technology)
    point = replace(POINT, technology=technology, off_chip=known.off_chip_pj_per_bit[0][0])
    operator = "gemm:m=9,n=17,k=33"
    out = at_band(evaluate(point, (StudyWorkload("w", 2.0, ((operator, 3),)),)), band)
    nest = load(f"{operator},format=int8").nest
    found = best_mapping(nest, machine_of(point), every_dataflow(nest, (4, 4), point.spaces))
    moved = replace(machine_of(point), technology=known.at(band))
    expected = cost(found.counts, moved, energies(moved, nest), double_buffered=found.mapping.double_buffered)
    got = out.workloads[0].layers[0]
    assert got.energy.operation_pj == pytest.approx(expected.operation_pj)
    assert got.energy.hop_pj == pytest.approx(expected.hop_pj)
    assert got.energy.buffer_pj == pytest.approx(expected.buffer_pj, rel=0.01)
    assert got.energy.off_chip_pj == pytest.approx(expected.off_chip_pj)
    assert (got.cycles, got.times) == (expected.cycles, 3)
