"""Block-scaled four-bit products in hardware: the bits of the definition, whatever the dataflow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.sim import Simulator

import hw.lower
from dataflow import Dataflow, build, fuse
from hw import Accelerator, generate
from hw.lower import UnsupportedError
from hw.passes.widths import bits_of
from hw.units.decode import decoded
from sim import Job, simulate, simulate_all
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
    """A unit is a dot product of 16 in 13 bits; its two scales are two multipliers, not 32."""
    case = CASES[0]
    _, accelerator = generated(case)
    node = accelerator.design.netlist.node
    assert node["product1"].width_bits == 9
    assert node["sum0"].width_bits == 13
    assert {n for n in node if n.startswith("outer")} == {"outer0_1", "outer0_3"}


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
    ):
        nest = load(spec).nest
        members.append((nest, Dataflow.of(nest, space, skew=skew, order=tuple(order.split()), name=name)))
    accelerator = generate(fuse([build(*member) for member in members], name="both").architecture)
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


def test_formats_without_a_unit() -> None:
    nest = load("nvfp4_gemm:m=4,n=4,k=32,format=bf16").nest
    flow = Dataflow.of(nest, {"m": 2, "n": 2}, skew=(1, 1), order=("m", "n", "kb", "ki"))
    with pytest.raises(UnsupportedError) as caught:
        generate(build(nest, flow))
    assert str(caught.value) == (
        "tensor 'C' has format bf16, but functional units exist for int4, int8, int16, int32, int64, fp32 outputs only"
    )
