"""The dataflows of the literature, simulated at several sizes of one design."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from dataflow import Dataflow, build
from hw import generate
from sim import simulate
from workloads.interpreter import random_inputs
from workloads.nest import Nest
from workloads.spec import load


@dataclass(frozen=True)
class Case:
    """A library nest, a dataflow, and further sizes for the same design."""

    id: str
    spec: str
    space: dict[str, int]
    skew: tuple[int, ...]
    order: str | None = None
    sizes: tuple[dict[str, int], ...] = ()
    tile: dict[str, int] | None = None
    simulator: str = "icarus"


GEMM = "gemm:m=9,n=7,k=10"
SMALLER = ({"m": 4, "n": 4, "k": 4}, {"m": 1, "n": 1, "k": 1}, {"m": 3, "n": 7, "k": 10})
CONV = "conv2d:n=1,oc=5,ic=6,h=7,w=5,kh=3,kw=3"
CONVS = ({"oc": 3, "ic": 4, "kh": 1, "kw": 2}, {"oc": 1, "ic": 1})

CASES = (
    Case("gemm-output-stationary-systolic", GEMM, {"m": 4, "n": 4}, (1, 1), "m n k", SMALLER),
    Case("gemm-output-stationary-broadcast", GEMM, {"m": 4, "n": 4}, (0, 0), "m n k", SMALLER),
    Case("gemm-weight-stationary-systolic", GEMM, {"k": 4, "n": 4}, (1, 1), "n k m", SMALLER),
    Case("gemm-weight-stationary-broadcast", GEMM, {"k": 4, "n": 4}, (0, 0), "k n m", SMALLER),
    Case("gemm-input-stationary-systolic", GEMM, {"m": 4, "k": 4}, (1, 1), "m k n", SMALLER),
    Case("gemm-input-stationary-broadcast", GEMM, {"m": 4, "k": 4}, (0, 0), "k m n", SMALLER),
    Case("gemm-reduction-innermost", GEMM, {"k": 4, "n": 4}, (1, 0), "m n k", SMALLER),
    Case("gemm-one-axis-systolic", GEMM, {"k": 4}, (1,), "k m n", SMALLER),
    Case("gemm-one-axis-broadcast", GEMM, {"n": 5}, (0,), "m k n", SMALLER),
    Case("gemm-three-axes", GEMM, {"m": 3, "n": 2, "k": 2}, (1, 1, 1), None, SMALLER),
    Case("gemm-three-axes-broadcast", GEMM, {"m": 2, "k": 3, "n": 2}, (0, 0, 1), None, SMALLER),
    Case("gemm-skew-two", GEMM, {"m": 3, "n": 3}, (2, 1), None, SMALLER),
    Case("gemm-one-unit", GEMM, {"m": 1, "n": 1}, (1, 1), None, SMALLER),
    Case("gemm-tiled-reduction", GEMM, {"m": 4, "n": 4}, (1, 1), None, (), {"k": 4, "m": 4}),
    Case("gemm-tiled-everywhere", GEMM, {"k": 2, "n": 2}, (1, 1), "k n m", (), {"k": 4, "m": 3, "n": 4}),
    Case("conv-ic-oc-nvdla", CONV, {"ic": 4, "oc": 4}, (0, 0), None, CONVS),
    Case("conv-ic-oc-systolic", CONV, {"ic": 4, "oc": 4}, (1, 1), "n oc ic kh kw oh ow", CONVS),
    Case("conv-oh-ow-shidiannao", CONV, {"oh": 4, "ow": 4}, (0, 0), "n oc oh ow ic kh kw", CONVS),
    Case("conv-oh-ow-input-stays", CONV, {"oh": 4, "ow": 4}, (0, 1), "n oh ow ic kh kw oc", CONVS),
    Case("conv-oh-ow-systolic", CONV, {"oh": 3, "ow": 3}, (1, 1), "n oc oh ow ic kh kw", CONVS),
    Case("conv-kh-oh-eyeriss", CONV, {"kh": 3, "oh": 4}, (1, 0), "n oc oh ow ic kw kh", CONVS),
    Case("conv-kh-oh-eyeriss-skewed", CONV, {"kh": 3, "oh": 4}, (1, 1), "n oc ic oh ow kw kh", CONVS),
    Case("conv-ow-oc-shift-register", CONV, {"ow": 4, "oc": 3}, (0, 0), "n oc oh ow ic kh kw", CONVS),
    Case("conv-kh-kw", CONV, {"kh": 3, "kw": 3}, (1, 1), None, CONVS),
    Case("conv-three-axes", CONV, {"oc": 2, "ic": 2, "ow": 3}, (1, 1, 0), None, CONVS),
    Case("conv-strided", CONV + ",stride=2", {"oh": 3, "ow": 3}, (0, 0), "n oc oh ow ic kh kw", ({"oc": 2},)),
    Case("conv-strided-ic-oc", CONV + ",stride=2", {"ic": 4, "oc": 4}, (1, 1), None, CONVS),
    Case("conv-dilated", CONV + ",dilation=2,padding=2", {"oh": 3, "ow": 3}, (0, 0), "n oc oh ow ic kh kw", ()),
    Case("conv-dilated-kh-oh", CONV + ",dilation=2,padding=2", {"kh": 3, "oh": 3}, (1, 1), None, ()),
    Case("conv-unpadded", CONV + ",padding=0", {"oh": 2, "ow": 2}, (1, 0), None, ()),
    Case("conv-grouped", CONV.replace("oc=5", "oc=6") + ",groups=2", {"oc": 3, "ow": 3}, (0, 1), None, ()),
    Case("conv-tiled-rows", CONV, {"ic": 4, "oc": 4}, (1, 1), None, (), {"oh": 3, "ic": 4}),
    Case("conv1d", "conv1d:n=2,oc=5,ic=3,w=11,kw=3", {"oc": 4, "ow": 4}, (1, 1), None, ({"oc": 2, "ic": 2},)),
    Case("conv3d", "conv3d:oc=3,ic=2,d=3,h=4,w=5", {"oc": 2, "ow": 3}, (1, 0), None, ()),
    Case("depthwise-oh-ow", "depthwise:c=5,h=7,w=6", {"oh": 3, "ow": 3}, (0, 0), None, ({"c": 2},)),
    Case("depthwise-c-ow", "depthwise:c=5,h=7,w=6", {"c": 3, "ow": 3}, (1, 1), None, ({"c": 2},)),
    Case("batched-gemm", "batched_gemm:b=3,m=5,n=6,k=7", {"b": 2, "m": 3, "n": 2}, (0, 1, 1), None, ()),
    Case("gemv", "gemv:m=11,k=13", {"m": 4, "k": 4}, (1, 1), None, ({"m": 3, "k": 2},)),
    Case("mttkrp", "mttkrp:i=5,j=6,k=4,l=3", {"i": 3, "j": 3}, (1, 1), None, ({"i": 2, "l": 1},)),
    Case("mttkrp-k-l", "mttkrp:i=5,j=6,k=4,l=3", {"k": 2, "l": 2}, (1, 0), None, ({"i": 2, "l": 1},)),
    Case("ttmc", "ttmc:i=4,j=3,k=3,l=5,m=4", {"i": 2, "j": 2, "k": 2}, (1, 1, 1), None, ()),
    Case("attention-scores", "attention_scores:h=2,q=6,k=7,d=5", {"q": 3, "k": 3}, (1, 1), None, ({"q": 2, "k": 3},)),
    Case("attention-output", "attention_output:h=2,q=6,k=7,d=5", {"q": 3, "d": 3}, (1, 0), None, ()),
    Case("correlation", "correlation:c=3,h=5,w=5,radius=1", {"h": 3, "w": 3}, (1, 1), None, ()),
    Case("gemm-verilator", GEMM, {"m": 4, "n": 4}, (1, 1), None, SMALLER, None, "verilator"),
    Case("conv-verilator", CONV, {"oh": 3, "ow": 3}, (0, 0), "n oc oh ow ic kh kw", CONVS, None, "verilator"),
    Case("gemm-spilled-verilator", GEMM, {"k": 4, "n": 4}, (0, 1), "k n m", SMALLER, None, "verilator"),
)


# Compiled by another simulator, which takes most of a minute.
LATER = ("conv-verilator", "gemm-spilled-verilator")


@pytest.mark.parametrize("case", [pytest.param(c, marks=[pytest.mark.full] * (c.id in LATER), id=c.id) for c in CASES])
def test_dataflow(case: Case, tmp_path: Path) -> None:
    nest = load(case.spec).nest
    order = tuple(case.order.split()) if case.order else None
    dataflow = Dataflow.of(nest, case.space, skew=case.skew, order=order, tile=case.tile)
    accelerator = generate(build(nest, dataflow))
    for size in ({}, *case.sizes):
        at_size = nest.with_extents(size, _shapes(nest, size))
        result = simulate(accelerator, at_size, random_inputs(at_size, 1), simulator=case.simulator, cache=tmp_path)
        assert result.faults == (), size
        assert result.predicted_cycles == result.simulated_cycles == result.timed_cycles


def _shapes(nest: Nest, size: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """Padded tensors keep their rows and columns and follow the other loops."""
    return {
        tensor.name: tuple(
            size.get(index.loops[0], extent) if len(index.terms) == 1 else extent
            for index, extent in zip(access.index, tensor.shape, strict=True)
        )
        for access in nest.inputs
        if (tensor := nest.tensor(access.tensor)).padded
    }
