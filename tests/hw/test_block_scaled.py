"""Block-scaled four-bit products in hardware: the bits of the definition, whatever the dataflow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.sim import Simulator
from designs import designs
from hypothesis import HealthCheck, given, settings

import hw.lower
from dataflow import Dataflow, build, fuse
from hw import Accelerator, generate
from hw.emit import emit
from hw.estimate.area import calibrated
from hw.estimate.primitives import design_primitives
from hw.lower import UnsupportedError
from hw.passes.widths import bits_of
from hw.synthesis import synthesize
from hw.units.decode import decoded, decoded_power, decoded_significand
from hw.units.shift import shifted
from sim import Job, SimulationError, simulate, simulate_all
from workloads.formats import BLOCK_FORMATS, FORMATS
from workloads.formats.encoding import FP32
from workloads.formats.exact import matmul, rounded_once
from workloads.formats.quantize import quantize
from workloads.interpreter import random_inputs, run, run_points
from workloads.nest import Nest
from workloads.spec import load

Inputs = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Case:
    id: str
    spec: str
    space: dict[str, int]
    skew: tuple[int, ...]
    order: str
    sizes: tuple[dict[str, int], ...] = ()


NVFP4 = "nvfp4_gemm:m=5,n=3,k=48,format=int64"
SMALLER = ({"m": 3, "n": 2, "kb": 2},)
# Integers whose trees share factors in one direction, in two, and in none; with a guard and with a constant.
SHARED = """
name: shared
loops: {i: 5, j: 3, k: 4, l: 3}
body: O[i, j] += -3 * D[j] * A[i, k] * B[k, l] * E[i]
formats: {A: int8, B: int8, D: int8, E: int8}
guards: [k + l <= 5]
"""
# Factors of which nothing is an integer, behind a guard and with a constant; and one that no tree shares.
SCALES = """
name: scales
loops: {i: 5, j: 3, k: 4}
body: O[i, j] += -3 * A[i, k] * B[k, j]
formats: {A: e4m3, B: e4m3, O: int64}
guards: [i - k >= 0]
"""
MIXED = """
name: mixed
loops: {i: 5, j: 3, k: 7}
body: O[i, j] += A[i, k] * D[k] * E[j]
formats: {A: int8, D: e4m3, E: e4m3, O: int64}
"""
ALL_SHARED = "name: dot\nloops: {i: 5, k: 4}\nbody: O[i] += A[i] * B[i]\nformats: {A: int8, B: int8}\n"

CASES = (
    Case("dot-16-output-stationary", NVFP4, {"m": 2, "n": 2, "ki": 16}, (1, 1, 0), "m n kb ki", SMALLER),
    Case("dot-16-weight-stationary", NVFP4, {"kb": 3, "n": 2, "ki": 16}, (1, 1, 0), "n kb m ki", SMALLER),
    Case("dot-16-broadcast", NVFP4, {"m": 2, "n": 3, "ki": 16}, (0, 0, 0), "n m kb ki"),
    Case("trees-of-blocks-and-elements", NVFP4, {"kb": 3, "ki": 16}, (0, 0), "m n kb ki", SMALLER),
    Case("dot-4", NVFP4, {"m": 2, "ki": 4}, (1, 0), "m n kb ki"),
    Case("element-by-element", NVFP4, {"m": 2, "n": 2}, (1, 1), "m n kb ki"),
    Case("elements-in-a-chain", NVFP4, {"ki": 4, "n": 2}, (1, 1), "n kb m ki"),
    Case("shared-along-one-tree", SHARED, {"k": 3, "i": 2}, (0, 0), "i j l k", ({"i": 3, "k": 2},)),
    Case("shared-along-two-trees", SHARED, {"k": 3, "l": 2}, (0, 0), "i j l k"),
    Case("shared-along-the-second-tree", SHARED, {"l": 2, "k": 3}, (0, 0), "j i k l"),
    Case("tree-then-chain", SHARED, {"l": 3, "k": 2}, (0, 1), "i j k l"),
    Case("all-shared", ALL_SHARED, {"k": 4, "i": 2}, (0, 1), "i k"),
    Case("scales-alone", SCALES, {"i": 2, "j": 2}, (1, 1), "i j k", ({"i": 3, "k": 2},)),
    Case("scales-wrap", SCALES.replace("int64", "int32"), {"i": 2, "k": 2}, (1, 0), "i j k"),
    Case("scales-wrap-to-8-bits", SCALES.replace("int64", "int8"), {"k": 2, "j": 2}, (1, 1), "i j k"),
    Case("one-scale-in-the-tree", MIXED, {"k": 3, "i": 2}, (0, 1), "i j k"),
)


def generated(case: Case) -> tuple[Nest, Accelerator]:
    nest = load(case.spec).nest
    dataflow = Dataflow.of(nest, case.space, skew=case.skew, order=tuple(case.order.split()))
    return nest, generate(build(nest, dataflow))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_dataflow(case: Case, tmp_path: Path) -> None:
    nest, accelerator = generated(case)
    for size in ({}, *case.sizes):
        at_size = nest.with_extents(size)
        inputs = random_inputs(at_size, 3)
        result = simulate(accelerator, at_size, inputs, simulator="icarus", cache=tmp_path)
        assert result.faults == (), size
        assert (result.outputs == run_points(at_size, inputs)).all()


def adversarial(rows: int, k: int, kind: str) -> npt.NDArray[np.float64]:
    """Matrices whose products are as large, as small or as cancelling as the format allows."""
    rng = np.random.default_rng(len(kind))
    if kind == "largest":
        return np.where(rng.random((rows, k)) < 0.5, -1.0, 1.0) * 6 * 448
    if kind == "smallest":
        # The tensor's scale comes from one large element; next to it lies what is barely not zero.
        values = np.full((rows, k), 2.0**-12)
        values[0, 0] = 2688.0
        return values
    if kind == "zero-blocks":
        values = rng.standard_normal((rows, k))
        values[:, 16:32] = 0
        return values
    values = rng.standard_normal((rows, k))
    values[:, k // 2 :] = -values[:, : k // 2]
    return values


@pytest.mark.parametrize("kind", ["largest", "smallest", "zero-blocks", "cancelling"])
@pytest.mark.parametrize("case", CASES[:2], ids=lambda case: case.id)
def test_quantized_matrices(case: Case, kind: str, tmp_path: Path) -> None:
    """Simulated Verilog, the interpreter and the exact product of numpy round to the same bits."""
    nest, accelerator = generated(Case(case.id, NVFP4.replace("k=48", "k=64"), case.space, case.skew, case.order))
    left = quantize(adversarial(5, 64, kind), BLOCK_FORMATS["nvfp4"])
    right = quantize(np.abs(adversarial(3, 64, kind)), BLOCK_FORMATS["nvfp4"])
    inputs: Inputs = {}
    for name, tensor in (("A", left), ("B", right)):
        inputs[name] = tensor.elements.reshape(-1, 4, 16).astype(np.float32)
        inputs[f"S{name}"] = tensor.scales.reshape(-1, 4).astype(np.float32)
    result = simulate(accelerator, nest, inputs, simulator="icarus", cache=tmp_path)
    assert result.faults == ()
    alpha = np.float32(left.tensor_scale) * np.float32(right.tensor_scale)
    rounded = rounded_once(result.outputs.astype(np.int64), alpha, 20, FP32)
    assert np.array_equal(rounded, matmul(left, right))
    unscaled = rounded_once(result.outputs.astype(np.int64), np.float32(1), 20, FP32)
    assert np.array_equal(unscaled, run(load(NVFP4.replace("k=48,format=int64", "k=64")).nest, inputs))


def test_scales_multiply_after_the_tree() -> None:
    """A unit is a dot product of 16 in 13 bits; its two scales are two multipliers of 5 bits, not 32, and a shifter."""
    case = CASES[0]
    _, accelerator = generated(case)
    node = accelerator.design.netlist.node
    assert node["product1"].width_bits == 9
    assert node["sum0"].width_bits == 13
    widths = {n: node[n].width_bits for n in node if n.startswith("outer")}
    # Significands and signs of both scales, 5 bits each, then both powers of two at once, at most 28.
    assert widths == {"outer0_1": 17, "outer0_3": 20, "outer0_power": 48}
    assert {arc.role for arc in node["outer0_power"].args} == {"value", "by1", "by3"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_factoring_saves_and_changes_nothing(case: Case, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nest, accelerator = generated(case)
    monkeypatch.setattr(hw.lower, "deferred_factors", lambda plan: {})
    _, plain = generated(case)
    inputs = random_inputs(nest, 5)
    result = simulate(plain, nest, inputs, simulator="icarus", cache=tmp_path)
    assert result.faults == ()
    bits = [a.design.netlist.statistics[-1].multiplier_bits for a in (accelerator, plain)]
    factored = any(n.name.startswith("outer") for n in accelerator.design.netlist.nodes)
    assert bits[0] < bits[1] if factored else bits[0] == bits[1]


def test_four_bits_and_integers_share_an_array(tmp_path: Path) -> None:
    members = []
    for name, spec, space, skew, order in (
        ("nvfp4", NVFP4, {"m": 2, "n": 2}, (1, 1), "m n kb ki"),
        ("int8", "gemm:m=5,n=3,k=6", {"m": 2, "n": 2}, (1, 1), "m n k"),
        ("weights", "gemm:m=5,n=3,k=6", {"k": 2, "n": 2}, (1, 1), "n k m"),
        ("scales", SCALES, {"i": 2, "j": 2}, (1, 1), "i j k"),
    ):
        nest = load(spec).nest
        members.append((nest, Dataflow.of(nest, space, skew=skew, order=tuple(order.split()), name=name)))
    accelerator = generate(fuse([build(*member) for member in members], name="both").architecture)
    jobs = [Job(nest, random_inputs(nest, n), flow.name) for n, (nest, flow) in enumerate([*members, *members[::-1]])]
    for result in simulate_all(accelerator, jobs, simulator="icarus", cache=tmp_path):
        assert result.faults == ()


def test_dot_products_with_and_without_scales_share_an_array(tmp_path: Path) -> None:
    """In a mode without scales the sum of the tree goes by their multipliers and the shifter."""
    members = []
    for name, spec, axes in (
        ("nvfp4", NVFP4, "m n ki"),
        ("int8", "gemm:m=5,n=3,k=20", "m n k"),
        ("mixed", MIXED, "i j k"),
    ):
        nest = load(spec).nest
        space = dict(zip(axes.split(), (2, 2, 4), strict=True))
        members.append((nest, Dataflow.of(nest, space, skew=(1, 1, 0), order=nest.loop_names, name=name)))
    accelerator = generate(fuse([build(*member) for member in members], name="dots").architecture)
    assert len([n for n in accelerator.design.netlist.nodes if n.op == "shift"]) == 2
    jobs = [Job(nest, random_inputs(nest, n), flow.name) for n, (nest, flow) in enumerate([*members, *members[::-1]])]
    for result in simulate_all(accelerator, jobs, simulator="icarus", cache=tmp_path):
        assert result.faults == ()


@pytest.mark.parametrize("name", ["e2m1", "e4m3"])
def test_every_code(name: str) -> None:
    held = FORMATS[name]
    encoding = held.encoding
    assert encoding is not None
    assert held.fraction_bits is not None
    m = Module()
    code, number = Signal(held.bits), Signal(signed(bits_of((-held.most_steps, held.most_steps))))
    m.d.comb += number.eq(decoded(code, held))
    codes = [c for c in range(1 << held.bits) if np.isfinite(encoding.decode(c))]
    found: list[int] = []

    async def bench(context: object) -> None:
        for c in codes:
            context.set(code, c)  # type: ignore[attr-defined]
            found.append(context.get(number))  # type: ignore[attr-defined]

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    assert found == [int(np.ldexp(encoding.decode(c), held.fraction_bits)) for c in codes]


def test_every_pair_of_scales() -> None:
    """A product with two scales is one with both significands, shifted: for all pairs of codes, NaN apart."""
    held = FORMATS["e4m3"]
    m = Module()
    codes, dot, number = Signal(16), Signal(signed(13)), Signal(signed(51))
    parts = [codes[:8], codes[8:]]
    significands = [Signal(signed(5), name=f"significand{n}") for n in range(2)]
    m.d.comb += [s.eq(decoded_significand(p, held)) for s, p in zip(significands, parts, strict=True)]
    product = dot * significands[0] * significands[1]
    m.d.comb += number.eq(shifted(m, product, [decoded_power(p, held) for p in parts], 51, "scaled"))
    finite = [c for c in range(256) if c & 0x7F != 0x7F]
    steps = {c: int(np.ldexp(FORMATS["e4m3"].encoding.decode(c), 9)) for c in finite}  # type: ignore[union-attr]
    wrong: list[tuple[int, int, int]] = []

    async def bench(context: object) -> None:
        for n, (a, b) in enumerate((a, b) for a in finite for b in finite):
            given = (2304, -2304, 1, -1, 0, 1234)[(n + n // 6) % 6]
            context.set(dot, given)  # type: ignore[attr-defined]
            context.set(codes, a | b << 8)  # type: ignore[attr-defined]
            if context.get(number) != given * steps[a] * steps[b]:  # type: ignore[attr-defined]
                wrong.append((given, a, b))

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    assert wrong == []


def test_every_scale_through_an_array(tmp_path: Path) -> None:
    """All 254 finite codes of a scale, zero and subnormal ones among them, against scales of every size."""
    nest = load("nvfp4_gemm:m=4,n=254,k=16,format=int64").nest
    dataflow = Dataflow.of(nest, {"m": 2, "n": 2, "ki": 16}, skew=(1, 1, 0), order=("m", "n", "kb", "ki"))
    inputs = random_inputs(nest, 7)
    held = FORMATS["e4m3"].encoding
    assert held is not None
    finite = [c for c in range(256) if c & 0x7F != 0x7F]
    inputs["SB"] = held.decode(np.array(finite)).reshape(254, 1).astype(np.float32)
    inputs["SA"] = np.array([[448], [2**-9], [-(2**-6)], [0]], np.float32)
    # Every block is as large as can be in one row.
    inputs["A"][0], inputs["B"][:] = 6, -6
    inputs["A"][1] = np.where(np.arange(16) % 2, 6, -6)
    result = simulate(generate(build(nest, dataflow)), nest, inputs, simulator="icarus", cache=tmp_path)
    assert result.faults == ()
    assert (result.outputs == run_points(nest, inputs)).all()
    assert result.outputs[0].min() == -(2304 * 229376 * 229376)


@settings(database=None, derandomize=True, deadline=None, max_examples=12, suppress_health_check=[*HealthCheck])
@given(designs())
def test_random_designs_with_scales(design: tuple[Nest, Dataflow, Nest]) -> None:
    """Any nest and dataflow, all factors but the first in E4M3."""
    nest, smaller = (
        replace(
            part,
            tensors=tuple(
                replace(tensor, format=FORMATS[{"O": "int64", "A": "int8"}.get(tensor.name, "e4m3")])
                for tensor in part.tensors
            ),
        )
        for part in (design[0], design[2])
    )
    dataflow = design[1]
    accelerator = generate(build(nest, dataflow))
    for size in (nest, smaller):
        inputs = random_inputs(size, 1)
        result = simulate(accelerator, size, inputs, simulator="icarus")
        assert result.faults == ()
        assert (result.outputs == run_points(size, inputs)).all()


FAULTS = {
    "a scale's power is left out": lambda node: replace(node, args=node.args[:-1]),
    "a power comes a cycle late": lambda node: replace(
        node, args=(*node.args[:-1], replace(node.args[-1], time_cycles=1))
    ),
    "one power counts twice": lambda node: replace(
        node, args=(*node.args[:-1], replace(node.args[-1], source=node.args[-2].source))
    ),
    "a bit of the shifted number is missing": lambda node: replace(node, width_bits=node.width_bits - 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen(fault: str, tmp_path: Path) -> None:
    nest, accelerator = generated(CASES[0])
    design = accelerator.design
    netlist = design.netlist.with_nodes({"outer0_power": FAULTS[fault](design.netlist.node["outer0_power"])})
    broken = replace(design, netlist=netlist)
    planted = replace(accelerator, design=broken, verilog=emit(broken))
    inputs = random_inputs(nest, 3)
    inputs["SA"][0, 0] = inputs["SB"][0, 0] = 448
    inputs["A"][0, 0] = inputs["B"][0, 0] = 6
    try:
        found = simulate(planted, nest, inputs, simulator="icarus", cache=tmp_path).faults
    except SimulationError as error:
        found = (str(error),)
    assert found != ()


@pytest.mark.full
def test_estimate_of_a_block_scaled_design(tmp_path: Path) -> None:
    """No design of the calibration has scales; the estimate is higher than synthesis, by less than a third."""
    _, accelerator = generated(CASES[0])
    price = dict(calibrated().area_um2)
    counted = {module.name: module for module in design_primitives(accelerator.design)}
    found = synthesize(accelerator, cache=tmp_path)
    area = {module.name: module.area_um2 for module in found.modules}
    (tree,) = [name for name in counted if name.endswith("tree0")]
    ratio = sum(price[name] * amount for name, amount in counted[tree].primitives.items()) / area[tree]
    assert 1 < ratio < 1.33


def test_formats_without_a_unit() -> None:
    nest = load("nvfp4_gemm:m=4,n=4,k=32,format=bf16").nest
    flow = Dataflow.of(nest, {"m": 2, "n": 2}, skew=(1, 1), order=("m", "n", "kb", "ki"))
    with pytest.raises(UnsupportedError) as caught:
        generate(build(nest, flow))
    assert str(caught.value) == (
        "tensor 'C' has format bf16, but functional units exist for int4, int8, int16, int32, int64, fp32 outputs only"
    )
