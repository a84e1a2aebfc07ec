"""Every functional unit and reduction in hardware: bit and cycle exact, as wide as it must be and not wider."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.sim import Simulator
from designs import random_design

from dataflow import Dataflow, build
from dataflow.fusion import fuse
from hw import Accelerator, generate, runs
from hw.accelerator import design_of
from hw.emit import emit
from hw.manifest import manifest
from hw.netlist import Node
from hw.passes.delay_matching import match_delays
from hw.program import ProgramError
from hw.units.arithmetic import Wires
from sim import simulate
from workloads.functional_unit import FunctionalUnit, Integers
from workloads.functional_units import functional_units
from workloads.interpreter import random_inputs, run_points
from workloads.nest import Nest
from workloads.reduction import REDUCTIONS, SUM
from workloads.spec import load

# Asks for more bits than its operand has.
EXTENDING = FunctionalUnit("extending", "low(a)", lambda on, a: on.low_bits(a, 8))
Inputs = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Case:
    """A nest, a dataflow, and further sizes for the same design."""

    id: str
    spec: str
    space: dict[str, int]
    skew: tuple[int, ...]
    order: str
    sizes: tuple[dict[str, int], ...] = ()
    tile: dict[str, int] | None = None
    simulator: str = "icarus"


def spec(body: str, formats: str = "A: int8", more: str = "") -> str:
    return f"name: x\nloops: {{m: 5, n: 3, k: 7}}\nbody: {body}\nformats: {{{formats}}}\n{more}"


MAXPLUS = "maxplus:m=5,n=3,k=7"
MINPLUS = spec("O[m, n] min= A[m, k] + B[k, n]")
SAD = "absolute_difference:h=2,w=2,block=3,radius=1"
SHIFT = "shift_gemm:m=5,n=3,k=7"
COUNT = "count_equal:m=5,n=3,k=7,format=int4"
GREATER = spec("O[m, n] += A[m, k] > B[k, n]")
WIDE = spec("O[m, n] += A[m, k] > B[k, n]", "A: int16, B: int16, O: int8")
GUARDED = spec("O[m, n] max= A[m, k] + B[k, n]", more="guards: [k >= m + 1]\n")
NARROW = spec("O[m, n] max= abs(A[m, k] - B[k, n])", "A: int8, O: int8")
SCATTERED = spec("O[2 * m, n] min= A[m, k] * B[k, n]", "A: int8, B: int4, O: int16")
SLIDING = (
    "name: x\nloops: {m: 6, k: 3}\nbody: O[m] max= A[m + k - 1]\n"
    "formats: {A: int8}\nshapes: {A: [6]}\npadding: {A: 0}\n"
)
DIAGONAL = spec("O[m + k, n] max= A[m, n] + B[k, n]", "A: int8")
INT4 = "gemm:m=5,n=3,k=7,format=int4"
INT4_OUT = spec("O[m, n] += A[m, k] * B[k, n]", "A: int4, B: int4, O: int4")
SMALLER = ({"m": 4, "n": 2, "k": 4}, {"m": 1, "n": 1, "k": 1})

CASES = (
    Case("maxplus-in-place-systolic", MAXPLUS, {"m": 3, "n": 2}, (1, 1), "m n k", SMALLER),
    Case("maxplus-in-place-broadcast", MAXPLUS, {"m": 3, "n": 2}, (0, 0), "m n k", SMALLER),
    Case("maxplus-chain", MAXPLUS, {"k": 3, "n": 2}, (1, 1), "m n k", SMALLER),
    Case("maxplus-tree", MAXPLUS, {"k": 5, "n": 2}, (0, 0), "m n k", SMALLER),
    Case("maxplus-chain-spilled", MAXPLUS, {"k": 3, "n": 2}, (1, 1), "k n m", SMALLER),
    Case("maxplus-tree-spilled", MAXPLUS, {"k": 3, "n": 2}, (0, 0), "k n m", SMALLER),
    Case("maxplus-tiled", MAXPLUS, {"m": 3, "n": 2}, (1, 1), "m n k", (), {"k": 4, "m": 3}),
    Case("minplus-chain-spilled", MINPLUS, {"k": 3, "n": 2}, (1, 0), "k n m", SMALLER),
    Case("minplus-tree", MINPLUS, {"k": 3, "m": 2}, (0, 1), "m n k", SMALLER),
    Case("max-guarded-in-place", GUARDED, {"m": 3, "n": 2}, (1, 1), "m n k", SMALLER),
    Case("max-guarded-tree-spilled", GUARDED, {"k": 3, "m": 2}, (0, 0), "k n m", SMALLER),
    Case("max-wraps-first", NARROW, {"k": 3, "n": 2}, (1, 1), "m n k", SMALLER),
    Case("max-wraps-first-spilled", NARROW, {"k": 3, "n": 2}, (0, 0), "k m n", SMALLER),
    Case("min-with-holes", SCATTERED, {"m": 3, "n": 2}, (1, 1), "m n k"),
    Case("min-with-holes-chain", SCATTERED, {"k": 3, "m": 2}, (1, 1), "n m k"),
    Case("max-pooling", SLIDING, {"m": 4}, (0,), "m k", ({"m": 3, "k": 2},)),
    Case("max-pooling-systolic", SLIDING, {"m": 2, "k": 3}, (1, 1), "m k"),
    Case("max-diagonal", DIAGONAL, {"m": 3, "k": 2}, (1, 1), "m n k"),
    Case("sad-systolic", SAD, {"dy": 3, "dx": 2}, (1, 1), "y x dy dx i j"),
    Case("sad-broadcast", SAD, {"dy": 3, "dx": 2}, (0, 0), "y x dy dx i j"),
    Case("sad-tree", SAD, {"i": 2, "j": 3}, (0, 0), "dy dx y x i j"),
    Case("sad-sliding", SAD, {"dx": 3, "j": 2}, (1, 0), "y x dy dx i j"),
    Case("shift-systolic", SHIFT, {"m": 3, "n": 2}, (1, 1), "m n k", SMALLER),
    Case("shift-tree-spilled", SHIFT, {"k": 3, "n": 2}, (0, 0), "k n m", SMALLER),
    Case("count-broadcast", COUNT, {"m": 3, "n": 2}, (0, 0), "m n k", SMALLER),
    Case("count-chain", COUNT, {"k": 3, "n": 2}, (1, 1), "m n k", SMALLER),
    Case("greater-tree", GREATER, {"k": 5, "m": 2}, (0, 0), "m n k", SMALLER),
    Case("greater-chain-spilled", GREATER, {"k": 3, "m": 2}, (1, 1), "k n m", SMALLER),
    Case("greater-of-wider-operands", WIDE, {"m": 3, "n": 2}, (1, 1), "m n k", SMALLER),
    Case("int4-systolic", INT4, {"m": 3, "n": 3}, (1, 1), "m n k", SMALLER),
    Case("int4-tree-spilled", INT4, {"k": 3, "n": 2}, (0, 0), "k n m", SMALLER),
    Case("int4-output", INT4_OUT, {"m": 3, "n": 3}, (1, 1), "m n k", SMALLER),
    Case("int4-output-spilled", INT4_OUT, {"k": 3, "n": 3}, (1, 1), "k n m", SMALLER),
    Case("maxplus-verilator", MAXPLUS, {"k": 3, "n": 2}, (1, 1), "k n m", (), None, "verilator"),
)
CASE = {case.id: case for case in CASES}


def generated(case: Case) -> tuple[Nest, Accelerator]:
    nest = load(case.spec).nest
    dataflow = Dataflow.of(nest, case.space, skew=case.skew, order=tuple(case.order.split()), tile=case.tile)
    return nest, generate(build(nest, dataflow))


def extremes(nest: Nest, *more: int) -> Iterator[Inputs]:
    """Every combination of tensors full of their format's least or most value, or of further values."""
    tensors = [t for t in nest.tensors if t.name != nest.output.tensor]
    for corner in product(*((*t.format.range, *more) for t in tensors)):
        yield {t.name: np.full(t.shape, value, t.format.dtype) for t, value in zip(tensors, corner, strict=True)}


