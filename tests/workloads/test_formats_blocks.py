"""Block formats: quantizers against a scalar twin, packing, and exact products against fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.formats import BLOCK_FORMATS, BlockScaled, FormatError, block_format_named
from workloads.formats.block_format import BlockError
from workloads.formats.encoding import BF16, E2M1, E4M3, FP16, FP32, Encoding
from workloads.formats.exact import (
    NVFP4_FRACTION_BITS,
    block_terms,
    dot16,
    exact_matmul,
    matmul,
    product_scale,
    rounded_once,
)
from workloads.formats.packing import pack, pack_nibbles, swizzled, unpack, unpack_nibbles, unswizzled
from workloads.formats.quantize import FLT_MAX, quantize

NVFP4 = BLOCK_FORMATS["nvfp4"]
F = np.float32


def rows(seed: int, shape: tuple[int, ...] = (7, 384)) -> np.ndarray:
    """Rows of very different size, with outliers, zeros and an empty block."""
    rng = np.random.default_rng(seed)
    values = rng.standard_t(3, shape) * np.exp(rng.normal(0, 3, (shape[0], 1)))
    values[0, :128] = 0
    values[-1, ::17] = 0
    return values.astype(F)


def nvfp4_twin(values: np.ndarray) -> tuple[list[int], list[int], np.float32]:
    """The canonical order, one scalar after the other, with the casts of ml_dtypes."""
    amax = F(0)
    for value in values.ravel():
        amax = max(amax, abs(value))
    multiplier = F(1) if amax == 0 else min(F(2688) / amax, FLT_MAX)
    sixth = F(1) / F(6)
    codes, scales = [], []
    for row in values:
        for start in range(0, len(row), 16):
            block = row[start : start + 16]
            largest = max(abs(v) for v in block)
            scale = ml_dtypes.float8_e4m3fn(min(F(largest * F(multiplier * sixth)), F(448)))
            scales.append(int(np.array(scale).view(np.uint8)))
            decoded = F(F(scale) * F(F(1) / multiplier))
            inverse = FLT_MAX if decoded == 0 else min(F(F(1) / decoded), FLT_MAX)
            for value in block:
                clamped = max(min(F(value * inverse), F(6)), F(-6))
                codes.append(int(np.array(ml_dtypes.float4_e2m1fn(clamped)).view(np.uint8)) & 15)
    return codes, scales, F(1) / multiplier


TENSORS = {
    "rows": rows(0),
    "tiny": rows(1) * F(1e-37),
    "huge": (rows(2).astype(np.float64) * 1e33).astype(F),
    "zero": np.zeros((3, 32), F),
    "subnormal": np.full((1, 16), 2.0**-149, F),
    "ties": np.arange(-96, 96, dtype=F).reshape(4, 48) / F(16),
    "one spike": np.eye(3, 64, 40, dtype=F) * F(1e6) + F(1e-4),
    "largest": np.full((1, 16), FLT_MAX, F),
}


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:divide by zero")
def test_nvfp4_is_its_scalar_twin(name: str) -> None:
    found = quantize(TENSORS[name], NVFP4)
    codes, scales, tensor_scale = nvfp4_twin(TENSORS[name])
    np.testing.assert_array_equal(found.codes.ravel(), codes)
    np.testing.assert_array_equal(found.scale_codes.ravel(), scales)
    assert found.tensor_scale == tensor_scale
    assert found.tensor_scale.dtype == np.float32


@pytest.mark.parametrize("name", [n for n in BLOCK_FORMATS if n.startswith("mx")])
def test_microscaling_is_its_scalar_twin(name: str) -> None:
    number_format = BLOCK_FORMATS[name]
    encoding = number_format.element.encoding
    assert encoding is not None
    values = np.concatenate([rows(3), TENSORS["tiny"], TENSORS["huge"]])
    found = quantize(values, number_format)
    top = {"mxfp4": 2, "mxfp8_e4m3": 8, "mxfp8_e5m2": 15}[name]
    blocks = zip(values.reshape(-1, 32), found.scales.ravel(), found.elements.reshape(-1, 32), strict=True)
    for block, scale, elements in blocks:
        largest = max(abs(Fraction(float(v))) for v in block)
        exponent = -127
        while largest and exponent < 127 and Fraction(2) ** (exponent + 1 + top) <= largest:
            exponent += 1
        assert float(scale) == 2.0**exponent
        for value, element in zip(block, elements, strict=True):
            assert float(element) == encoding.rounded_exactly(Fraction(float(value)) / Fraction(2) ** exponent)


@pytest.mark.parametrize("group", [16, 32, 64, 128])
def test_integer_groups_are_their_scalar_twin(group: int) -> None:
    values = np.concatenate([rows(4), rows(5) * F(1e-9), np.full((1, 384), 1e30, F)])
    found = quantize(values, BLOCK_FORMATS[f"int4_g{group}"])
    assert found.elements.dtype == np.int8
    with np.errstate(over="ignore"):
        wanted = [np.float16(max(abs(v) for v in b) / F(7)) for b in values.reshape(-1, group)]
    scales = [F(min(s, np.float16(65504))) if s else F(1) for s in wanted]
    np.testing.assert_array_equal(found.scales.ravel(), scales)
    expected = [
        max(-8, min(7, round(float(value / scale))))
        for block, scale in zip(values.reshape(-1, group), scales, strict=True)
        for value in block
    ]
    np.testing.assert_array_equal(found.elements.ravel(), expected)


@pytest.mark.parametrize("name", BLOCK_FORMATS)
def test_packing_returns(name: str) -> None:
    tensor = quantize(rows(7), BLOCK_FORMATS[name])
    packed, scale_codes = pack(tensor)
    assert packed.nbytes + scale_codes.nbytes + 4 * tensor.format.tensor_scale == tensor.bytes
    assert tensor.bytes == int(tensor.format.bits_per_element * 7 * 384 / 8) + 4 * (name == "nvfp4")
    again = unpack(packed, scale_codes, tensor.format, tensor.tensor_scale)
    assert again.elements.dtype == tensor.elements.dtype
    np.testing.assert_array_equal(again.elements, tensor.elements)
    np.testing.assert_array_equal(np.signbit(again.elements), np.signbit(tensor.elements))
    np.testing.assert_array_equal(again.scales, tensor.scales)
    np.testing.assert_array_equal(again.dequantized(), tensor.dequantized())


def test_even_index_is_the_low_nibble() -> None:
    codes = np.uint8([[1, 2, 15, 0]])
    np.testing.assert_array_equal(pack_nibbles(codes), np.uint8([[0x21, 0x0F]]))
    np.testing.assert_array_equal(unpack_nibbles(pack_nibbles(codes)), codes)


@pytest.mark.parametrize("shape", [(128, 4), (1, 1), (130, 5), (256, 9)])
def test_swizzle(shape: tuple[int, int]) -> None:
    scales = np.arange(1, 1 + shape[0] * shape[1], dtype=np.uint32).reshape(shape)
    tiles = swizzled(scales)
    assert tiles.shape == (-(-shape[0] // 128), -(-shape[1] // 4), 32, 4, 4)
    for row, block in product(range(shape[0]), range(shape[1])):
        assert tiles[row // 128, block // 4, row % 32, row % 128 // 32, block % 4] == scales[row, block]
    assert (tiles != 0).sum() == scales.size
    np.testing.assert_array_equal(unswizzled(tiles, shape), scales)


def test_every_pair_of_elements_and_scales_is_exact() -> None:
    codes = np.arange(16)
    values = E2M1.decode(codes)
    for (i, a), (j, b) in product(enumerate(values), repeat=2):
        left, right = (_one_block([v] + [0] * 15, 1.0) for v in (a, b))
        assert dot16(left, right)[0, 0] == Fraction(a) * Fraction(b) * 4, (i, j)
    scales = E4M3.decode(np.arange(127))
    left = BlockScaled(NVFP4, np.full((1, 16 * 127), 6, F), scales.astype(F)[np.newaxis])
    for scale in scales:
        right = BlockScaled(NVFP4, np.full((1, 16 * 127), -6, F), np.full((1, 127), scale, F))
        found = block_terms(left, right)[0]
        expected = [Fraction(-576) * Fraction(s) * Fraction(scale) * (1 << 20) for s in scales]
        assert found.tolist() == expected


def _one_block(elements: list[float], scale: float) -> BlockScaled:
    return BlockScaled(NVFP4, F([elements]), F([[scale]]))


def _random_nvfp4(rng: np.random.Generator, shape: tuple[int, int], *, extreme: bool = False) -> BlockScaled:
    codes = rng.choice([7, 15], shape) if extreme else rng.integers(0, 16, shape)
    scale_codes = (
        rng.choice([0x7E, 1], (shape[0], shape[1] // 16))
        if extreme
        else rng.integers(0, 127, (shape[0], shape[1] // 16))
    )
    return BlockScaled(NVFP4, E2M1.decode(codes).astype(F), E4M3.decode(scale_codes).astype(F), F(rng.uniform(1e-3, 1)))


def exact_twin(left: BlockScaled, right: BlockScaled, row: int, column: int) -> Fraction:
    total = Fraction(0)
    for k in range(left.shape[1]):
        a = Fraction(float(left.elements[row, k])) * Fraction(float(left.scales[row, k // 16]))
        b = Fraction(float(right.elements[column, k])) * Fraction(float(right.scales[column, k // 16]))
        total += a * b
    return total


@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize("encoding", [FP32, BF16, FP16], ids=["fp32", "bf16", "fp16"])
def test_matmul_is_exact_and_rounds_once(extreme: bool, encoding: Encoding) -> None:
    rng = np.random.default_rng(8)
    left, right = (_random_nvfp4(rng, shape, extreme=extreme) for shape in ((3, 160), (5, 160)))
    totals, found = exact_matmul(left, right), matmul(left, right, encoding)
    np.testing.assert_array_equal(
        totals, (block_terms(_repeated(left, 5), _tiled(right, 3)).sum(axis=-1)).reshape(3, 5)
    )
    alpha = Fraction(float(product_scale(left, right)))
    for row, column in product(range(3), range(5)):
        expected = exact_twin(left, right, row, column)
        assert Fraction(int(totals[row, column]), 1 << NVFP4_FRACTION_BITS) == expected
        assert float(found[row, column]) == encoding.rounded_exactly(expected * alpha)


def _repeated(tensor: BlockScaled, times: int) -> BlockScaled:
    return BlockScaled(NVFP4, np.repeat(tensor.elements, times, axis=0), np.repeat(tensor.scales, times, axis=0))


def _tiled(tensor: BlockScaled, times: int) -> BlockScaled:
    return BlockScaled(NVFP4, np.tile(tensor.elements, (times, 1)), np.tile(tensor.scales, (times, 1)))


def test_longest_sum_of_the_largest_products_is_exact() -> None:
    length = 1 << 20
    left = BlockScaled(NVFP4, np.full((1, length), 6, F), np.full((1, length // 16), 448, F))
    assert exact_matmul(left, left)[0, 0] == length * (12 * 448 * 512) ** 2 < 1 << 63


def test_cancellation_that_fp32_loses() -> None:
    # 448**2 * 36 and its negative hide the smallest product there is, 2**-20.
    large, small = _one_block([6] + [0] * 15, 448.0), _one_block([0.5] + [0] * 15, 2.0**-9)
    left = BlockScaled(NVFP4, np.tile(large.elements, 3), F([[448, 2.0**-9, 448]]))
    left.elements[0, 16], left.elements[0, 32] = 0.5, -6
    right = BlockScaled(NVFP4, np.tile(large.elements, 3), F([[448, 2.0**-9, 448]]))
    right.elements[0, 16] = 0.5
    assert exact_matmul(left, right).tolist() == [[1]]
    assert exact_matmul(small, small).tolist() == [[1]]
    assert matmul(left, right)[0, 0] == 2.0**-20


@settings(max_examples=300, deadline=None)
@given(
    total=st.one_of(st.integers(-(2**63) + 1, 2**63 - 1), st.integers(-(2**26), 2**26)),
    factor=st.floats(0, 2.0**100, width=32),
    fraction_bits=st.sampled_from((0, 20)),
    encoding=st.sampled_from((FP32, BF16, FP16, E4M3)),
)
def test_rounds_once(total: int, factor: float, fraction_bits: int, encoding: Encoding) -> None:
    exact = Fraction(total) * Fraction(factor) / (1 << fraction_bits)
    assert float(rounded_once(np.array([total]), factor, fraction_bits, encoding)[0]) == encoding.rounded_exactly(exact)


@settings(max_examples=300, deadline=None)
@given(st.integers(2**22, 2**23 - 1), st.integers(2**30, 2**39 - 1), st.integers(-1, 1))
def test_rounds_once_near_ties(mantissa: int, multiple: int, offset: int) -> None:
    # The product is within a factor or two of an odd multiple of 2**23, that is of a tie or of a number of fp32.
    factor = float(mantissa)
    total = ((2 * multiple + 1) << 23) // mantissa + offset
    exact = Fraction(total) * Fraction(factor)
    assert float(rounded_once(np.array([total]), factor, 0, FP32)[0]) == FP32.rounded_exactly(exact)


@pytest.mark.parametrize(
    ("values", "name", "says"),
    [
        (
            np.zeros((2, 20)),
            "nvfp4",
            "format 'nvfp4': expected a last axis of a multiple of 16 elements, but it has 20",
        ),
        (
            np.float32(1),
            "nvfp4",
            "format 'nvfp4': expected a last axis of a multiple of 16 elements, but there is none",
        ),
        (
            np.where(np.arange(64) == 33, np.nan, 1.0).reshape(2, 32),
            "mxfp4",
            "format 'mxfp4': element [1, 1] is nan; expected numbers that fp32 holds",
        ),
        (
            np.full((1, 128), 1e39),
            "int4_g128",
            "format 'int4_g128': element [0, 0] is inf; expected numbers that fp32 holds",
        ),
    ],
)
def test_quantize_rejects(values: np.ndarray, name: str, says: str) -> None:
    with pytest.raises(BlockError) as caught:
        quantize(values, BLOCK_FORMATS[name])
    assert str(caught.value) == says


def test_bytes_are_rejected() -> None:
    for codes, says in (
        (np.zeros((2, 3), np.uint8), "format '4 bit': expected an even number of codes to pack into bytes, not 3"),
        (np.full((2, 2), 16, np.uint8), "format '4 bit': expected codes of 0..15, not 16"),
    ):
        with pytest.raises(BlockError) as caught:
            pack_nibbles(codes)
        assert str(caught.value) == says
    with pytest.raises(BlockError) as caught:
        unpack(np.zeros((2, 8), np.uint8), np.zeros((2, 2), np.uint8), NVFP4)
    assert str(caught.value) == "format 'nvfp4': [2, 16] elements need scales of shape [2, 1], not [2, 2]"


def test_products_are_rejected() -> None:
    left = quantize(np.ones((2, 32)), NVFP4)
    other = quantize(np.ones((2, 32)), BLOCK_FORMATS["mxfp4"])
    long = BlockScaled(NVFP4, np.zeros((1, (1 << 20) + 16), F), np.zeros((1, (1 << 16) + 1), F))
    for pair, says in (
        (
            (left, quantize(np.ones((2, 16)), NVFP4)),
            "expected two matrices with one number of columns, not [2, 32] and [2, 16]",
        ),
        ((long, long), "sums are exact for at most 1,048,576 products, not 1,048,592"),
    ):
        with pytest.raises(BlockError) as caught:
            matmul(*pair)
        assert str(caught.value) == f"format 'nvfp4': {says}"
    with pytest.raises(BlockError) as caught:
        matmul(left, other)
    assert str(caught.value) == "format 'mxfp4': products are exact in 64 bits for nvfp4 only"
    with pytest.raises(FormatError) as unknown:
        block_format_named("nvfp8")
    assert str(unknown.value) == (
        "format 'nvfp8' is not known; expected one of nvfp4, mxfp4, mxfp8_e4m3, mxfp8_e5m2, "
        "int4_g16, int4_g32, int4_g64, int4_g128"
    )
