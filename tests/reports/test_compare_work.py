"""Same work under other names and layouts: equal exactly where the interpreter's results are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from reports.compare_work import work_of
from sw_kernels import cases as bench
from workloads.interpreter import run_points
from workloads.nest import Nest
from workloads.spec import load, parse


def nest(text: str) -> Nest:
    return load(text).nest


@dataclass(frozen=True)
class Case:
    """Two nests, and the axes of each tensor of the second in the order of the first's."""

    id: str
    first: Nest
    second: Nest
    axes: dict[str, tuple[str, tuple[int, ...]]]


SAME = [
    Case("gemm", nest("gemm:m=3,n=4,k=5"), bench.gemm(3, 4, 5), {"A": ("A", (0, 1)), "B": ("B", (0, 1))}),
    Case(
        "gemm by columns",
        nest("gemm:m=3,n=4,k=5"),
        bench.gemm(3, 4, 5, columns=True),
        {"A": ("A", (0, 1)), "B": ("B", (1, 0))},
    ),
    Case(
        "conv with channels last",
        nest("conv2d:n=2,oc=3,ic=2,h=5,w=5,kh=3,kw=3,stride=1,padding=1"),
        bench.conv(2, 2, 3, 5, 3),
        {"I": ("I", (0, 2, 3, 1)), "W": ("W", (0, 2, 3, 1))},
    ),
    Case(
        "conv with a stride over an odd size",
        nest("conv2d:n=1,oc=2,ic=2,h=7,w=7,kh=3,kw=3,stride=2,padding=1"),
        bench.conv(1, 2, 2, 7, 3, 2),
        {"I": ("I", (0, 2, 3, 1)), "W": ("W", (0, 2, 3, 1))},
    ),
    Case(
        "one by one, with a padding that nothing reads",
        nest("conv2d:n=2,oc=3,ic=4,h=3,w=3,kh=1,kw=1,stride=1,padding=0"),
        bench.conv(2, 4, 3, 3, 1),
        {"I": ("I", (0, 2, 3, 1)), "W": ("W", (0, 2, 3, 1))},
    ),
    Case(
        "depthwise",
        nest("depthwise:n=1,c=3,h=5,w=5,kh=3,kw=3,stride=1,padding=1"),
        bench.depthwise(1, 3, 5),
        {"I": ("I", (0, 2, 3, 1)), "W": ("W", (1, 2, 0))},
    ),
]


def results(of: Nest, inputs: dict[str, npt.NDArray[np.int64]]) -> npt.NDArray[np.float64]:
    given = {name: value.astype(of.tensor(name).format.dtype) for name, value in inputs.items()}
    return run_points(of, given).astype(float)


@pytest.mark.parametrize("case", SAME, ids=lambda case: case.id)
def test_same_work_gives_the_same_numbers(case: Case) -> None:
    assert work_of(case.first, "bf16") == work_of(case.second, "bf16")
    random = np.random.default_rng(0)
    inputs = {t.name: random.integers(-9, 9, t.shape) for t in case.first.tensors[1:]}
    moved = {theirs: np.transpose(inputs[own], axes) for own, (theirs, axes) in case.axes.items()}
    first, second = results(case.first, inputs), results(case.second, moved)
    # Images come back with channels last.
    axes = (0, 3, 1, 2) if first.ndim == 4 else (0, 1)
    assert np.array_equal(first, np.transpose(second, axes))


CONV = "conv2d:n=2,oc=4,ic=4,h=8,w=8,kh=3,kw=3,stride=1,padding=1"
OTHER = [
    ("a size", CONV, CONV.replace("oc=4", "oc=5")),
    ("a format", CONV, f"{CONV},format=bf16"),
    ("the padding", CONV, CONV.replace("padding=1", "padding=0").replace("h=8,w=8", "h=10,w=10")),
    ("the stride", CONV, CONV.replace("stride=1", "stride=2").replace("h=8,w=8", "h=15,w=15")),
    ("the dilation", CONV, f"{CONV.replace('padding=1', 'padding=2')},dilation=2"),
    ("a guard", "attention_scores:h=2,q=4,k=4,d=3", "attention_scores:h=2,q=4,k=4,d=3,causal=1"),
    ("the reduction", "gemm:m=3,n=4,k=5", "maxplus:m=3,n=4,k=5"),
    ("scales", "gemm:m=4,n=4,k=32,format=bf16", "nvfp4_weight_gemm:m=4,n=4,k=32"),
]


@pytest.mark.parametrize(("what", "first", "second"), OTHER, ids=[what for what, _, _ in OTHER])
def test_other_work(what: str, first: str, second: str) -> None:
    assert work_of(nest(first)) != work_of(nest(second))


def test_factors_may_change_places_and_operands_may_not() -> None:
    def body(text: str, shapes: str = "A: int8, B: int4") -> Nest:
        return parse(f"name: x\nloops: {{m: 2, k: 3}}\nbody: {text}\nformats: {{{shapes}}}\n").nest

    assert work_of(body("O[m] += A[m, k] * B[k]")) == work_of(body("O[m] += B[k] * A[m, k]"))
    assert work_of(body("O[m] += A[k] << B[m, k]")) != work_of(body("O[m] += B[m, k] << A[k]"))


def test_names_and_single_steps_do_not_count() -> None:
    first = parse(
        "name: x\nloops: {m: 2, b: 1, k: 3}\nbody: O[b, m] += A[b, m, k] * B[k]\nformats: {A: int8, B: int8}\n"
    )
    second = parse("name: y\nloops: {k: 3, m: 2}\nbody: P[m] += C[k, m] * D[k]\nformats: {C: int8, D: int8}\n")
    assert work_of(first.nest) == work_of(second.nest)