# Compiled by another simulator, which takes most of a minute.
LATER = ("maxplus-verilator",)


@pytest.mark.parametrize("case", [pytest.param(c, marks=[pytest.mark.full] * (c.id in LATER), id=c.id) for c in CASES])
def test_dataflow(case: Case, tmp_path: Path) -> None:
    nest, accelerator = generated(case)
    for size in ({}, *case.sizes):
        at_size = nest.with_extents(size, {t.name: t.shape for t in nest.tensors if t.padded})
        given = [random_inputs(at_size, 1), *(() if size else extremes(at_size))]
        for inputs in given:
            result = simulate(accelerator, at_size, inputs, simulator=case.simulator, cache=tmp_path)
            assert result.faults == (), size
            np.testing.assert_array_equal(result.outputs, run_points(at_size, inputs))
            assert result.predicted_cycles == result.simulated_cycles == result.timed_cycles


def random_unit(nest: Nest, seed: int) -> dict[str, object]:
    r = random.Random(seed + 7)
    units = [unit for unit in functional_units() if unit.takes(len(nest.inputs))]
    return {"unit": r.choice(units), "reduction": r.choice(list(REDUCTIONS.values()))}


def check_random(seed: int, cache: Path) -> None:
    nest, dataflow, smaller = random_design(seed)
    chosen = random_unit(nest, seed)
    nest, smaller = replace(nest, **chosen), replace(smaller, **chosen)
    accelerator = generate(build(nest, dataflow))
    for size in (nest, smaller):
        inputs = random_inputs(size, seed)
        result = simulate(accelerator, size, inputs, simulator="icarus", cache=cache)
        assert result.faults == ()
        np.testing.assert_array_equal(result.outputs, run_points(size, inputs))


