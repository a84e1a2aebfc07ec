from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from sw_kernels import stored_again
from sw_kernels.cases import Case, cases
from sw_kernels.launch import explain
from sw_kernels.stored_again import stored_along_reduction
from workloads.interpreter import random_inputs, run
from workloads.spec import load

PROGRAM = """
import json, torch
from sw_kernels import stored_again
from sw_kernels.launch import contract
from sw_kernels.transposed.launch import moved_last
from workloads.spec import load

stored_again.LEAST_POINTS = 1
torch.manual_seed(3)
found = {}
for shape, dimension in (((70, 33), 0), ((3, 65, 40), 1), ((2, 5, 70), 0), ((2, 3, 66, 5), 2), ((1, 1), 0)):
    x = torch.randint(-128, 128, shape, dtype=torch.int8)
    order = [*range(len(shape))]
    order.append(order.pop(dimension))
    found[f"moved {shape} {dimension}"] = torch.equal(moved_last(x, dimension), x.permute(order))
a, b = (torch.randint(-128, 128, s, dtype=torch.int8) for s in ((40, 70), (70, 33)))
out = torch.full((40, 33), -7, dtype=torch.int32)
contract(load("gemm:m=40,n=33,k=70").nest, {"A": a, "B": b}, out)
found["product"] = torch.equal(out, a.int() @ b.int())
print(json.dumps(found))
"""


def test_transposed_copies_and_their_product() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert set(json.loads(done.stdout).values()) == {True}


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("gemm:m=40,n=33,k=70", {"B": 0}),
        ("attention_output:h=2,q=33,k=40,d=20", {"V": 1}),
        ("attention_scores:h=2,q=33,k=40,d=20", {}),
        ("conv2d:oc=18,ic=33,h=5,w=6", {"I": 1, "W": 1}),
    ],
)
def test_rewritten_nest_computes_the_same(text: str, moved: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_again, "LEAST_POINTS", 1)
    nest = load(text).nest
    rewritten, found = stored_along_reduction(nest, 1, integer=True)
    assert found == moved
    inputs = random_inputs(nest, seed=2)
    again = {}
    for name, value in inputs.items():
        order = [*range(value.ndim)]
        if name in moved:
            order.append(order.pop(moved[name]))
        again[name] = value.transpose(order)
    assert (run(rewritten, again) == run(nest, inputs)).all()


def test_only_large_products_of_bytes() -> None:
    large = load("gemm:m=1024,n=1024,k=128").nest
    assert stored_along_reduction(large, 1, integer=True)[1] == {"B": 0}
    assert stored_along_reduction(large, 2, integer=False) == (large, {})
    small = load("gemm:m=1024,n=1024,k=127").nest
    assert stored_along_reduction(small, 1, integer=True) == (small, {})


def test_explanation_says_what_is_stored_again() -> None:
    assert explain(load("gemm:m=1024,n=1024,k=128").nest).endswith(
        "; B is stored again first, with dimension 0 last, so that the reduction is contiguous"
    )


@pytest.mark.parametrize("case", [c for c in cases() if c.operator], ids=lambda case: case.name)
def test_case_is_the_operator_of_the_library(case: Case) -> None:
    assert case.operator is not None
    nest = load(case.operator).nest
    assert sorted(nest.extents.items()) == sorted(case.nest.extents.items())
    assert sorted(t.elements for t in nest.tensors) == sorted(t.elements for t in case.nest.tensors)
    assert set(nest.reduction_loops) == set(case.nest.reduction_loops)
