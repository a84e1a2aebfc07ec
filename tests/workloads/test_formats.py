"""Elements: every cast against ml_dtypes, and against rounding of exact fractions."""

from __future__ import annotations

from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.formats import FORMATS, FormatError, format_named
from workloads.formats.encoding import Encoding

ORACLES = {
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
    "e8m0": ml_dtypes.float8_e8m0fnu,
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "fp32": np.float32,
}
# What each format means by a number beyond its largest differs, so these hold what the oracle has as a number.
MOST = {"e2m1": 6.0, "e4m3": 448.0, "e5m2": 57344.0, "e8m0": 2.0**127, "fp16": 65504.0}


def encoding_of(name: str) -> Encoding:
    found = FORMATS[name].encoding
    assert found is not None
    return found


def every_tie(encoding: Encoding) -> np.ndarray:
    """Each non-negative number of a format of at most 16 bits, the middle to the next, and the fp32 numbers around it.

    ml_dtypes rounds fp64 to fp32 on its way, so it is no oracle for fp64.
    """
    numbers = encoding.decode(np.arange(encoding.most_code + 1)).astype(np.float32)
    # The sum of two would leave fp32 for bf16.
    middles = numbers[:-1] + np.diff(numbers) / np.float32(2)
    near = [np.nextafter(middles, np.float32(0)), middles, np.nextafter(middles, np.float32(np.inf))]
    return np.concatenate([numbers, *near])


def odd_to_ml_dtypes(values: np.ndarray) -> np.ndarray:
    """Where ml_dtypes does not round to the nearest E8M0: everything between the two smallest goes up."""
    return (values > 2.0**-127) & (values < 2.0**-126)


def test_smallest_e8m0_is_nearest() -> None:
    values = np.float32([1.25, 1.49]) * np.float32(2.0**-127)
    np.testing.assert_array_equal(values.astype(ORACLES["e8m0"]).view(np.uint8), [1, 1])
    np.testing.assert_array_equal(encoding_of("e8m0").encode(values), [0, 0])


@pytest.mark.parametrize("name", [n for n in ORACLES if n != "fp32"])
def test_every_code_means_what_ml_dtypes_says(name: str) -> None:
    encoding = encoding_of(name)
    codes = np.arange(1 << encoding.bits).astype(encoding.dtype)
    expected = codes.view(ORACLES[name]) if encoding.bits >= 8 else codes.astype(np.uint8).view(ORACLES[name])
    found = encoding.decode(codes)
    with np.errstate(invalid="ignore"):
        wide = expected.astype(np.float64)
    np.testing.assert_array_equal(found, wide)
    if name != "e8m0":
        numbers = ~np.isnan(found)
        np.testing.assert_array_equal(np.signbit(found)[numbers], np.signbit(wide)[numbers])


@pytest.mark.parametrize("name", [n for n in ORACLES if n != "fp32"])
def test_every_code_survives(name: str) -> None:
    encoding = encoding_of(name)
    codes = np.arange(1 << encoding.bits).astype(encoding.dtype)
    values = encoding.decode(codes)
    numbers = np.isfinite(values)
    np.testing.assert_array_equal(encoding.encode(values)[numbers], codes[numbers])


@pytest.mark.parametrize("name", [n for n in ORACLES if n != "fp32"])
def test_ties_and_their_neighbours_equal_ml_dtypes(name: str) -> None:
    encoding = encoding_of(name)
    values = every_tie(encoding)
    values = values[~odd_to_ml_dtypes(values)] if name == "e8m0" else np.concatenate([values, -values])
    with np.errstate(over="ignore", under="ignore"):
        expected = values.astype(ORACLES[name])
    np.testing.assert_array_equal(encoding.encode(values), expected.view(encoding.dtype))
    np.testing.assert_array_equal(encoding.rounded(values), expected.astype(np.float64))


@pytest.mark.parametrize("name", ORACLES)
def test_random_fp32_equal_ml_dtypes(name: str) -> None:
    encoding = encoding_of(name)
    bits = np.random.default_rng(0).integers(0, 1 << 32, 200_000, dtype=np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    if name in MOST:
        values = np.concatenate(
            [values, values * 2.0**-100, np.float32(MOST[name]) * np.sin(values.astype(np.float64))]
        )
        values = values.astype(np.float32)
        values = values[np.abs(values) <= MOST[name]]
    if name == "e8m0":
        values = np.abs(values[values != 0])
        values = values[~odd_to_ml_dtypes(values)]
    expected = values.astype(ORACLES[name])
    np.testing.assert_array_equal(encoding.encode(values), expected.view(encoding.dtype))


@pytest.mark.parametrize("name", [n for n in ORACLES if n != "e8m0"])
@settings(max_examples=100, deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False), power=st.integers(-200, 0))
def test_rounding_equals_rounding_of_fractions(name: str, value: float, power: int) -> None:
    encoding = encoding_of(name)
    for number in (value, np.ldexp(value, power), value % 8):
        expected = encoding.rounded_exactly(Fraction(number))
        assert float(encoding.rounded(number)) == expected


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("e2m1", 1e9, 0x7),
        ("e2m1", -np.inf, 0xF),
        ("e2m1", np.nan, 0x7),
        ("e2m1", -0.0, 0x8),
        ("e2m1", -0.25, 0x8),
        ("e4m3", 464.1, 0x7E),
        ("e4m3", -np.inf, 0xFE),
        ("e4m3", np.nan, 0x7F),
        ("e5m2", 1e9, 0x7B),
        ("e5m2", np.nan, 0x7E),
        ("e8m0", 1e-45, 0x00),
        ("e8m0", 1.5, 0x80),
        ("e8m0", np.inf, 0xFE),
        ("e8m0", 0.0, 0xFF),
        ("e8m0", -1.0, 0xFF),
        ("fp16", 65520.0, 0x7C00),
        ("fp16", 65519.0, 0x7BFF),
        ("bf16", -3.4e38, 0xFF80),
        ("fp32", 3.5e38, 0x7F800000),
        ("fp32", 2.0**-149, 0x00000001),
        ("fp32", 2.0**-150, 0x00000000),
    ],
)
def test_extremes(name: str, value: float, code: int) -> None:
    assert int(encoding_of(name).encode(np.float64(value))) == code


@pytest.mark.parametrize("name", FORMATS)
def test_random_values_are_of_the_format(name: str) -> None:
    number_format = FORMATS[name]
    values = number_format.random((50, 40), np.random.default_rng(1))
    assert values.dtype == number_format.dtype
    assert len(np.unique(values)) > 10
    if not number_format.integer:
        assert np.isfinite(values).all()
        np.testing.assert_array_equal(number_format.rounded(values), values)
    np.testing.assert_array_equal(values, number_format.random((50, 40), np.random.default_rng(1)))


def test_unknown_format() -> None:
    with pytest.raises(FormatError) as caught:
        format_named("fp7")
    assert str(caught.value) == (
        "format 'fp7' is not known; expected one of int4, int8, int16, int32, int64, e2m1, e4m3, e5m2, e8m0, "
        "fp16, bf16, fp32"
    )
