"""The quantizer in hardware gives the bits of the definition."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from amaranth.sim import Simulator

from hw.units.quantizer import LATENCY_CYCLES, Mxfp4Quantizer
from workloads.formats import BLOCK_FORMATS
from workloads.formats.quantize import quantize

FORMAT = BLOCK_FORMATS["mxfp4"]
TIES = np.array([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, 6, 7, 0], np.float32)


def quantized(blocks: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Codes and scales, a block in every cycle."""
    unit = Mxfp4Quantizer()
    codes, scales = [], []

    async def bench(context: object) -> None:
        for cycle in range(len(blocks) + LATENCY_CYCLES):
            valid = cycle < len(blocks)
            context.set(unit.i_valid, valid)  # type: ignore[attr-defined]
            if valid:
                packed = int.from_bytes(blocks[cycle].astype("<f4").tobytes(), "little")
                context.set(unit.values.as_value(), packed)  # type: ignore[attr-defined]
            assert context.get(unit.o_valid) == (cycle >= LATENCY_CYCLES)  # type: ignore[attr-defined]
            if cycle >= LATENCY_CYCLES:
                word = context.get(unit.codes.as_value())  # type: ignore[attr-defined]
                codes.append([word >> 4 * n & 15 for n in range(FORMAT.block)])
                scales.append(context.get(unit.scale))  # type: ignore[attr-defined]
            await context.tick()  # type: ignore[attr-defined]

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return np.array(codes, np.uint8), np.array(scales, np.uint8)


def blocks_of(kind: str) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(7)
    if kind == "any-bits":
        bits = rng.integers(0, 1 << 32, (300, FORMAT.block), np.uint32)
        bits[(bits >> 23 & 255) == 255] &= 0x80FFFFFF
        return bits.view(np.float32)
    if kind == "normal":
        return rng.standard_normal((300, FORMAT.block)).astype(np.float32)
    if kind == "subnormal":
        # Exponent fields 0 to 4: around the smallest scale.
        bits = rng.integers(0, 5 << 23, (100, FORMAT.block), np.uint32) >> rng.integers(0, 24, (100, 1), np.uint32)
        return (bits | rng.integers(0, 2, bits.shape, np.uint32) << np.uint32(31)).view(np.float32)
    if kind == "extremes":
        most = np.finfo(np.float32).max
        return np.array([[v] * FORMAT.block for v in (0.0, -0.0, most, -most, 2.0**-126, 2.0**-149)], np.float32)
    assert kind == "ties"
    near = np.concatenate([TIES, np.nextafter(TIES, np.float32(8)), np.nextafter(TIES, np.float32(-8)), -TIES[1:3]])
    return np.concatenate([near * np.float32(2.0**e) for e in (-100, -3, 0, 90)]).reshape(4, FORMAT.block)


@pytest.mark.parametrize("kind", ["any-bits", "normal", "subnormal", "extremes", "ties"])
def test_bits_of_the_definition(kind: str) -> None:
    blocks = blocks_of(kind)
    expected = quantize(blocks, FORMAT)
    codes, scales = quantized(blocks)
    assert np.array_equal(scales, expected.scale_codes.reshape(-1))
    assert np.array_equal(codes, expected.codes)
