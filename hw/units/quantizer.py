"""Quantization of a block a cycle: fp32 numbers to MXFP4 codes and their scale."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from workloads.formats import BLOCK_FORMATS

LATENCY_CYCLES = 2

_BLOCK = BLOCK_FORMATS["mxfp4"].block
_FRACTION_BITS = 23
# 6, the largest element, is 1.5 * 2**2.
_TOP_EXPONENT = 2
# Where the code rises by one, in quarters; at half of them the tie itself goes up, to the even code.
_RISES = ((1, False), (3, True), (5, False), (7, True), (10, False), (14, True), (20, False))
# An element whose exponent is so far below that of the largest is less than an eighth.
_DEEPEST = 5


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
            largest.eq(_largest([_exponent(self.values[n]) for n in range(_BLOCK)])),
            *(now.eq(self.values[n]) for n, now in enumerate(given)),
        ]
        scale = Signal(8)
        m.d.comb += scale.eq(Mux(largest > _TOP_EXPONENT, largest - _TOP_EXPONENT, 0))
        m.d.sync += self.scale.eq(scale)
        m.d.sync += [self.codes[n].eq(_code(now, scale)) for n, now in enumerate(given)]
        return m


def _exponent(number: Value) -> Value:
    return number[_FRACTION_BITS:31]


def _largest(exponents: list[Value]) -> Value:
    while len(exponents) > 1:
        pairs = zip(exponents[::2], exponents[1::2], strict=True)
        exponents = [Mux(a > b, a, b) for a, b in pairs]
    return exponents[0]


def _code(number: Value, scale: Value) -> Value:
    """E2M1 of a number over ``2**(scale - 127)``, which is less than 8: to nearest, ties to even, 6 at most."""
    exponent = _exponent(number)
    normal = exponent.any()
    significand = Cat(number[:_FRACTION_BITS], normal)
    below = (scale + _TOP_EXPONENT - Mux(normal, exponent, 1)).as_unsigned()
    shifted = (Cat(Const(0, _DEEPEST), significand) >> below[:3])[: _DEEPEST + _FRACTION_BITS + 1]
    # The significand counts 2**-21 where nothing is shifted.
    point = _DEEPEST + _FRACTION_BITS - 4
    quarters, rest = shifted[point:], shifted[:point].any()
    magnitude = sum(
        ((quarters >= at) if tie else (quarters > at) | ((quarters == at) & rest) for at, tie in _RISES), Const(0, 1)
    )
    return Cat(Mux(below > _DEEPEST, 0, magnitude)[:3], number[31])
