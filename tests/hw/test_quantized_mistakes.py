"""What a design that quantizes its results refuses, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
from test_quantized_designs import CASES, flow_of, generated

from dataflow import Dataflow, build, fuse
from hw import generate
from hw.post.scaling import Scaling, ScalingError
from hw.post.stage import PostError, quantize_to
from hw.program import ProgramError, runs
from workloads.spec import load


@dataclass(frozen=True)
class Mistake:
    id: str
    spec: str
    made: str
    says: str
    tile: Mapping[str, int] | None = None
    space: Mapping[str, int] | None = None


MISTAKES = (
    Mistake(
        "unknown",
        "gemm:m=4,n=16,k=4",
        "nvfp8",
        "output format 'nvfp8' is not known; expected one of nvfp4, mxfp4, int4_g16, int4_g32, int4_g64, int4_g128",
    ),
    Mistake(
        "no-quantizer",
        "gemm:m=4,n=32,k=4",
        "mxfp8_e4m3",
        "output format 'mxfp8_e4m3' has no quantizer in hardware; "
        "expected one of nvfp4, mxfp4, int4_g16, int4_g32, int4_g64, int4_g128",
    ),
    Mistake(
        "part-of-a-block",
        "gemm:m=4,n=40,k=4",
        "nvfp4",
        "output format 'nvfp4': tensor 'O' has 40 elements along its last dimension; "
        "expected a multiple of the block, 16",
    ),
    Mistake(
        "block-in-two-runs",
        "gemm:m=4,n=48,k=4",
        "nvfp4",
        "dataflow 'dataflow' holds 24 of loop 'n' in a run; "
        "expected a multiple of the block of nvfp4, 16, so that no block lies in two runs",
        {"n": 24},
    ),
    Mistake(
        "output-over-two-loops",
        "name: x\nloops: {m: 5, n: 16, k: 4}\nbody: O[m + k, n] += A[m, n] * B[k, n]\n",
        "nvfp4",
        "output format 'nvfp4': nest 'x' writes O[m + k, n]; expected indices that are loops, each another one",
    ),
    Mistake(
        "larger-tensor",
        "name: x\nloops: {m: 5, n: 16, k: 4}\nbody: O[m, n] += A[m, k] * B[k, n]\nshapes: {O: [5, 32]}\n",
        "nvfp4",
        "output format 'nvfp4': tensor 'O' has shape [5, 32], of which nest 'x' writes [5, 16]; expected all of it",
    ),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.id)
def test_mistakes(mistake: Mistake) -> None:
    nest = load(mistake.spec).nest
    flow = Dataflow.of(nest, {"m": 2, "n": 2}, tile=mistake.tile, name="dataflow")
    with pytest.raises(PostError) as caught:
        generate(build(nest, flow), stage=quantize_to(mistake.made))
    assert str(caught.value) == mistake.says


@pytest.mark.parametrize("quantizers", [0, 2])
def test_quantizers_that_do_not_divide(quantizers: int) -> None:
    with pytest.raises(PostError) as caught:
        generated(replace(CASES[0], quantizers=quantizers))
    assert str(caught.value) == f"{quantizers} quantizers: expected a divisor of the 3 groups of output banks"


def test_limits_that_cut_a_block() -> None:
    nest, flow = flow_of(CASES[0])
    with pytest.raises(PostError) as caught:
        generate(build(nest, flow, limits={"n": 100}), stage=quantize_to("nvfp4"))
    assert str(caught.value) == (
        f"dataflow {flow.name!r} is generated for 100 of loop 'n' in a run; "
        "expected a multiple of the block of nvfp4, 16, so that no block lies in two runs"
    )


def test_several_dataflows() -> None:
    nest = load("gemm:m=4,n=16,k=4").nest
    flows = [Dataflow.of(nest, {"m": 2, "n": 2}, name="a"), Dataflow.of(nest, {"k": 2, "n": 2}, name="b")]
    built = fuse([build(nest, flow) for flow in flows], name="both").architecture
    with pytest.raises(PostError) as caught:
        generate(built, stage=quantize_to("nvfp4"))
    assert str(caught.value) == ("output format 'nvfp4': the design has the dataflows a, b; expected a single one")


def test_sizes_and_factors_that_a_design_refuses() -> None:
    nest, accelerator = generated(CASES[0])
    with pytest.raises(ProgramError) as refused:
        runs(accelerator, nest.with_extents({"n": 24}))
    assert str(refused.value) == (
        f"design {accelerator.name!r}: output format 'nvfp4': tensor 'O' has 24 elements along its last dimension; "
        "expected a multiple of the block, 16"
    )
    with pytest.raises(ScalingError) as caught:
        runs(accelerator, nest, scaling=Scaling(alpha=-1))
    assert str(caught.value) == "alpha -1: expected 2**-100 to 2**100"
    plain = generate(build(*flow_of(CASES[0])))
    with pytest.raises(ProgramError) as unused:
        runs(plain, nest, scaling=Scaling(alpha=2))
    assert str(unused.value) == (f"design {plain.name!r}: it does not quantize its results; expected no factors")