# The first ones met, in this order: holes in the banks, operands wider than the output.
@pytest.mark.parametrize("seed", [1, 10, 37, 97, 114, 117, *range(2000, 2010)])
def test_random_design(seed: int, tmp_path: Path) -> None:
    check_random(seed, tmp_path)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(3000, 3200))
def test_random_design_full(seed: int, tmp_path: Path) -> None:
    check_random(seed, tmp_path)


@pytest.mark.parametrize("unit", [*functional_units(), EXTENDING], ids=lambda unit: unit.name)
def test_means_the_same_on_wires(unit: FunctionalUnit) -> None:
    wires = [Signal(signed(4), name=name) for name in unit.operands]
    out = Signal(signed(64))
    m = Module()
    m.d.comb += out.eq(unit.value(Wires(), wires))
    points = list(product(range(-8, 8), repeat=len(wires)))
    found = []

    async def bench(context: Any) -> None:
        for point in points:
            for wire, value in zip(wires, point, strict=True):
                context.set(wire, value)
            found.append(context.get(out))

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    assert found == [int(unit.value(Integers(), point)) for point in points]


# Widths


def bits_for(least: int, most: int) -> int:
    """Bits of two's complement by trying."""
    return next(bits for bits in range(1, 99) if -(1 << (bits - 1)) <= least and most < 1 << (bits - 1))


@pytest.mark.parametrize("unit", functional_units(), ids=lambda unit: unit.name)
def test_widths_are_enough_and_minimal(unit: FunctionalUnit) -> None:
    """Term and sum against all operands of the formats, for a sum of seven terms in place and behind a tree."""
    letters = "ABC"[: len(unit.operands)]
    body = f"O[m] += {unit.text([f'{letter}[m, k]' for letter in letters])}"
    text = f"name: x\nloops: {{m: 2, k: 7}}\nbody: {body}\nformats: {{{', '.join(f'{n}: int4' for n in letters)}}}\n"
    nest = load(text).nest
    values = [int(unit.value(Integers(), p)) for p in product(range(-8, 8), repeat=len(letters))]
    for space, skew in (({"m": 2}, (1,)), ({"k": 3}, (0,)), ({"k": 3}, (1,))):
        design = design_of(build(nest, Dataflow.of(nest, space, skew=skew, order=("m", "k"))))
        node = design.netlist.node
        term = "product0" if unit.name == "product" else f"term0_{unit.name}"
        assert node[term].width_bits == bits_for(min(values), max(values))
        assert node["A_in"].width_bits == 4
        least, most = min(0, 7 * min(values)), max(0, 7 * max(values))
        assert node["O_sum"].width_bits == node["O_write"].width_bits == bits_for(least, most)


def rebuilt(sound: Accelerator, changed: dict[str, Node]) -> Accelerator:
    design = replace(sound.design, netlist=match_delays(sound.design.netlist.with_nodes(changed)))
    return Accelerator(design, sound.architecture, emit(design), manifest(design))


@pytest.mark.parametrize(
    ("case", "name"),
    [
        ("maxplus-in-place-systolic", "term0_plus"),
        ("maxplus-tree", "sum0"),
        ("shift-systolic", "term0_signed_shift"),
        ("count-chain", "term0_equal"),
        ("greater-tree", "term0_greater"),
        ("sad-systolic", "term0_absolute_difference"),
        ("int4-systolic", "O_sum"),
    ],
)
def test_one_bit_less_shows_at_the_extremes(case: str, name: str, tmp_path: Path) -> None:
    nest, sound = generated(CASE[case])
    node = sound.design.netlist.node[name]
    accelerator = rebuilt(sound, {name: replace(node, width_bits=node.width_bits - 1)})
    # -1 shifts furthest.
    given = extremes(nest, -1)
    assert any(simulate(accelerator, nest, inputs, simulator="icarus", cache=tmp_path).faults for inputs in given)


