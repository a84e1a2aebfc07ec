"""Nests over small floating-point formats and block scales: exact sums, one rounding, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nests import nests

from workloads.errors import BrickworkError
from workloads.formats import BLOCK_FORMATS, FORMATS, BlockScaled
from workloads.formats.exact import exact_matmul, matmul
from workloads.formats.quantize import quantize
from workloads.interpreter import InputError, random_inputs, run, run_points
from workloads.nest import Nest
from workloads.spec import load, parse
from workloads.workload_spec import load_workload

NVFP4 = BLOCK_FORMATS["nvfp4"]
F = np.float32


def with_formats(nest: Nest, output: str, inputs: tuple[str, ...]) -> Nest:
    """The nest with one format for its output and the others in turn for its inputs."""
    names = iter(inputs * len(nest.tensors))
    tensors = [
        replace(t, format=FORMATS[output if t.name == nest.output.tensor else next(names)]) for t in nest.tensors
    ]
    return replace(nest, tensors=tuple(tensors))


def initial_of(nest: Nest, seed: int) -> np.ndarray:
    output = nest.tensor(nest.output.tensor)
    return np.asarray(output.format.random(output.shape, np.random.default_rng(seed)))


@settings(max_examples=150, deadline=None)
@given(
    nest=nests(),
    output=st.sampled_from(("fp32", "bf16", "e4m3", "fp16")),
    inputs=st.permutations(("e2m1", "e4m3", "int8", "int4")),
    seed=st.integers(0, 2**32),
    from_zero=st.booleans(),
)
def test_exact_sums_round_once_either_way(
    nest: Nest, output: str, inputs: list[str], seed: int, from_zero: bool
) -> None:
    nest = with_formats(nest, output, tuple(inputs))
    assert nest.fraction_bits is not None
    arrays, initial = random_inputs(nest, seed), None if from_zero else initial_of(nest, seed)
    expected, found = run_points(nest, arrays, initial), run(nest, arrays, initial)
    assert found.dtype == expected.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=150, deadline=None)
@given(
    nest=nests(),
    output=st.sampled_from(("int64", "int32", "int8")),
    inputs=st.permutations(("e2m1", "e4m3", "int8", "int32")),
    seed=st.integers(0, 2**32),
    from_zero=st.booleans(),
)
def test_integers_count_steps_either_way(
    nest: Nest, output: str, inputs: list[str], seed: int, from_zero: bool
) -> None:
    nest = with_formats(nest, output, tuple(inputs))
    arrays, initial = random_inputs(nest, seed), None if from_zero else initial_of(nest, seed)
    np.testing.assert_array_equal(run(nest, arrays, initial), run_points(nest, arrays, initial))


@settings(max_examples=60, deadline=None)
@given(
    nest=nests(),
    output=st.sampled_from(("fp32", "bf16", "fp16")),
    inputs=st.permutations(("e5m2", "bf16", "e2m1", "e8m0")),
    seed=st.integers(0, 2**32),
)
def test_other_formats_are_close(nest: Nest, output: str, inputs: list[str], seed: int) -> None:
    nest = with_formats(replace(nest, coefficient=3), output, tuple(inputs))
    arrays = random_inputs(nest, seed)
    expected, found = run_points(nest, arrays), run(nest, arrays)
    magnitude = run(with_formats(nest, "fp32", tuple(inputs)), {name: np.abs(a) for name, a in arrays.items()})
    encoding = FORMATS[output].encoding
    assert encoding is not None
    if nest.fraction_bits is not None:
        np.testing.assert_array_equal(found, expected)
        return
    finite = np.isfinite(expected) & np.isfinite(found)
    error = np.abs(found.astype(np.float64) - expected)[finite]
    # 2**-24 is half the smallest step of fp16.
    allowed = (1e-4 + 2.0**-encoding.mantissa_bits) * magnitude.astype(np.float64)[finite] + 2.0**-24
    assert (error <= allowed).all()
    assert (np.isfinite(expected) == np.isfinite(found)).all() or magnitude.max() >= 0.99 * encoding.most
    np.testing.assert_array_equal(FORMATS[output].rounded(expected), expected)


def test_beyond_64_bits() -> None:
    # Five factors of 19 bits: the sum of products needs 96 bits, and a large one hides the smallest.
    text = "name: x\nloops: {i: 3}\nbody: O[0] += A[i] * A[i] * A[i] * A[i] * A[i]\nformats: {A: e4m3, O: fp32}\n"
    nest = parse(text).nest
    inputs = {"A": F([448, 2.0**-9, -448])}
    assert run(nest, inputs)[0] == run_points(nest, inputs)[0] == 2.0**-45


def nvfp4_arrays(a: BlockScaled, b: BlockScaled, blocks: int) -> dict[str, np.ndarray]:
    return {
        "A": a.elements.reshape(-1, blocks, 16),
        "SA": a.scales,
        "B": b.elements.reshape(-1, blocks, 16),
        "SB": b.scales,
    }


@pytest.mark.parametrize("seed", [0, 1])
def test_nvfp4_gemm_is_the_block_scaled_product(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m, n, k = 5, 3, 112
    a, b = (quantize(rng.standard_t(3, (rows, k)), NVFP4) for rows in (m, n))
    arrays = nvfp4_arrays(a, b, k // 16)
    exact = load(f"nvfp4_gemm:m={m},n={n},k={k},format=int64").nest
    assert exact.fraction_bits == 20
    np.testing.assert_array_equal(run(exact, arrays), exact_matmul(a, b))
    np.testing.assert_array_equal(run_points(exact, arrays), exact_matmul(a, b))
    for name in ("fp32", "bf16"):
        nest = load(f"nvfp4_gemm:m={m},n={n},k={k},format={name}").nest
        encoding = FORMATS[name].encoding
        assert encoding is not None
        unscaled = [replace(t, tensor_scale=F(1)) for t in (a, b)]
        np.testing.assert_array_equal(run(nest, arrays), matmul(*unscaled, encoding))
        np.testing.assert_array_equal(run_points(nest, arrays), matmul(*unscaled, encoding))


@pytest.mark.parametrize("name", ["nvfp4", "mxfp4", "mxfp8_e4m3", "mxfp8_e5m2", "int4_g32", "int4_g64"])
def test_extreme_blocks(name: str) -> None:
    number_format = BLOCK_FORMATS[name]
    block, rng = number_format.block, np.random.default_rng(4)
    # A block of zeros, the largest and the smallest numbers of a wide range, and two blocks that cancel.
    values = np.repeat(rng.standard_normal((3, 1, block)), 5, axis=1)
    values[:, 0] = 0
    values[:, 1] *= 2.0**14
    values[:, 2] *= 2.0**-14
    other = values[:2].copy()
    other[:, 4] = -values[:2, 3]
    a, b = (quantize(array.reshape(len(array), -1), number_format) for array in (values, other))
    nest = load(
        {"int4_g32": "int4_group_gemm:group=32,", "int4_g64": "int4_group_gemm:group=64,"}.get(
            name, f"{name.partition('_')[0]}_gemm:"
        )
        + f"m=3,n=2,k={5 * block}"
    ).nest
    if name == "mxfp8_e5m2":
        nest = replace(
            nest, tensors=tuple(replace(t, format=FORMATS["e5m2"]) if t.name in "AB" else t for t in nest.tensors)
        )
    arrays = {
        "A": a.elements.reshape(3, 5, block),
        "SA": a.scales,
        "B": b.elements.reshape(2, 5, block),
        "SB": b.scales,
    }
    wide = [replace(t, tensor_scale=F(1)).dequantized().astype(np.float64) for t in (a, b)]
    product, size = wide[0] @ wide[1].T, np.abs(wide[0]) @ np.abs(wide[1]).T
    for found in (run(nest, arrays), run_points(nest, arrays)):
        assert (np.abs(found - product) <= 1e-6 * size).all()
    assert not a.dequantized()[:, :block].any()


def test_nvfp4_layer_rounds_once_with_its_tensor_scales() -> None:
    rng = np.random.default_rng(2)
    a, b = (quantize(rng.standard_normal((rows, 64)) * 1e-3, NVFP4) for rows in (4, 6))
    alpha = F(a.tensor_scale * b.tensor_scale)
    workload = load_workload(
        f"""\
