"""Random nests on random dataflows: the simulated Verilog equals the interpreter, cycles equal the model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from designs import designs
from hypothesis import HealthCheck, find, given, settings

from dataflow import Dataflow, build
from hw import generate
from sim import simulate
from workloads.interpreter import random_inputs, run_points
from workloads.nest import Nest
from workloads.spec import parse

Design = tuple[Nest, Dataflow, Nest]

QUIET = settings(database=None, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check(design: Design, simulator: str) -> None:
    nest, dataflow, smaller = design
    accelerator = generate(build(nest, dataflow))
    for size in (nest, smaller):
        inputs = random_inputs(size, 1)
        result = simulate(accelerator, size, inputs, simulator=simulator)
        assert result.faults == ()
        assert (result.outputs == run_points(size, inputs)).all()


@settings(QUIET, max_examples=36)
@given(designs())
def test_random_designs(design: Design) -> None:
    check(design, "icarus")


@pytest.mark.full
@settings(QUIET, max_examples=240)
@given(designs())
def test_random_designs_full(design: Design) -> None:
    check(design, "icarus")


@pytest.mark.full
@settings(QUIET, max_examples=6)
@given(designs())
def test_random_designs_compiled(design: Design) -> None:
    check(design, "verilator")


def kinds(design: Design) -> Iterator[str]:
    """What is special about a design."""
    nest, dataflow, smaller = design
    accesses = (nest.output, *nest.inputs)
    terms = [coefficient for access in accesses for index in access.index for _, coefficient in index.terms]
    yield f"{len(nest.loops)} loops"
    yield f"{len(nest.inputs)} factors"
    yield f"{len(dataflow.space)} axes"
    yield from ("tile",) * bool(dataflow.tile)
    yield from ("guard",) * bool(nest.guards)
    yield from ("padding",) * any(tensor.padded for tensor in nest.tensors)
    yield from ("skew",) * any(dataflow.skew)
    yield from ("stride",) * any(abs(coefficient) > 1 for coefficient in terms)
    yield from ("mirrored",) * any(coefficient < 0 for coefficient in terms)
    yield from ("two loops in one index",) * any(len(index.terms) > 1 for index in nest.output.index)
    yield from ("smaller",) * (smaller.points < nest.points)


def test_designs_of_every_kind_are_drawn() -> None:
    met: set[str] = set()

    @settings(QUIET, max_examples=36)
    @given(designs())
    def draw(design: Design) -> None:
        met.update(kinds(design))

    draw()
    assert met == {
        *(f"{n} loops" for n in (1, 2, 3, 4)), *(f"{n} factors" for n in (1, 2, 3)), *(f"{n} axes" for n in (1, 2, 3)),
        "tile", "guard", "padding", "skew", "stride", "mirrored", "two loops in one index", "smaller",
    }  # fmt: skip


def test_designs_shrink() -> None:
    nest, dataflow, _ = find(designs(), lambda design: "stride" in kinds(design), settings=QUIET)
    assert len(nest.loops) == len(dataflow.space) == len(nest.inputs) == 1
    assert not nest.guards
    assert not dataflow.tile
    assert not any(dataflow.skew)


LONE_POINT = """\
name: lone_point
loops: {i: 1}
body: O[0] += A[0, 2 * i - 1]
formats: {A: int8, O: int32}
shapes: {A: [1, 1]}
padding: {A: 0}
"""


def test_an_array_longer_than_its_padded_tensor() -> None:
    """The step of a loop of one trip is longer than any coordinate that the design counts."""
    nest = parse(LONE_POINT).nest
    dataflow = Dataflow.of(nest, {"i": 2}, skew=(0,))
    check((nest, dataflow, nest), "icarus")
