"""Floating-point nests in hardware: the bits of the sum in the dataflow's order, and the model's cycles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from dataflow import Dataflow, build, fuse
from dataflow.ordered_sum import run_ordered
from hw import Accelerator, generate
from hw.lower import UnsupportedError
from sim import Job, simulate, simulate_all
from workloads.interpreter import random_inputs, run_points
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
    tile: dict[str, int] | None = None
    simulator: str = "icarus"


BF16 = "gemm:m=5,n=3,k=7,format=bf16"
NVFP4 = "nvfp4_weight_gemm:m=3,n=3,k=32"
INT4 = """
name: int4_weight
loops: {m: 3, n: 3, kb: 3, ki: 4}
body: C[m, n] += A[m, kb, ki] * B[n, kb, ki] * S[n, kb]
formats: {A: bf16, B: int4, S: fp16, C: fp32}
"""
GUARDED = """
name: guarded
loops: {i: 5, j: 3, k: 4}
body: O[i, j] += -3 * A[i + k - 1] * B[k, j]
formats: {A: bf16, B: fp16, O: fp32}
shapes: {A: [6]}
padding: {A: 0}
guards: [i + k <= 6]
"""
DIAGONAL = (
    "name: x\nloops: {m: 5, n: 3, k: 4}\nbody: O[m + k, n] += A[m, n] * B[k, n]\nformats: {A: bf16, B: bf16, O: fp32}\n"
)
SINGLE = "name: row_sums\nloops: {m: 5, k: 7}\nbody: O[m] += A[m, k]\nformats: {A: bf16, O: fp32}\n"
SMALLER = ({"m": 4, "n": 2, "k": 4}, {"m": 1, "n": 1, "k": 1})

CASES = (
    Case("bf16-output-stationary", BF16, {"m": 3, "n": 2}, (1, 1), "m n k", SMALLER, simulator="verilator"),
    Case("bf16-weight-stationary", BF16, {"k": 3, "n": 2}, (1, 1), "k n m", SMALLER),
    Case("bf16-chain-in-place", BF16, {"k": 3, "m": 2}, (1, 0), "m n k", SMALLER),
    Case("bf16-tree-of-five", BF16, {"k": 5, "m": 2}, (0, 1), "n m k", SMALLER),
    Case("bf16-tree-of-all", BF16, {"k": 7, "m": 2}, (0, 0), "n m k", SMALLER),
    Case("bf16-tiled", BF16, {"m": 3, "n": 2}, (1, 1), "m n k", (), {"k": 4, "m": 3}),
    Case("bf16-tree-into-banks", BF16, {"k": 3, "n": 2}, (0, 1), "k n m", SMALLER),
    Case("bf16-tree-of-seven-alone", BF16, {"k": 7, "m": 2}, (0, 1), "n m k", SMALLER),
    Case("bf16-chain-two-cycles-apart", BF16, {"k": 3, "n": 2}, (2, 1), "k n m", SMALLER),
    Case("bf16-sums-in-banks", BF16, {"m": 3, "n": 2}, (1, 1), "k m n", SMALLER),
    Case("nvfp4-weight-into-banks", NVFP4, {"ki": 4, "n": 2}, (2, 1), "kb ki m n"),
    Case("e4m3", "gemm:m=5,n=3,k=7,format=e4m3", {"m": 3, "n": 2}, (1, 1), "m n k", SMALLER),
    Case("e5m2-weight-stationary", "gemm:m=5,n=3,k=7,format=e5m2", {"k": 3, "n": 2}, (1, 1), "n k m", SMALLER),
    Case("nvfp4-weight", NVFP4, {"m": 2, "n": 2}, (1, 1), "m n kb ki", ({"m": 1, "n": 2, "kb": 1},)),
    Case("nvfp4-weight-dot-8", NVFP4, {"ki": 8, "n": 2}, (0, 1), "n kb m ki"),
    Case("int4-weight", INT4, {"ki": 3, "n": 2}, (1, 1), "n m kb ki", ({"m": 2, "kb": 2, "ki": 2},)),
    Case("mxfp4", "mxfp4_gemm:m=2,n=3,k=32", {"m": 2, "n": 2}, (1, 1), "m n kb ki"),
    Case("guard-padding-constant", GUARDED, {"k": 3, "i": 2}, (0, 1), "j i k"),
    Case("output-over-two-loops", DIAGONAL, {"m": 3, "k": 2}, (1, 1), "m n k"),
    Case("no-product", SINGLE, {"m": 2, "k": 3}, (1, 1), "m k"),
)


def generated(case: Case) -> tuple[Nest, Accelerator]:
    nest = load(case.spec).nest
    dataflow = Dataflow.of(nest, case.space, skew=case.skew, order=tuple(case.order.split()), tile=case.tile)
    return nest, generate(build(nest, dataflow))


def hostile(nest: Nest) -> Inputs:
    """Zeros of both signs, subnormal numbers, ties, what cancels, and what multiplies to infinities of both signs."""
    rng = np.random.default_rng(11)
    drawn: Inputs = random_inputs(nest, 2)
    for tensor in nest.tensors:
        encoding = tensor.format.encoding
        if tensor.name == nest.output.tensor or encoding is None or encoding.unsigned_power:
            continue
        large = encoding.most
        small = 2.0 ** (encoding.least_exponent - encoding.mantissa_bits)
        choice = rng.choice([0.0, 1.0, 1.5, small, 3 * small, large, large / 2, 2.0**12, 2.0**-12], tensor.shape)
        drawn[tensor.name] = tensor.format.rounded(choice * rng.choice([-1.0, 1.0], tensor.shape))
    return drawn


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_dataflow(case: Case, tmp_path: Path) -> None:
    nest, accelerator = generated(case)
    for size in ({}, *case.sizes):
        at_size = nest.with_extents(size, {t.name: t.shape for t in nest.tensors if t.padded})
        for inputs in (random_inputs(at_size, 3), hostile(at_size)):
            # Verilator's own run-time library is compiled once for all tests.
            cache = tmp_path if case.simulator == "icarus" else None
            result = simulate(accelerator, at_size, inputs, simulator=case.simulator, cache=cache)
            assert result.faults == (), size


def test_infinities_and_nan_come_out(tmp_path: Path) -> None:
    """The hostile inputs reach what they are for."""
    nest, accelerator = generated(CASES[0])
    inputs = hostile(nest)
    found = simulate(accelerator, nest, inputs, simulator="icarus", cache=tmp_path).outputs.astype(np.float32)
    assert np.isnan(found).any()
    assert np.isinf(found).any()
    assert np.isfinite(found).any()


@pytest.mark.parametrize("spec", [BF16, NVFP4, INT4, GUARDED, DIAGONAL, SINGLE])
def test_one_unit_in_loop_order_is_the_definition(spec: str) -> None:
    nest = load(spec).nest
    flow = Dataflow.of(nest, {nest.loop_names[0]: 1})
    for inputs in (random_inputs(nest, 4), hostile(nest)):
        found = run_ordered(build(nest, flow).plans[0], nest, inputs)
        with np.errstate(all="ignore"):
            expected = run_points(nest, inputs)
        assert np.array_equal(found.view(np.uint32), expected.view(np.uint32)) or np.array_equal(
            found, expected, equal_nan=True
        )


def test_order_matters_and_is_stated() -> None:
    """2**24 + 1 + 1 is not 2**24 + (1 + 1)."""
    nest = load("gemm:m=1,n=1,k=4,format=bf16").nest
    inputs: Inputs = {
        "A": np.array([[2.0**24, 0, 1, 1]], np.float32),
        "B": np.ones((4, 1), np.float32),
    }
    found = {}
    for name, skew in (("tree", 0), ("chain", 1)):
        architecture = build(nest, Dataflow.of(nest, {"k": 4}, skew=(skew,)))
        found[name] = float(run_ordered(architecture.plans[0], nest, inputs)[0, 0])
        order = generate(architecture).manifest["modes"][0]["sum_order"]
        how = {"tree": "pairwise, neighbours first, level by level", "chain": "from the first to the last"}[name]
        assert order == {
            "text": f"fp32, rounded after every product and sum: the 4 terms along [1] {how}; "
            "then one after the other over k",
            "stages": [{"step": [1], "kind": name, "length": 4}],
            "time": ["m", "n", "k"],
            "tiles": [],
            "start": "+0",
        }
    assert found == {"tree": 2.0**24 + 2, "chain": 2.0**24}


def test_formats_without_a_unit() -> None:
    spec = "name: x\nloops: {m: 4}\nbody: O[m] += A[m] * B[m]\nformats: {A: bf16, B: int32, O: fp16}\n"
    nest = load(spec).nest
    with pytest.raises(UnsupportedError) as caught:
        generate(build(nest, Dataflow.of(nest, {"m": 2})))
    assert str(caught.value).splitlines() == [
        "tensor 'O' has format fp16, but functional units exist for int4, int8, int16, int32, int64, fp32 outputs only",
        "tensor 'B' has format int32, but functional units exist for "
        "int4, int8, int16, e2m1, e4m3, e5m2, e8m0, fp16, bf16, fp32 inputs only",
    ]


def fused(*specs: str) -> tuple[list[Nest], Accelerator]:
    nests = [load(spec).nest for spec in specs]
    spaces: tuple[dict[str, int], ...] = ({"m": 2, "n": 2}, {"k": 2, "n": 2})
    flows = [Dataflow.of(nest, space, name="_".join(space)) for nest, space in zip(nests, spaces, strict=True)]
    return nests, generate(fuse(list(map(build, nests, flows)), name="both").architecture)


def test_two_dataflows_in_one_array(tmp_path: Path) -> None:
    nests, accelerator = fused(BF16, BF16)
    jobs = [Job(nests[0], hostile(nests[0]), name) for name in ("m_n", "k_n", "m_n")]
    for result in simulate_all(accelerator, jobs, simulator="icarus", cache=tmp_path):
        assert result.faults == ()


@pytest.mark.parametrize(
    ("formats", "multiplier"),
    [
        (("bf16", "e2m1", "e4m3", "int8"), ("bf16", "bf16")),
        (("e4m3", "e5m2", "int4", "int4"), ("bf16", "bf16")),
        (("fp16", "bf16", "int8", "bf16"), ("fp32", "bf16")),
    ],
    ids="-".join,
)
def test_formats_meet_in_the_least_that_holds_them(
    formats: tuple[str, ...], multiplier: tuple[str, ...], tmp_path: Path
) -> None:
    spec = "\n".join(
        (
            "name: product",
            "loops: {{m: 5, n: 3, k: 7}}",
            "body: O[m, n] += A[m, k] * B[k, n]",
            "formats: {{A: {}, B: {}, O: fp32}}",
        )
    )
    nests, accelerator = fused(spec.format(*formats[:2]), spec.format(*formats[2:]))
    (product,) = [node for node in accelerator.design.netlist.nodes if node.op == "float_multiply"]
    assert sorted(map(str, product.parameter("formats"))) == sorted(multiplier)  # type: ignore[call-overload]
    jobs = [
        Job(nest, random_inputs(nest, n), name)
        for n, (nest, name) in enumerate(zip(nests, ("m_n", "k_n"), strict=True))
    ]
    for result in simulate_all(accelerator, [*jobs, *jobs], simulator="icarus", cache=tmp_path):
        assert result.faults == ()


def test_integers_do_not_share_an_array_with_floating_point() -> None:
    with pytest.raises(UnsupportedError) as caught:
        fused("gemm:m=5,n=3,k=7", BF16)
    assert str(caught.value) == (
        "dataflow 'k_n' has sums in fp32, but 'm_n' has them in int32; floating point shares no array with integers"
    )
