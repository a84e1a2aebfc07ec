"""Nests that go on from the sums that another nest left in the output banks: layers with a low-rank branch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from dataflow import Dataflow, build, fuse
from dataflow.ordered_sum import run_ordered
from hw import Accelerator, generate
from hw.conditions import All, NoneOf
from hw.emit import emit
from hw.program import ProgramError
from sim import Job, SimulationError, simulate_all
from workloads.formats import FORMATS
from workloads.interpreter import random_inputs, run, run_points
from workloads.nest import Nest
from workloads.spec import load

Inputs = dict[str, npt.NDArray[np.generic]]
Member = tuple[Nest, Dataflow, bool]

GEMM = "name: base\nloops: {m: 5, n: 3, k: 6}\nbody: C[m, n] += X[m, k] * W[n, k]\nformats: {X: int8, W: int8}\n"
UP = "name: up\nloops: {m: 5, n: 3, r: 4}\nbody: L[m, n] += T[m, r] * B[n, r]\nformats: {T: int8, B: int8}\n"
# The exact residual of SVDQuant, and a branch in eight bits with scales, both in steps of 2^-20.
RESIDUAL = "nvfp4_gemm:m=5,n=3,k=32,format=int64"
SCALED_UP = """
name: scaled_up
loops: {m: 5, n: 3, rb: 2, ri: 4}
body: L[m, n] += 4 * T[m, rb, ri] * ST[m, rb] * U[n, rb, ri] * SU[n, rb]
formats: {T: int8, ST: e4m3, U: int8, SU: e4m3, L: int64}
"""
# A layer of QeRL: four-bit weights, activations and adapter in bf16.
FLOAT_BASE = """
name: base
loops: {m: 5, n: 3, kb: 2, ki: 16}
body: C[m, n] += XB[m, kb, ki] * W[n, kb, ki] * SW[n, kb]
formats: {XB: bf16, W: e2m1, SW: e4m3, C: fp32}
"""
FLOAT_DOWN = (
    "name: down\nloops: {m: 5, r: 3, k: 32}\nbody: T[m, r] += X[m, k] * A[r, k]\nformats: {X: bf16, A: bf16, T: fp32}\n"
)
FLOAT_UP = (
    "name: up\nloops: {m: 5, n: 3, r: 3}\nbody: L[m, n] += T[m, r] * B[n, r]\nformats: {T: bf16, B: bf16, L: fp32}\n"
)


def member(spec: str, space: dict[str, int], *, continues: bool = False) -> Member:
    nest = load(spec).nest
    skew = (1, 1, *(0 for _ in range(len(space) - 2)))
    return nest, Dataflow.of(nest, space, skew=skew, order=nest.loop_names, name=nest.name), continues


def array(*members: Member) -> Accelerator:
    built = [build(nest, flow, continues=continues) for nest, flow, continues in members]
    return generate(fuse(built, name="layer").architecture)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (member(GEMM, {"m": 2, "n": 2}), member(UP, {"m": 2, "n": 2}, continues=True)),
        (member(GEMM, {"m": 2, "n": 2, "k": 3}), member(UP, {"m": 2, "n": 2, "r": 3}, continues=True)),
        (member(RESIDUAL, {"m": 2, "n": 2, "ki": 4}), member(SCALED_UP, {"m": 2, "n": 2, "ri": 4}, continues=True)),
    ],
    ids=["in-place", "trees", "block-scaled"],
)
def test_integer_sums_go_on(first: Member, second: Member, tmp_path: Path) -> None:
    accelerator = array(first, second)
    given: list[Inputs] = [dict(random_inputs(nest, n)) for n, (nest, _, _) in enumerate((first, second))]
    jobs = [
        Job(first[0], given[0], first[0].name, reads=False),
        Job(second[0], given[1], second[0].name, continues=True, reads=False),
        Job(second[0], given[1], second[0].name, continues=True),
        Job(second[0], given[1], second[0].name),
        Job(first[0], given[0], first[0].name),
    ]
    results = simulate_all(accelerator, jobs, simulator="icarus", cache=tmp_path)
    assert [result.faults for result in results] == [()] * 5
    base = run_points(first[0], given[0])
    once = run_points(second[0], given[1], base)
    assert (results[2].outputs == run_points(second[0], given[1], once)).all()
    assert (results[3].outputs == run(second[0], given[1])).all()
    assert (results[4].outputs == base).all()


def float_layer() -> tuple[tuple[Member, Member, Member], list[Inputs]]:
    base, down, up = (
        member(FLOAT_BASE, {"m": 2, "n": 2, "ki": 4}),
        member(FLOAT_DOWN, {"m": 2, "r": 2, "k": 4}),
        member(FLOAT_UP, {"m": 2, "n": 2, "r": 4}, continues=True),
    )
    given: list[Inputs] = [dict(random_inputs(nest, n)) for n, (nest, _, _) in enumerate((base, down, up))]
    given[1]["X"] = given[0]["XB"].reshape(5, 32)
    return (base, down, up), given


def test_floating_point_sums_go_on_in_their_order(tmp_path: Path) -> None:
    """Activations stay in their banks from the base to the adapter, sums from the base to the way up."""
    (base, down, up), given = float_layer()
    accelerator = array(base, down, up)
    plans = {plan.nest.name: plan for plan in accelerator.design.netlist.plans}
    narrow = run_ordered(plans["down"], down[0], given[1])
    given[2]["T"] = up[0].tensor("T").format.rounded(narrow)
    jobs = [
        Job(down[0], given[1], "down"),
        Job(base[0], given[0], "base", reads=False),
        Job(up[0], given[2], "up", continues=True),
    ]
    kept = simulate_all(accelerator, jobs, simulator="icarus", cache=tmp_path, remember=True)
    assert [result.faults for result in kept] == [()] * 3
    wide = run_ordered(plans["up"], up[0], given[2], run_ordered(plans["base"], base[0], given[0]))
    assert (kept[2].outputs.view(np.uint32) == wide.view(np.uint32)).all()
    again = simulate_all(accelerator, jobs, simulator="icarus", cache=tmp_path)
    activations = 3 * (32 // 4)
    assert [b.rows_written - a.rows_written for a, b in zip(kept, again, strict=True)] == [0, activations, 0]
    assert [result.rows_read for result in kept] == [3 * 2, 0, 3 * 2]


def test_what_the_banks_do_not_hold_any_more_is_written_again(tmp_path: Path) -> None:
    """Other activations, and the old ones after them, are written each time."""
    (base, down, _), given = float_layer()
    other = dict(given[0], XB=np.negative(given[0]["XB"], dtype=np.float32))
    jobs = [
        Job(down[0], given[1], "down"),
        Job(base[0], other, "base"),
        Job(base[0], given[0], "base"),
        Job(base[0], given[0], "base"),
    ]
    results = simulate_all(array(base, down), jobs, simulator="icarus", cache=tmp_path, remember=True)
    assert [result.faults for result in results] == [()] * 4
    assert results[3].rows_written == 0
    assert results[1].rows_written > results[2].rows_written == 3 * (32 // 4)


FAULTS = {
    "sums begin anew": ("y_again", lambda node: replace(node, parameters=(("values", (NoneOf((All(()),)),)),))),
    "sums are added to what is no sum": ("y_back", lambda node: replace(node, args=node.arcs("value"))),
    "sums are read a row late": (
        "y_read",
        lambda node: replace(
            node, args=tuple(replace(a, time_cycles=1) if a.role == "address" else a for a in node.args)
        ),
    ),
    "four bits are taken for bf16": (
        "x1_e2m1_as_bf16",
        lambda node: replace(node, parameters=(("formats", (FORMATS["bf16"],) * 2),)),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_seen(fault: str, tmp_path: Path) -> None:
    first, second = member(GEMM, {"m": 2, "n": 2}), member(UP, {"m": 2, "n": 2}, continues=True)
    if "bf16" in fault:
        first, _, second = float_layer()[0]
    accelerator = array(first, second)
    name, change = FAULTS[fault]
    netlist = accelerator.design.netlist
    broken = replace(accelerator.design, netlist=netlist.with_nodes({name: change(netlist.node[name])}))
    planted = replace(accelerator, design=broken, verilog=emit(broken))
    given = [random_inputs(nest, n) for n, (nest, _, _) in enumerate((first, second))]
    jobs = [
        Job(first[0], given[0], "base", reads=False),
        Job(second[0], given[1], "up", continues=True),
        Job(second[0], given[1], "up"),
    ]
    try:
        results = simulate_all(planted, jobs, simulator="icarus", cache=tmp_path)
        found = [text for result in results for text in result.faults]
    except SimulationError as error:
        found = [str(error)]
    assert found != []


def test_inputs_side_by_side(tmp_path: Path) -> None:
    """The narrow activations lie behind the wide ones, which need not be written again."""
    (base, down, up), given = float_layer()
    members = [(base, {"kb": 3}), (down, {}), (up, {})]
    built = [build(nest, flow, limits=limits, continues=on) for (nest, flow, on), limits in members]
    accelerator = generate(fuse(built, name="layer").architecture)
    behind = {"T": 3 * (32 // 4)}
    jobs = [
        Job(down[0], given[1], "down"),
        Job(base[0], given[0], "base", reads=False),
        Job(up[0], given[2], "up", continues=True, placed=behind),
        Job(base[0], given[0], "base", reads=False),
        Job(up[0], given[2], "up", continues=True, placed=behind),
    ]
    results = simulate_all(accelerator, jobs, simulator="icarus", cache=tmp_path, remember=True)
    assert [result.faults for result in results] == [()] * 5
    weights, adapter = 2 * (32 // 4), 2 * 1
    # W and B have one set of banks; T has not moved.
    assert [result.rows_written for result in results[3:]] == [weights, adapter]
    with pytest.raises(ProgramError) as caught:
        simulate_all(accelerator, [Job(base[0], given[0], "base", placed={"XB": 13})])
    assert str(caught.value) == (
        "design 'layer': tensor 'XB' needs 24 words in each bank from address 13 on, which holds 36"
    )


def test_a_dataflow_that_is_not_built_for_it() -> None:
    first, second = member(GEMM, {"m": 2, "n": 2}), member(UP, {"m": 2, "n": 2})
    jobs = [Job(m[0], random_inputs(m[0], 0), continues=n > 0) for n, m in enumerate((first, second))]
    with pytest.raises(ProgramError) as caught:
        simulate_all(array(first, second), jobs)
    assert str(caught.value) == (
        "design 'layer': dataflow 'up' of nest 'up' always starts its sums anew; "
        "it continues earlier ones only if it is built for that"
    )


def test_sums_of_another_size() -> None:
    first, second = member(GEMM, {"m": 2, "n": 2}), member(UP, {"m": 2, "n": 2}, continues=True)
    smaller = second[0].with_extents({"m": 4})
    jobs = [
        Job(first[0], random_inputs(first[0], 0)),
        Job(smaller, random_inputs(smaller, 0), "up", continues=True),
    ]
    with pytest.raises(ProgramError) as caught:
        simulate_all(array(first, second), jobs)
    assert str(caught.value) == (
        "design 'layer': tensor 'L' cannot continue the sums of tensor 'C': format, size or banks of the two differ"
    )
    with pytest.raises(ProgramError) as caught:
        simulate_all(array(first, second), jobs[1:])
    assert str(caught.value) == "design 'layer': nest 'up' continues sums, but no job is before it"


def test_runs_in_parts() -> None:
    tiled = load(GEMM).nest
    flow = Dataflow.of(tiled, {"m": 2, "n": 2}, skew=(1, 1), order=("m", "n", "k"), tile={"m": 2}, name="tiled")
    second = member(UP, {"m": 2, "n": 2}, continues=True)
    made = array((tiled, flow, True), second)
    given = random_inputs(tiled, 0)
    with pytest.raises(ProgramError) as caught:
        simulate_all(made, [Job(tiled, given), Job(tiled, given, continues=True)])
    assert str(caught.value) == (
        "design 'layer': dataflow 'tiled' of nest 'base' takes 3 runs, of which only one can follow on another "
        "nest's sums"
    )
    with pytest.raises(ProgramError) as caught:
        simulate_all(made, [Job(tiled, given), Job(second[0], random_inputs(second[0], 0), "up", continues=True)])
    assert str(caught.value) == (
        "design 'layer': nest 'up' continues the sums of 'base', which takes 3 runs; expected one"
    )
