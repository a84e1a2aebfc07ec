"""Quantization of a block a cycle: fp32 numbers to MXFP4 codes and their scale."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.units.quantizer_cores import MANTISSA_BITS, power_scale, power_scaled_code
from workloads.formats import BLOCK_FORMATS

LATENCY_CYCLES = 2

_BLOCK = BLOCK_FORMATS["mxfp4"].block


class Mxfp4Quantizer(wiring.Component):
    """The bits of `workloads.formats.quantize.quantize` in MXFP4, one block a cycle, ``LATENCY_CYCLES`` later.

    Members ``values`` are the codes of finite fp32 numbers, subnormal ones included; infinities and NaN, which the
    definition refuses, give any codes.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i_valid": In(1),
                "values": In(data.ArrayLayout(unsigned(32), _BLOCK)),
                "o_valid": Out(1),
                "codes": Out(data.ArrayLayout(unsigned(4), _BLOCK)),
                "scale": Out(8),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        given = [Signal(32, name=f"given{n}", reset_less=True) for n in range(_BLOCK)]
        largest, valid = Signal(8, reset_less=True), Signal()
        m.d.sync += [
            valid.eq(self.i_valid),
            self.o_valid.eq(valid),
            largest.eq(_largest([self.values[n][MANTISSA_BITS:31] for n in range(_BLOCK)])),
            *(now.eq(self.values[n]) for n, now in enumerate(given)),
        ]
        scale = Signal(8)
        m.d.comb += scale.eq(power_scale(largest))
        m.d.sync += self.scale.eq(scale)
        m.d.sync += [self.codes[n].eq(power_scaled_code(now[:31], now[31], scale)) for n, now in enumerate(given)]
        return m


def _largest(exponents: list[Value]) -> Value:
    while len(exponents) > 1:
        pairs = zip(exponents[::2], exponents[1::2], strict=True)
        exponents = [Mux(a > b, a, b) for a, b in pairs]
    return exponents[0]