name: layer
steps:
  - name: sums
    loops: {{m: 4, n: 6, kb: 4, ki: 16}}
    body: C[m, n] += A[m, kb, ki] * SA[m, kb] * B[n, kb, ki] * SB[n, kb]
    formats: {{C: int64, A: e2m1, SA: e4m3, B: e2m1, SB: e4m3}}
  - {{name: scaled, operation: rescale, inputs: [C], output: Y, factor: {float(alpha) * 2.0**-20!r}, format: bf16}}
"""
    ).workload
    encoding = FORMATS["bf16"].encoding
    assert encoding is not None
    np.testing.assert_array_equal(workload.run(nvfp4_arrays(a, b, 4))["Y"], matmul(a, b, encoding))


def test_cancellation_that_fp32_and_fp64_lose() -> None:
    # 2**12 products of 36 * 448**2 and as many of its negative around a single 2**-20.
    k = 16 * 4096
    elements, scales = np.full((1, k), 6, F), np.full((1, k // 16), 448, F)
    signs = elements.copy()
    signs[:, k // 2 :] = -6
    elements[0, -1], signs[0, -1], elements[0, 0], signs[0, 0] = 0, 0, 0, 0
    elements[0, 16], signs[0, 16], elements[0, -2], signs[0, -2] = 0.5, 0.5, 0, 0
    elements[0, 17:32], scales[0, 1] = 0, 2.0**-9
    elements[0, -17:-2] = 0
    a, b = BlockScaled(NVFP4, elements, scales), BlockScaled(NVFP4, signs, scales)
    expected = sum(
        Fraction(float(x)) * Fraction(float(y)) * Fraction(float(s)) ** 2
        for x, y, s in zip(elements[0], signs[0], np.repeat(scales[0], 16), strict=True)
    )
    nest = load(f"nvfp4_gemm:m=1,n=1,k={k}").nest
    assert abs(expected) < 1 and float(run(nest, nvfp4_arrays(a, b, k // 16))[0, 0]) == float(expected)


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("nvfp4_weight_gemm:m=2,n=3,k=48", "fp32"),
        ("nvfp4_weight_gemm:m=2,n=3,k=48,format=bf16", "bf16"),
        ("mxfp4_gemm:m=2,n=3,k=64", "fp32"),
        ("mxfp8_gemm:m=2,n=3,k=64", "fp32"),
        ("int4_group_gemm:m=2,n=3,k=96,group=32", "fp32"),
        ("gqa_scores:b=2,g=2,r=3,c=5,d=4,format=bf16", "fp32"),
        ("gqa_output:b=2,g=2,r=3,c=5,d=4", "int32"),
    ],
)
def test_library_means_its_product(text: str, output: str) -> None:
    nest = load(text).nest
    assert nest.tensor(nest.output.tensor).format.name == output
    inputs = random_inputs(nest, 3)
    expected, found = run_points(nest, inputs), run(nest, inputs)
    wide = {name: a.astype(np.float64) for name, a in inputs.items()}
    if "SB" in wide:
        wide["B"] = wide["B"] * wide["SB"][..., np.newaxis]
        wide["A"] = wide["A"] * wide["SA"][..., np.newaxis] if "SA" in wide else wide["A"]
    letters = {
        "gqa_scores": ("bgrd,bcgd->bgrc", "QK"),
        "gqa_output": ("bgrc,bcgd->bgrd", "PV"),
    }.get(nest.name, ("mxi,nxi->mn", "AB"))
    product = np.einsum(letters[0], *(wide[name] for name in letters[1]))
    size = np.einsum(letters[0], *(np.abs(wide[name]) for name in letters[1]))
    for result in (expected, found):
        assert (np.abs(result - product) <= (2.0**-8 if output == "bf16" else 1e-6) * size).all()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nvfp4_gemm:k=40", "nvfp4_gemm: parameter 'k' must be a multiple of the block, 16, not '40'"),
        (
            "int4_group_gemm:k=96,group=64",
            "int4_group_gemm: parameter 'k' must be a multiple of the block, 64, not '96'",
        ),
        ("nvfp4_gemm:format=int8", "nvfp4_gemm: format must be one of fp32, bf16, int64, not 'int8'"),
        (
            "gemm:format=int64",
            "nest 'gemm': tensor 'A' is int64, which only an output can be\n"
            "nest 'gemm': tensor 'B' is int64, which only an output can be",
        ),
        (
            "name: x\nloops: {m: 2}\nbody: O[m] += A[m]\nformats: {A: bf16, O: int64}\n",
            "spec:4:11: tensor 'A' is bf16, so the output 'O' must be floating point, not int64",
        ),
        (
            "name: x\nloops: {m: 2}\nbody: O[m] += A[m]\nformats: {A: e2m1, O: e8m0}\n",
            "spec:4:20: tensor 'O' is e8m0, which has no 0, and cannot be the output",
        ),
        (
            "name: x\nloops: {m: 2}\nbody: O[m] max= A[m]\nformats: {A: e2m1, O: int32}\n",
            "spec:4:11: tensor 'A' is e2m1, but only sums of products take it; 'max=' with 'a * b' takes integers",
        ),
    ],
)
def test_refused(text: str, says: str) -> None:
    with pytest.raises(BrickworkError) as caught:
        load(text)
    assert str(caught.value) == says


def test_values_that_the_format_has_not() -> None:
    nest = load("nvfp4_gemm:m=1,n=1,k=16").nest
    arrays = {name: np.ones_like(a) for name, a in random_inputs(nest, 0).items()}
    arrays["A"][0, 0, 3], arrays["SB"][0, 0] = 2.5, 449
    with pytest.raises(InputError) as caught:
        run(nest, arrays)
    assert str(caught.value) == (
        "'nvfp4_gemm': tensor 'A' is e2m1, which has no 2.5; expected numbers rounded to it\n"
        "'nvfp4_gemm': tensor 'SB' is e4m3, which has no 449.0; expected numbers rounded to it"
    )
