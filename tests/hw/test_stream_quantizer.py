"""Streaming quantizers give the bits of the definition and of its twin in fractions."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from stream_bench import stream

from hw.post.scaling import Scaling, ScalingError, factor_values
from hw.units import narrowing
from hw.units import quantizer_cores as cores
from workloads.formats import BLOCK_FORMATS, FORMATS, BlockFormat
from workloads.formats.encoding import FP32
from workloads.formats.exact import rounded_once
from workloads.formats.quantize import quantize
from workloads.formats.quantize_exactly import quantized_block

Floats = npt.NDArray[np.float32]

FORMAT_NAMES = ("nvfp4", "mxfp4", "int4_g16", "int4_g64")
KINDS = ("normal", "any-bits", "subnormal", "extremes", "ties", "scales")
# Blocks of what is random; `any-bits` meets most of what there is.
ROWS = 100
MULTIPLIERS = (1.0, 2688 / 3.7, 0.013, 2.0**100, 2.0**-100, 1.9999999 * 2.0**60)


def blocks_of(kind: str, made: BlockFormat) -> Floats:
    rng, block = np.random.default_rng(7), made.block
    if kind == "normal":
        return (rng.standard_normal((ROWS, block)) * 2.0 ** rng.integers(-12, 12, (ROWS, 1))).astype(np.float32)
    if kind == "any-bits":
        bits = rng.integers(0, 1 << 32, (ROWS, block), np.uint32)
        bits[(bits >> 23 & 255) == 255] &= 0x80FFFFFF
        return bits.view(np.float32)
    if kind == "subnormal":
        bits = rng.integers(0, 5 << 23, (ROWS, block), np.uint32) >> rng.integers(0, 24, (ROWS, 1), np.uint32)
        return (bits | rng.integers(0, 2, bits.shape, np.uint32) << np.uint32(31)).view(np.float32)
    if kind == "extremes":
        most = np.finfo(np.float32).max
        alone = [[v] * block for v in (0.0, -0.0, most, -most, 2.0**-126, 2.0**-149, 0.75 * 2.0**-127, 1.0)]
        single = [[v] + [0.0] * (block - 1) for v in (most, 2.0**-149, -3.0, 448 * 6.0, 464 * 6.0)]
        # Scale 0: what a subnormal number times the largest number is.
        tiny = [[(1 << 23 - n % 23) * s * 2.0**-149 for n in range(block)] for s in (1, -1, 0.75, 1.75 / 4)]
        return np.array(alone + single + tiny, np.float32)
    if kind == "scales":
        # Every E4M3 scale in turn, from largest magnitudes at, just below and just above each step and each middle;
        # of fp16's scales some.
        encoding = FORMATS["fp16" if made.element.integer else "e4m3"].encoding
        assert encoding is not None
        steps = rng.integers(0, encoding.most_code - 1, 126) if made.element.integer else np.arange(0x7E)
        values = encoding.decode(steps).astype(np.float32)
        middles = (values + encoding.decode(steps + 1).astype(np.float32)) / 2
        exact = np.concatenate([values, middles]) * np.float32(made.element.range[1] if made.element.integer else 6)
        largest = np.concatenate([exact, np.nextafter(exact, np.float32(1e9)), np.nextafter(exact, np.float32(0))])
        shares = rng.random((len(largest), block)).astype(np.float32)
        shares[:, 0] = 1
        return (largest[:, None] * shares * rng.choice([-1, 1], shares.shape)).astype(np.float32)
    assert kind == "ties"
    points = np.array([0.25, 0.5, 0.75, 1.25, 1.5, 1.75, 2.5, 3.5, 4.5, 5, 5.5, 6, 6.5, 7], np.float32)
    near = np.concatenate([points, np.nextafter(points, np.float32(8)), np.nextafter(points, np.float32(0))])
    blocks = []
    for scale in (1.0, 1.125, 1.875, 2.0**-9, 3 * 2.0**-9, 448.0, 1.0009765625, 2.0**-24):
        for top in (6.0, 7.0):
            for part in range(0, len(near), block - 1):
                numbers = near[part : part + block - 1]
                row = np.zeros(block, np.float32)
                row[0], row[1 : len(numbers) + 1] = top, numbers
                blocks.append(row * rng.choice([-1, 1], block) * np.float32(scale))
    return np.array(blocks, np.float32)


def check(made: BlockFormat, blocks: Floats, multiplier: float, folder: Path) -> None:
    factors = factor_values(Scaling(multiplier=multiplier), made, FORMATS["fp32"])
    codes, scales = stream(made, FORMATS["fp32"], blocks.view(np.uint32).astype(np.uint64), factors, folder)
    expected = quantize(blocks, made, multiplier=np.float32(multiplier) if made.tensor_scale else None)
    wrong = np.flatnonzero(scales != expected.scale_codes.reshape(-1))
    assert [(float(np.abs(blocks[n]).max()), int(scales[n])) for n in wrong[:3]] == []
    wrong_codes = np.argwhere(codes != expected.codes)
    assert [(float(blocks[n, k]), int(codes[n, k]), int(expected.codes[n, k])) for n, k in wrong_codes[:3]] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_bits_of_the_definition(name: str, kind: str, tmp_path: Path) -> None:
    made = BLOCK_FORMATS[name]
    for multiplier in MULTIPLIERS if made.tensor_scale else (1.0,):
        blocks = blocks_of(kind, made)
        if kind in ("scales", "ties"):
            with np.errstate(over="ignore"):
                scaled = blocks / np.float32(multiplier)
            blocks = scaled[np.isfinite(scaled).all(axis=1)]
        check(made, blocks, multiplier, tmp_path)


INTEGERS = (
    ("nvfp4", "int64", 20, 3.7e-5),
    ("nvfp4", "int32", 0, 1.0),
    ("mxfp4", "int32", 0, 0.1),
    ("int4_g16", "int8", 3, 2.0**100),
    ("int4_g32", "int16", 0, 2.0**-100),
)


@pytest.mark.parametrize(("name", "source", "fraction_bits", "alpha"), INTEGERS)
def test_integers_round_once(name: str, source: str, fraction_bits: int, alpha: float, tmp_path: Path) -> None:
    made, held = BLOCK_FORMATS[name], FORMATS[source]
    rng = np.random.default_rng(5)
    low, high = held.range
    totals = rng.integers(low, high, (40, made.block), np.int64, endpoint=True)
    totals >>= rng.integers(0, held.bits, totals.shape)
    totals[:4] = [[low], [high], [0], [-1]]
    # Ties of the one rounding: 25 and 26 bits.
    totals[4:6] = np.clip((1 << 25) + np.arange(2 * made.block).reshape(2, -1), low, high)
    values = rounded_once(totals, alpha, fraction_bits, FP32)
    multiplier = np.float32(2688 / np.abs(values).max()) if made.tensor_scale else np.float32(1)
    factors = factor_values(Scaling(alpha, float(multiplier)), made, held)
    bits = totals.view(np.uint64) & np.uint64((1 << held.bits) - 1)
    codes, scales = stream(made, held, bits, factors, tmp_path, fraction_bits=fraction_bits)
    expected = quantize(values, made, multiplier=multiplier if made.tensor_scale else None)
    assert np.array_equal(scales, expected.scale_codes.reshape(-1))
    assert np.array_equal(codes, expected.codes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_definition_in_fractions(name: str, kind: str) -> None:
    made = BLOCK_FORMATS[name]
    for multiplier in MULTIPLIERS[:4] if made.tensor_scale else (1.0,):
        blocks = blocks_of(kind, made)[::9]
        found = quantize(blocks, made, multiplier=np.float32(multiplier) if made.tensor_scale else None)
        for block, codes, scale in zip(blocks, found.codes, found.scale_codes[:, 0], strict=True):
            given = float(np.float32(multiplier))
            assert quantized_block(block.tolist(), made, given) == (codes.tolist(), scale)


@dataclass(frozen=True)
class Fault:
    """A word of a unit's source replaced."""

    id: str
    name: str
    kind: str
    module: object
    function: str
    old: str
    new: str


