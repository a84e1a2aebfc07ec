"""Evaluating a point: nothing that is shared changes a number, and what fails says why."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow.mapping import Machine, best_mapping, every_dataflow, fitting_spaces, map_network
from dataflow.technology import technology_named
from reports.exploration.design_point import DesignPoint
from reports.exploration.evaluate import evaluate
from reports.exploration.outcome import EnergyParts
from reports.exploration.workload import StudyWorkload, in_format
from workloads.networks import Layer, Network, network_named
from workloads.rollout import NVFP4, Rollout
from workloads.spec import load

POINT = DesignPoint((4, 4), (("k", "n"), ("ic", "oc"), ("m", "n")), "int8", 4096, 8.0, 50.0, 0.5, "28nm", "lpddr4", 8)
SMALL = (
    StudyWorkload("first", 1.0, (("gemm:m=5,n=7,k=9", 2), ("conv2d:n=1,oc=4,ic=3,h=5,w=5,kh=3,kw=3", 1))),
    StudyWorkload("second", 0.5, (("gemm:m=1,n=33,k=20", 3), ("gemm:m=5,n=7,k=9", 7))),
)


def naive(point: DesignPoint, workloads, objective):
    """Every layer by itself: cycles, energy parts and bytes of each workload."""
    machine = Machine(
        point.buffer_bytes,
        point.bandwidth_gb_per_s / point.clock_ghz,
        -int(-point.latency_ns * point.clock_ghz // 1),
        technology=technology_named(point.technology),
        off_chip=point.off_chip,
        result_bits=point.result_bits,
    )
    totals = []
    for workload in workloads:
        cycles, traffic, parts = 0, 0, [0.0] * 4
        for operator, times in workload.operators:
            nest = load(f"{operator},format={point.format}").nest
            arrays = every_dataflow(nest, point.array, fitting_spaces(nest, point.spaces))
            found = best_mapping(nest, machine, arrays, objective=objective)
            for _ in range(times):
                cycles += found.cost.cycles
                traffic += found.counts.transfer_bits // 8
                cost = found.cost
                each = (cost.operation_pj, cost.hop_pj, cost.buffer_pj, cost.off_chip_pj)
                parts = [a + b for a, b in zip(parts, each, strict=True)]
        totals.append((cycles, traffic, parts))
    return totals


@settings(max_examples=15, deadline=None)
@given(
    array=st.sampled_from([(1,), (3, 2), (4, 4), (5,)]),
    spaces=st.sampled_from([(), (("k", "n"), ("ic", "oc")), (("m", "n"), ("k", "n"), ("oh", "ow"), ("oc",))]),
    buffer_bytes=st.integers(300, 3000),
    bandwidth=st.floats(0.5, 50),
    objective=st.sampled_from(["cycles", "energy", "energy-delay"]),
    number_format=st.sampled_from(["int8", "bf16"]),
)
def test_equals_mapping_layer_by_layer(array, spaces, buffer_bytes, bandwidth, objective, number_format):
    spaces = tuple(space for space in spaces if len(space) <= len(array)) or (("n",), ("oc",))
    point = replace(
        POINT,
        array=array,
        spaces=spaces,
        buffer_bytes=buffer_bytes,
        bandwidth_gb_per_s=bandwidth,
        format=number_format,
    )
    out = evaluate(point, SMALL, objective)
    assert out.failure is None
    for workload, (cycles, traffic, parts) in zip(out.workloads, naive(point, SMALL, objective), strict=True):
        assert (workload.cycles, workload.transfer_bytes) == (cycles, traffic)
        energy = workload.energy
        assert [energy.operation_pj, energy.hop_pj, energy.buffer_pj, energy.off_chip_pj] == pytest.approx(parts)


def test_equals_the_network_mapper():
    network = network_named("alexnet")
    point = replace(POINT, array=(16, 16), spaces=(), buffer_bytes=256 << 10, clock_ghz=1.0, latency_ns=100.0)
    tail = Network("tail", "", network.layers[-3:], (), "")
    machine = Machine(256 << 10, 8.0, 100, technology=technology_named("28nm"), off_chip="lpddr4", result_bits=8)
    mapped = map_network(tail, machine, (16, 16), number_format="int8")
    out = evaluate(point, (StudyWorkload("tail", 1.0, tail.operators),))
    assert out.workloads[0].cycles == mapped.cycles
    energy = out.workloads[0].energy
    assert energy.total_pj - energy.leakage_pj == pytest.approx(mapped.energy_pj)
    assert [layer.proven for layer in out.workloads[0].layers] == [True] * 3


def test_a_workload_is_the_same_alone_and_beside_others():
    # Without an array, whose area and leakage depend on what all workloads run on it.
    point = replace(POINT, spaces=())
    together = evaluate(point, SMALL)
    for workload, alone in zip(together.workloads, SMALL, strict=True):
        assert evaluate(point, (alone,)).workloads == (workload,)
    assert together.workloads[0].layers[0].energy != EnergyParts(0, 0, 0, 0)


def test_a_layer_says_how_to_run_its_array():
    layer = evaluate(replace(POINT, spaces=(("k", "n"),)), (SMALL[1],)).workloads[0].layers[0]
    assert layer.operator == "gemm:m=1,n=33,k=20,format=int8"
    assert (layer.times, layer.macs) == (3, 33 * 20)
    assert layer.simulate.startswith(
        "brickwork simulate gemm:m=1,n=33,k=20,format=int8 --space k=4,n=4 --skew 1,1 --order "
    )


FAILURES = [
    (
        {"buffer_bytes": 2},
        "nest 'gemm': the buffer of 2 bytes excludes every mapping: the smallest tiles need 36 bytes on dataflow "
        "'k_n_keeps_O' (A 4, B 16, O 16)",
    ),
    (
        {"spaces": (("z", "n"),)},
        "nest 'gemm': none of the axes z,n are loops of it; expected some of m, n, k",
    ),
    ({"tiler": "magic"}, "nest 'gemm': there is no tiler 'magic'; expected one of optimal, gemmini"),
    ({"technology": "3nm"}, "technology '3nm': not known; expected one of 7nm, 28nm, 45nm or a .toml file"),
    ({"bandwidth_gb_per_s": 0.0}, "machine: the off-chip bandwidth must be more than 0 bytes a cycle, not 0"),
    (
        {"spaces": (("m", "n", "k"),)},
        "nest 'gemm': axes m,n,k do not fit an array of 4 x 4; expected at most 2 different loops",
    ),
]


@pytest.mark.parametrize(("changes", "says"), FAILURES)
def test_a_failure_is_an_outcome(changes, says):
    out = evaluate(replace(POINT, **changes), SMALL)
    assert out.failure == says
    assert out.workloads == ()


@pytest.mark.parametrize(
    ("operator", "number_format", "written"),
    [
        ("gemm:m=3,n=4,k=32", "int8", "gemm:m=3,n=4,k=32,format=int8"),
        ("gemm:m=3,n=4,k=32,format=bf16", "int8", "gemm:m=3,n=4,k=32,format=bf16"),
        ("gemm:m=3,n=4,k=32", "nvfp4", "nvfp4_gemm:m=3,n=4,k=32"),
        ("gemm:m=3,n=4,k=32", "nvfp4_weight", "nvfp4_weight_gemm:m=3,n=4,k=32"),
        ("gqa_scores:b=1,g=2,r=3,c=4,d=5", "nvfp4", "gqa_scores:b=1,g=2,r=3,c=4,d=5,format=bf16"),
        ("gemv", "int8", "gemv:format=int8"),
    ],
)
def test_operators_take_the_format_of_the_design(operator, number_format, written):
    assert in_format(operator, number_format) == written
    load(written)


def test_a_rollout_runs_what_the_counted_one_does():
    workload = StudyWorkload.of_rollout("qwen2.5_3b", batch=2, prompt=16, completion=4)
    counted = Rollout.of("qwen2.5_3b", NVFP4, 2, prompt=16, completion=4)
    assert sum(times for _, times in workload.operators) == sum(step.count for step in counted.steps)
    assert {in_format(operator, "nvfp4_weight") for operator, _ in workload.operators} == {
        step.operator if step.operator.startswith("nvfp4") else f"{step.operator},format=bf16" for step in counted.steps
    }


def test_a_network_runs_all_its_layers():
    workload = StudyWorkload.of_network("alexnet", 2.0)
    assert workload.weight == 2.0
    assert sum(times * Layer("", o).nest().points for o, times in workload.operators) == network_named("alexnet").macs