@pytest.mark.parametrize(("space", "skew"), [({"m": 2}, (0,)), ({"k": 3}, (0,)), ({"k": 3}, (1,))])
def test_wider_operands_wrap_before_they_are_compared(
    space: dict[str, int], skew: tuple[int, ...], tmp_path: Path
) -> None:
    """Without width inference, operands keep their format's width up to the comparison."""
    nest = load(spec("O[m, n] max= A[m, k, n]", "A: int16, O: int8")).nest
    dataflow = Dataflow.of(nest, space, skew=skew)
    accelerator = generate(build(nest, dataflow), passes=(match_delays,))
    inputs = random_inputs(nest, 0)
    result = simulate(accelerator, nest, inputs, simulator="icarus", cache=tmp_path)
    assert result.faults == ()
    np.testing.assert_array_equal(result.outputs, inputs["A"].astype(np.int8).max(axis=1))


@pytest.mark.parametrize("name", ["gated", "O_back", "O_sum", "O_partial", "sum0"])
def test_wrong_reduction_shows(name: str, tmp_path: Path) -> None:
    """The identity of a sum, or a sum itself, in one node of a maximum of negative terms."""
    nest, sound = generated(CASE["maxplus-tree" if name == "O_partial" else "maxplus-chain-spilled"])
    node = sound.design.netlist.node[name]
    parameters = tuple((key, SUM if key == "by" else value) for key, value in node.parameters)
    assert parameters != node.parameters
    accelerator = rebuilt(sound, {name: replace(node, parameters=parameters)})
    inputs = {t.name: np.full(t.shape, -100, t.format.dtype) for t in nest.tensors if t.name != "O"}
    assert simulate(accelerator, nest, inputs, simulator="icarus", cache=tmp_path).faults != ()


def test_zero_operands_do_not_switch_a_unit_off(tmp_path: Path) -> None:
    """Iterations beyond the extent are gated behind the unit, where a masked operand would still give a term."""
    nest, sound = generated(CASE["sad-tree"])
    plan = sound.architecture.plans[0]
    assert plan.gated == ("i", "j") and all(feed.masked == () for feed in plan.feeds)
    gated = sound.design.netlist.node["gated"]
    open_gate = replace(gated, args=tuple(a for a in gated.args if a.role == "value"))
    accelerator = rebuilt(sound, {"gated": open_gate})
    assert simulate(accelerator, nest, random_inputs(nest, 0), simulator="icarus", cache=tmp_path).faults != ()


FUSED = (
    (("gemm:m=5,n=3,k=7", {"m": 3, "n": 2}, (1, 1), "m n k"), (MAXPLUS, {"k": 3, "n": 2}, (0, 0), "m n k")),
    ((GUARDED, {"m": 3, "n": 2}, (1, 1), "m n k"), (MAXPLUS, {"k": 3, "m": 2}, (0, 0), "m n k")),
    ((MINPLUS, {"m": 3, "k": 2}, (1, 1), "k n m"), (SCATTERED, {"k": 3, "m": 2}, (1, 1), "n m k")),
    ((SHIFT, {"m": 3, "n": 2}, (1, 1), "m n k"), (GREATER, {"m": 3, "k": 2}, (1, 1), "n m k")),
)


@pytest.mark.parametrize("modes", FUSED, ids=["product-and-max", "guarded-and-not", "two-minima", "shift-and-greater"])
def test_units_share_an_array(
    modes: Sequence[tuple[str, dict[str, int], tuple[int, ...], str]], tmp_path: Path
) -> None:
    nests, parts = [], []
    for name, (text, space, skew, order) in zip("ab", modes, strict=True):
        nests.append(load(text).nest)
        parts.append(build(nests[-1], Dataflow.of(nests[-1], space, skew=skew, order=tuple(order.split()), name=name)))
    accelerator = generate(fuse(parts).architecture)
    for name, nest in zip("ab", nests, strict=True):
        for inputs in (random_inputs(nest, 1), *extremes(nest)):
            result = simulate(
                accelerator,
                nest,
                inputs,
                simulator="icarus",
                cache=tmp_path,
                program=lambda a, n, name=name: runs(a, n, name),
            )
            assert result.faults == (), name


def test_another_body_is_refused() -> None:
    nest, accelerator = generated(CASE["maxplus-in-place-systolic"])
    other = replace(nest, reduction=REDUCTIONS["min="])
    with pytest.raises(ProgramError) as caught:
        runs(accelerator, other)
    assert str(caught.value) == (
        f"design {accelerator.name!r}: it was generated for nest 'maxplus'; "
        "loops, body or guards of 'maxplus' differ from it"
    )
    assert accelerator.manifest["modes"][0]["nest"]["body"] == "O[m, n] max= A[m, k] + B[k, n]"
