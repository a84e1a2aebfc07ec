"""Design points and their outcomes: totals, and what is written is read back."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.exploration.design_point import DesignPoint
from reports.exploration.outcome import (
    Area,
    EnergyParts,
    LayerOutcome,
    PointOutcome,
    Verification,
    WorkloadOutcome,
)

POINT = DesignPoint((16, 16), (("k", "n"), ("ic", "oc")), "int8", 256 << 10, 16.0, 100.0, 0.5, "28nm", "lpddr4")
LAYER = LayerOutcome(
    operator="gemm:m=3,n=5,k=7",
    times=4,
    macs=105,
    dataflow="k_n_keeps_B",
    tiles=(("m", 3), ("n", 5), ("k", 7)),
    loop_nest="buffer",
    simulate="brickwork simulate gemm:m=3,n=5,k=7 --space k=7,n=5",
    cycles=100,
    array_cycles=60,
    transfer_cycles=30,
    transfer_bytes=71,
    energy=EnergyParts(1.0, 2.0, 4.0, 8.0, 16.0),
    proven=True,
)


def outcome(*workloads: WorkloadOutcome, area: Area | None = None) -> PointOutcome:
    return PointOutcome(POINT, workloads, area)


energies = st.builds(EnergyParts, *[st.floats(0, 1e12)] * 5)
layers = st.builds(
    replace,
    st.just(LAYER),
    times=st.integers(1, 99),
    macs=st.integers(1, 1 << 50),
    cycles=st.integers(1, 1 << 50),
    transfer_bytes=st.integers(0, 1 << 50),
    energy=energies,
    proven=st.booleans(),
    tiles=st.lists(st.tuples(st.sampled_from("mnk"), st.integers(1, 9))).map(tuple),
)
points = st.builds(
    DesignPoint,
    array=st.lists(st.integers(1, 64), min_size=1, max_size=3).map(tuple),
    spaces=st.lists(st.lists(st.sampled_from("mnk"), min_size=1).map(tuple)).map(tuple),
    format=st.sampled_from(["int8", "bf16"]),
    buffer_bytes=st.integers(1, 1 << 30),
    bandwidth_gb_per_s=st.floats(0.1, 1e4),
    latency_ns=st.floats(0, 1e4),
    clock_ghz=st.floats(0.1, 5),
    technology=st.just("7nm"),
    off_chip=st.just("hbm2"),
    result_bits=st.none() | st.integers(1, 64),
    tiler=st.sampled_from(["optimal", "systolic"]),
)
outcomes = st.builds(
    PointOutcome,
    point=points,
    workloads=st.lists(
        st.builds(WorkloadOutcome, st.text(), st.floats(0.01, 10), st.lists(layers).map(tuple)), max_size=3
    ).map(tuple),
    area=st.none()
    | st.builds(Area, st.lists(st.tuples(st.text(), st.floats(0, 1e9))).map(tuple), st.text(), st.integers(1, 99)),
    no_area=st.none() | st.text(),
    failure=st.none() | st.text(),
    verifications=st.lists(
        st.builds(Verification, st.text(), st.text(), st.booleans(), st.integers(0, 99), st.integers(0, 99), st.text()),
        max_size=2,
    ).map(tuple),
    seconds=st.floats(0, 1e6),
)


@settings(max_examples=50, deadline=None)
@given(outcomes)
def test_an_outcome_is_read_back_from_its_json(out):
    again = PointOutcome.of_facts(json.loads(json.dumps(out.facts)))
    assert again == out
    assert again.point.key == out.point.key == out.facts["key"]


@settings(max_examples=50, deadline=None)
@given(points, points)
def test_keys_are_equal_exactly_where_points_are(a, b):
    assert (a.key == b.key) == (a == b)
    assert replace(a).key == a.key


CHANGES = {
    "array": (8, 32),
    "spaces": (("n", "k"), ("ic", "oc")),
    "format": "bf16",
    "buffer_bytes": 1,
    "bandwidth_gb_per_s": 16.5,
    "latency_ns": 0.0,
    "clock_ghz": 1.0,
    "technology": "7nm",
    "off_chip": "hbm2",
    "result_bits": 8,
    "tiler": "systolic",
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_field_counts_in_the_key(name):
    assert replace(POINT, **{name: CHANGES[name]}).key != POINT.key


def test_the_key_is_the_same_on_every_machine():
    assert POINT.key == "94a3762eabf33416"


@pytest.mark.parametrize(
    ("point", "says"),
    [
        (POINT, "16x16, k-n+ic-oc, int8, 256 KB, 16 GB/s, 0.5 GHz, 28nm"),
        (replace(POINT, spaces=()), "16x16, every dataflow, int8, 256 KB, 16 GB/s, 0.5 GHz, 28nm"),
        (
            replace(POINT, array=(7,), spaces=(("m",),), tiler="systolic", buffer_bytes=1536, clock_ghz=1.25),
            "7, m, int8, 1.5 KB, 16 GB/s, 1.25 GHz, 28nm, systolic tiler",
        ),
    ],
)
def test_a_point_says_what_it_is(point, says):
    assert str(point) == says


def test_totals_count_repetitions_and_weights():
    once, twice = replace(LAYER, times=1), replace(LAYER, times=2, macs=10, cycles=7, transfer_bytes=3)
    light, heavy = WorkloadOutcome("light", 0.5, (once, twice)), WorkloadOutcome("heavy", 2.0, (twice,))
    assert (light.macs, light.cycles, light.transfer_bytes) == (105 + 2 * 10, 100 + 2 * 7, 71 + 2 * 3)
    assert light.energy == EnergyParts(3.0, 6.0, 12.0, 24.0, 48.0)
    both = outcome(light, heavy, area=Area((("array", 1.5e6), ("buffer", 0.25e6)), "modelled"))
    assert both.time_s == pytest.approx((0.5 * 114 + 2 * 14) / 0.5e9)
    assert both.energy_j == pytest.approx((0.5 * 93 + 2 * 62) * 1e-12)
    assert both.utilization == pytest.approx((0.5 * 125 + 2 * 20) / ((0.5 * 114 + 2 * 14) * 256))
    assert both.area_mm2 == 1.75


def test_a_point_without_workloads_has_no_utilization_and_no_area():
    nothing = outcome()
    assert (nothing.time_s, nothing.energy_j, nothing.utilization, nothing.area_mm2) == (0, 0, 0, None)


@pytest.mark.parametrize(("match", "cycles", "passed"), [(True, 9, True), (False, 9, False), (True, 8, False)])
def test_a_verification_passes_only_with_bits_and_cycles(match, cycles, passed):
    assert Verification("gemm:m=2", "mn", match, 9, cycles, "verilator").passed is passed
