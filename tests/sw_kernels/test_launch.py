from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from kernel_cases import nest_of, spec

from sw_kernels import KernelError, LaunchError, contract, explain, generate
from workloads.nest import Nest
from workloads.spec import load

GEMM = "gemm:m=4,n=6,k=5"


@dataclass(frozen=True)
class Rejected:
    id: str
    says: str
    spec: str = GEMM
    change: dict[str, torch.Tensor | None] = field(default_factory=dict)


def ones(*shape: int, dtype: torch.dtype = torch.int8) -> torch.Tensor:
    return torch.ones(shape, dtype=dtype)


REJECTED = [
    Rejected("missing", "nest 'gemm': tensor 'B' is missing; expected shape [5, 6]", change={"B": None}),
    Rejected("unknown", "nest 'gemm': tensor 'D' was given, but the nest's tensors are O, A, B", change={"D": ones(2)}),
    Rejected("shape", "nest 'gemm': tensor 'A' has shape [5, 4]; expected [4, 5]", change={"A": ones(5, 4)}),
    Rejected(
        "strides",
        "nest 'gemm': tensor 'A' is not contiguous; expected row-major storage",
        change={"A": ones(5, 4).t()},
    ),
    Rejected(
        "mixed-types",
        "nest 'gemm': the inputs have types float16, int8; expected one type for all",
        change={"A": ones(4, 5, dtype=torch.float16)},
    ),
    Rejected(
        "type",
        "nest 'gemm': the inputs have type float64; expected one of int8, int16, int32, float16, bfloat16, float32",
        change={"A": ones(4, 5, dtype=torch.float64), "B": ones(5, 6, dtype=torch.float64)},
    ),
    Rejected(
        "device",
        "nest 'gemm': the tensors are on cpu, meta; expected one device for all",
        change={"A": torch.ones(4, 5, dtype=torch.int8, device="meta")},
    ),
    Rejected(
        "several-faults",
        "nest 'gemm': tensor 'A' is missing; expected shape [4, 5]\n"
        "nest 'gemm': tensor 'B' is missing; expected shape [5, 6]",
        change={"A": None, "B": None},
    ),
    Rejected(
        "points-share-an-element",
        "nest 'nest': several output points may reach one element of O[i + j]; no kernel form adds those",
        spec=spec("i: 3, j: 4", "O[i + j] += A[i, j]"),
    ),
]


@pytest.mark.parametrize("case", REJECTED, ids=lambda case: case.id)
def test_contract_rejects(case: Rejected) -> None:
    nest = nest_of(case.spec)
    tensors: dict[str, torch.Tensor | None] = {t.name: ones(*t.shape) for t in nest.tensors}
    output = tensors.pop(nest.output.tensor)
    given = {name: value for name, value in (tensors | case.change).items() if value is not None}
    with pytest.raises(LaunchError) as caught:
        contract(nest, given, output)
    assert str(caught.value) == case.says


EXPLAINED = [
    (
        "gemm:m=4096,n=4096,k=4096",
        "float16",
        "dot form: batch = 1 = 1, M = m = 4096, N = n = 4096, K = k = 4096; k in tiles of 64; "
        "output tiles 128 x 256, 8 warps, 3 stages, 512 programs",
    ),
    (
        "mttkrp:i=33,j=18,k=5,l=40",
        None,
        "dot form: batch = 1 = 1, M = i = 33, N = j = 18, K = k*l = 200; l in tiles of 32, k step by step; "
        "output tiles 64 x 32, 4 warps, 3 stages, 1 programs",
    ),
    (
        "gemv:m=33,k=100",
        "float32",
        "reduce form, because M or N has a single point and the largest input is contiguous along k: batch = 1 = 1, "
        "M = m = 33, N = 1 = 1, K = k = 100; 16 output points and 128 points of k at a time, 3 programs",
    ),
    (
        "conv1d:oc=20,ic=40,w=20",
        "int16",
        "map form, because the tensor cores multiply 8-bit integers, not 16-bit ones: batch = 1 = 1, M = oc = 20, "
        "N = n*ow = 20, K = ic*kw = 120; tiles of 16 x 32 output points (n*oc x ow), "
        "120 multiply-adds each, 2 programs",
    ),
]


@pytest.mark.parametrize(("text", "dtype", "says"), EXPLAINED, ids=[text for text, _, _ in EXPLAINED])
def test_explain(text: str, dtype: str | None, says: str) -> None:
    assert explain(nest_of(text), dtype) == says


def test_explain_rejects_a_type() -> None:
    with pytest.raises(LaunchError) as caught:
        explain(nest_of(GEMM), "float8")
    assert str(caught.value) == (
        "nest 'gemm': the type 'float8' is not known; expected one of int8, int16, int32, float16, bfloat16, float32"
    )


@pytest.mark.parametrize("call", [explain, lambda nest: generate(nest, 1)], ids=["explain", "generate"])
def test_only_sums_of_products(call: Callable[[Nest], object]) -> None:
    text = "name: x\nloops: {m: 3, n: 2, k: 4}\nbody: O[m, n] max= A[m, k] + B[k, n]\n"
    with pytest.raises(KernelError) as caught:
        call(load(text).nest)
    assert str(caught.value) == (
        "nest 'x': kernels exist for sums of products only; the body is 'O[m, n] max= A[m, k] + B[k, n]'"
    )


def test_source_is_the_same_every_time() -> None:
    program = (
        "from sw_kernels import generate; from workloads.spec import load; import sys;"
        "sys.stdout.write(generate(load('conv2d:stride=2').nest, 2).text)"
    )
    texts = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert texts == {generate(nest_of("conv2d:stride=2"), 2).text}


def test_imports_without_torch_and_triton() -> None:
    program = "import sys, sw_kernels, sw_kernels.bench; print(sorted({'torch', 'triton'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
