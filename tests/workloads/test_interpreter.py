from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nests import nests

from workloads import contraction
from workloads import interpreter as interpreter_module
from workloads.affine import Affine
from workloads.body import parse_guard
from workloads.formats import FORMATS
from workloads.interpreter import InputError, check_inputs, random_inputs, run, run_points
from workloads.nest import Access, Loop, Nest, Tensor
from workloads.wrapping import wrapped


def gemm(m: int, n: int, k: int, formats: str = "int8 int8 int32") -> Nest:
    a, b, o = (FORMATS[f] for f in formats.split())
    index = {name: Affine(((name, 1),)) for name in "mnk"}
    return Nest(
        "gemm",
        (Loop("m", m), Loop("n", n), Loop("k", k)),
        Access("O", (index["m"], index["n"])),
        (Access("A", (index["m"], index["k"])), Access("B", (index["k"], index["n"]))),
        (Tensor("O", o, (m, n)), Tensor("A", a, (m, k)), Tensor("B", b, (k, n))),
    )


@settings(max_examples=400, deadline=None)
@given(nests(), st.integers(0, 2**32), st.booleans())
def test_fast_is_the_definition(nest: Nest, seed: int, from_zero: bool) -> None:
    inputs = random_inputs(nest, seed)
    output = nest.tensor(nest.output.tensor)
    initial = None if from_zero else output.format.random(output.shape, np.random.default_rng(seed + 1))
    expected = run_points(nest, inputs, initial)
    found = run(nest, inputs, initial)
    assert found.dtype == expected.dtype == output.format.dtype
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=100, deadline=None)
@given(nests(formats=("fp32",)), st.integers(0, 2**32))
def test_fast_is_close_in_fp32(nest: Nest, seed: int) -> None:
    inputs = random_inputs(nest, seed)
    magnitude = run(replace(nest, coefficient=abs(nest.coefficient)), {n: np.abs(a) for n, a in inputs.items()})
    error = np.abs(run(nest, inputs).astype(np.float64) - run_points(nest, inputs))
    assert (error <= 1e-4 * magnitude).all()


@settings(max_examples=100, deadline=None)
@given(nests(), st.integers(1, 40), st.integers(0, 2**32))
def test_chunks_change_nothing(nest: Nest, most: int, seed: int) -> None:
    inputs = random_inputs(nest, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter_module, "MOST_ELEMENTS", most)
        found = run(nest, inputs)
    np.testing.assert_array_equal(found, run_points(nest, inputs))


@pytest.mark.parametrize(
    "formats", ["int8 int8 int32", "int16 int16 int32", "int32 int32 int32", "int8 int32 int8", "int4 int8 int4"]
)
def test_extreme_values_wrap(formats: str) -> None:
    nest = gemm(2, 3, 70, formats)
    inputs = {t.name: np.full(t.shape, t.format.range[0], t.format.dtype) for t in nest.tensors[1:]}
    inputs["B"][:, 1] = nest.tensor("B").format.range[1]
    np.testing.assert_array_equal(run(nest, inputs), run_points(nest, inputs))


def test_int32_products_equal_modular_arithmetic() -> None:
    nest = gemm(64, 48, 500, "int32 int32 int32")
    inputs = random_inputs(nest, 3)
    exact = inputs["A"].astype(np.uint32) @ inputs["B"].astype(np.uint32)
    np.testing.assert_array_equal(run(nest, inputs), exact.astype(np.int32))


@pytest.mark.parametrize("formats", ["int16 int32 int32", "int32 int16 int16", "int32 int32 int8"])
def test_sums_just_beyond_a_double_are_exact(formats: str) -> None:
    # Every product is odd and fits 53 bits or not by the operands; their sum of an odd number never does.
    nest = gemm(1, 1, 1001, formats)
    inputs = {t.name: np.full(t.shape, t.format.range[1], t.format.dtype) for t in nest.tensors[1:]}
    a, b = (nest.tensor(name).format.range[1] for name in "AB")
    assert run(nest, inputs)[0, 0] == wrapped(1001 * a * b, nest.tensor("O").format.bits)


def test_long_sums_of_large_limbs_stay_exact() -> None:
    # An odd number of odd products beyond 2**53, which no float64 holds.
    depth = (1 << 22) - 1
    nest = gemm(1, 1, depth, "int32 int32 int32")
    inputs = {name: array | np.int32(0xFFFF) for name, array in random_inputs(nest, 9).items()}

    exact = (inputs["A"].astype(np.uint32).ravel() * inputs["B"].astype(np.uint32).ravel()).sum(dtype=np.uint32)
    assert run(nest, inputs)[0, 0] == exact.astype(np.int32)


def test_fp32_accumulates_in_loop_order() -> None:
    nest = gemm(1, 1, 3, "fp32 fp32 fp32")
    inputs = {"A": np.float32([[1e8, 1.0, -1e8]]), "B": np.ones((3, 1), np.float32)}
    assert run_points(nest, inputs)[0, 0] == 0.0
    assert run(nest, inputs)[0, 0] == 1.0