FAULTS = (
    Fault("product-cut-off", "nvfp4", "ties", cores, "_rounded_product", "whole & half", "whole & 0 & half"),
    Fault("subnormal-rounded", "nvfp4", "extremes", cores, "_rounded_product", "whole & half", "half"),
    Fault("scale-of-the-quotient", "nvfp4", "scales", cores, "_inverse", "- power", "- power - 1"),
    Fault("subnormal-scales", "nvfp4", "scales", cores, "_inverse", "E4M3.least_exponent - short", "-short"),
    Fault("no-largest-inverse", "nvfp4", "extremes", cores, "_inverse", "exact, largest)", "exact, exact)"),
    Fault("scale-half-up", "nvfp4", "scales", narrowing, "narrowed", "| rest | top[0]", "| rest | 1"),
    Fault("scale-unbounded", "nvfp4", "any-bits", narrowing, "narrowed", "code > encoding.most_code", "code > 1000"),
    Fault("power-too-high", "mxfp4", "normal", cores, "power_scale", "largest - E2M1_TOP_EXPONENT", "largest - 1"),
    Fault("seventh-cut-off", "int4_g16", "scales", cores, "_seventh", "exponent, left.any()", "exponent, Const(0)"),
    Fault("integer-half-up", "int4_g16", "ties", cores, "_multiples", "| below % 2", "| 1"),
    Fault("scale-of-zeros", "int4_g16", "extremes", cores, "_seventh", "rounded, one)", "rounded, 0)"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_planted_fault_is_seen(fault: Fault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = inspect.getsource(getattr(fault.module, fault.function))
    assert source.count(fault.old) == 1
    scope = dict(vars(fault.module))
    exec(source.replace(fault.old, fault.new), scope)
    monkeypatch.setattr(fault.module, fault.function, scope[fault.function])
    if fault.function == "narrowed":
        monkeypatch.setattr(cores, fault.function, scope[fault.function])
    made = BLOCK_FORMATS[fault.name]
    with pytest.raises(AssertionError):
        check(made, blocks_of(fault.kind, made), 1.0, tmp_path)


SCALINGS = (
    ("nvfp4", "fp32", Scaling(2.0), "alpha 2: expected none, as results are fp32, which are not scaled"),
    ("mxfp4", "int32", Scaling(1, 3), "multiplier 3: expected none, as mxfp4 has no tensor scale"),
    (
        "nvfp4",
        "int32",
        Scaling(0, 1e38),
        "alpha 0: expected 2**-100 to 2**100\nmultiplier 1e+38: expected 2**-100 to 2**100",
    ),
)


@pytest.mark.parametrize(("name", "source", "scaling", "says"), SCALINGS)
def test_factors_out_of_bounds(name: str, source: str, scaling: Scaling, says: str) -> None:
    with pytest.raises(ScalingError) as caught:
        factor_values(scaling, BLOCK_FORMATS[name], FORMATS[source])
    assert str(caught.value) == says
