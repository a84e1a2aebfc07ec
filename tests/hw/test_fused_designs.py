"""Several dataflows in one design: each exact, whatever ran before it, in one simulation without a reset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dataflow import Dataflow, build, fuse
from hw import generate
from hw.accelerator import Accelerator
from sim import Job, simulate_all
from workloads.interpreter import random_inputs
from workloads.nest import Nest
from workloads.spec import load


@dataclass(frozen=True)
class Member:
    """One dataflow of a fused design."""

    spec: str
    space: dict[str, int]
    skew: tuple[int, ...]
    order: str | None = None

    @property
    def nest(self) -> Nest:
        return load(self.spec).nest

    @property
    def dataflow(self) -> Dataflow:
        order = tuple(self.order.split()) if self.order else None
        return Dataflow.of(self.nest, self.space, skew=self.skew, order=order)


GEMM = "gemm:m=9,n=7,k=10"
CONV = "conv2d:n=1,oc=5,ic=6,h=7,w=5,kh=3,kw=3"
OUTPUT = Member(GEMM, {"m": 4, "n": 4}, (1, 1))
WEIGHT = Member(GEMM, {"k": 4, "n": 4}, (1, 1), "n k m")
SPILLED = Member(GEMM, {"k": 4, "n": 4}, (1, 1), "k n m")
TREE = Member(GEMM, {"k": 4, "n": 4}, (0, 0), "k n m")
ROWS = Member(GEMM, {"m": 4, "k": 4}, (0, 0), "m n k")
CHANNELS = Member(CONV, {"ic": 4, "oc": 4}, (1, 1), "n oc ic kh kw oh ow")
WINDOW = Member(CONV, {"oh": 4, "ow": 4}, (0, 0), "n oc oh ow ic kh kw")
SHIFT = Member(CONV, {"ow": 4, "oc": 4}, (0, 0), "n oc oh ow ic kh kw")
EYERISS = Member(CONV, {"kh": 3, "oh": 4}, (1, 0), "n oc oh ow ic kw kh")
DILATED = Member(CONV + ",dilation=2,padding=2", {"oh": 3, "ow": 3}, (0, 0), "n oc oh ow ic kh kw")
DEPTHWISE = Member("depthwise:c=5,h=7,w=6", {"oh": 3, "ow": 3}, (0, 0))
SCORES = Member("attention_scores:h=2,q=6,k=7,d=5", {"q": 4, "k": 4}, (1, 1))
VALUES = Member("attention_output:h=2,q=6,k=7,d=5", {"q": 4, "d": 4}, (1, 1))
MTTKRP = Member("mttkrp:i=5,j=6,k=4,l=3", {"i": 4, "j": 4}, (1, 1))
GUARDED = Member(
    "name: banded\nloops: {m: 7, n: 6, k: 8}\nbody: O[m, n] += A[m, k] * B[k, n]\nguards: ['m - k >= 0']\n",
    {"m": 3, "n": 3},
    (1, 1),
)
MAXPLUS = Member("maxplus:m=6,n=5,k=7", {"m": 3, "n": 3}, (1, 1))
ALONG = Member("conv1d:n=2,oc=5,ic=3,w=11,kw=3", {"oc": 4, "ow": 4}, (1, 1))


@dataclass(frozen=True)
class Case:
    """A fused design."""

    id: str
    members: tuple[Member, ...]
    simulator: str = "icarus"


CASES = (
    Case("output-and-weight-stationary", (OUTPUT, WEIGHT)),
    Case("in-place-and-spilled", (OUTPUT, SPILLED)),
    Case("chain-and-tree", (WEIGHT, TREE)),
    Case("trees-of-rows-and-columns", (TREE, ROWS)),
    Case("two-skews-on-one-link", (OUTPUT, replace(OUTPUT, skew=(0, 1), order="n m k"))),
    Case("windows-of-two-shapes", (WINDOW, DEPTHWISE)),
    Case("window-and-wired-ports", (WINDOW, CHANNELS)),
    Case("dilated-window", (DILATED, WINDOW)),
    Case("shift-register-and-eyeriss", (SHIFT, EYERISS)),
    Case("two-and-three-factors", (OUTPUT, MTTKRP)),
    Case("attention", (SCORES, VALUES)),
    Case("guarded-and-not", (GUARDED, OUTPUT)),
    Case("sum-and-maximum", (OUTPUT, MAXPLUS)),
    Case("arrays-of-two-sizes", (ALONG, EYERISS, OUTPUT)),
    Case(
        "all-of-lego",
        (OUTPUT, WEIGHT, CHANNELS, WINDOW, SHIFT, DEPTHWISE, SCORES, VALUES, MTTKRP),
    ),
    Case("attention-verilator", (SCORES, VALUES), "verilator"),
)


def accelerator_of(members: tuple[Member, ...]) -> Accelerator:
    named = [replace(m.dataflow, name=f"flow{k}") for k, m in enumerate(members)]
    parts = [build(m.nest, flow) for m, flow in zip(members, named, strict=True)]
    return generate(fuse(parts, name="fused").architecture)


def jobs_of(members: tuple[Member, ...]) -> list[Job]:
    """Every dataflow, then every dataflow again from the last to the first, so that many follow many others."""
    once = [(m.nest, f"flow{k}") for k, m in enumerate(members)]
    return [Job(nest, random_inputs(nest, seed), flow) for seed, (nest, flow) in enumerate([*once, *reversed(once)])]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_dataflow_is_exact(case: Case, tmp_path: Path) -> None:
    accelerator = accelerator_of(case.members)
    results = simulate_all(accelerator, jobs_of(case.members), simulator=case.simulator, cache=tmp_path)
    assert [r.faults for r in results] == [()] * (2 * len(case.members))
    assert all(r.predicted_cycles == r.simulated_cycles == r.timed_cycles for r in results)