def test_memory_is_bounded() -> None:
    # The guard spans all loops: whole, its 320**3 elements alone would take 250 MiB, more than once.
    nest = replace(gemm(320, 320, 320), guards=parse_guard("(m + 2 * n) % 7 + k >= 9"))
    inputs = random_inputs(nest, 0)
    tracemalloc.start()
    try:
        result = run(nest, inputs)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300 << 20
    m, k = np.ogrid[:320, :320]
    a, b = inputs["A"].astype(np.int64), inputs["B"].astype(np.int64)
    columns = [np.where((m + 2 * n) % 7 + k >= 9, a, 0) @ b[:, n] for n in range(320)]
    np.testing.assert_array_equal(result, np.stack(columns, axis=1))


def test_arrays_stay_below_the_limit() -> None:
    extents = {"a": 100, "b": 30, "c": 7}
    arrays = [("a", "b"), ("b", "c"), ("a", "b", "c")]
    boxes = list(contraction.chunks(arrays, extents, 500))
    assert sum(np.prod([high - low for low, high in box.values()]) for box in boxes) == 100 * 30 * 7
    for box in boxes:
        assert all(np.prod([box[n][1] - box[n][0] for n in loops]) <= 500 for loops in arrays)


@dataclass(frozen=True)
class Bad:
    id: str
    says: tuple[str, ...]
    formats: str = "int8 int8 int32"
    change: tuple[tuple[str, object], ...] = ()
    drop: tuple[str, ...] = ()
    initial: object = None


BAD = [
    Bad("missing", ("'gemm': tensor 'B' is missing; expected an array of shape [3, 4]",), drop=("B",)),
    Bad(
        "unknown",
        ("'gemm': tensor 'C' is not an input; the inputs are A, B",),
        change=(("C", np.zeros(2, np.int8)),),
    ),
    Bad(
        "output-given-as-input",
        ("'gemm': tensor 'O' is not an input; the inputs are A, B",),
        change=(("O", np.zeros((2, 4), np.int32)),),
    ),
    Bad(
        "shape",
        ("'gemm': tensor 'A' has shape [2, 3], but the array has [3, 2]",),
        change=(("A", np.zeros((3, 2), np.int8)),),
    ),
    Bad(
        "kind",
        ("'gemm': tensor 'A' is int8; expected an array of integers, not float64",),
        change=(("A", np.zeros((2, 3))),),
    ),
    Bad(
        "range",
        ("'gemm': tensor 'A' is int8 and holds -128..127, not -1..128",),
        change=(("A", np.array([[0, -1, 128], [0, 0, 0]])),),
    ),
    Bad(
        "double-precision",
        ("'gemm': tensor 'A' is fp32; expected an array of float32, not float64",),
        formats="fp32 fp32 fp32",
        change=(("A", np.zeros((2, 3))),),
    ),
    Bad(
        "not-finite",
        ("'gemm': tensor 'A' has elements that are not finite; expected numbers only",),
        formats="fp32 fp32 fp32",
        change=(("A", np.full((2, 3), np.inf, np.float32)),),
    ),
    Bad(
        "initial-shape",
        ("'gemm': tensor 'O' has shape [2, 4], but the array has [4]",),
        initial=np.zeros(4, np.int32),
    ),
    Bad(
        "several-at-once",
        (
            "'gemm': tensor 'X' is not an input; the inputs are A, B",
            "'gemm': tensor 'A' has shape [2, 3], but the array has [1]",
            "'gemm': tensor 'A' is int8 and holds -128..127, not 300..300",
            "'gemm': tensor 'B' is missing; expected an array of shape [3, 4]",
        ),
        change=(("A", [300]), ("X", [1])),
        drop=("B",),
    ),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.id)
def test_bad_inputs(case: Bad) -> None:
    nest = gemm(2, 4, 3, case.formats)
    inputs = {**random_inputs(nest, 0), **dict(case.change)}
    inputs = {name: array for name, array in inputs.items() if name not in case.drop}
    with pytest.raises(InputError) as caught:
        check_inputs(nest, inputs, case.initial)
    assert str(caught.value) == "\n".join(case.says)


def test_wider_integers_in_range_are_accepted() -> None:
    nest = gemm(2, 4, 3)
    inputs = random_inputs(nest, 0)
    wide = {name: array.astype(np.int64) for name, array in inputs.items()}
    assert {a.dtype for a in check_inputs(nest, wide).values()} == {np.dtype(np.int8)}
    np.testing.assert_array_equal(run(nest, wide), run_points(nest, inputs))


def test_random_inputs_follow_the_seed() -> None:
    nest = gemm(8, 8, 8)
    first, again, other = random_inputs(nest, 1), random_inputs(nest, 1), random_inputs(nest, 2)
    assert list(first) == ["A", "B"]
    assert all((first[n] == again[n]).all() for n in first) and any((first[n] != other[n]).any() for n in first)
