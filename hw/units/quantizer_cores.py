"""Scale and codes of a block, from its largest magnitude and its numbers in fp32, one number a cycle.

A core takes two kinds of numbers, told apart by a bit: the largest magnitude of a block, which becomes its scale, and
then the block's numbers, which become codes. `hw.latencies.QUANTIZER_CYCLES` says how long each takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed

from hw.units.narrowing import E2M1_TOP_EXPONENT, SIGNIFICAND_BITS, narrowed, to_e2m1
from workloads.formats.encoding import E4M3, FP16, FP32

MANTISSA_BITS = FP32.mantissa_bits
_BIAS = FP32.bias
# The significands 8/8 to 15/8 of E4M3's numbers.
SIGNIFICANDS = 1 << E4M3.mantissa_bits


@dataclass(frozen=True, slots=True)
class Stream:
    """What a core takes in a cycle.

    Attributes
    ----------
    magnitude : Value
        Code of a finite fp32 number without its sign.
    scales : Value
        1 for the largest magnitude of a block.
    factors : sequence of Value
        Codes of the registers that NVFP4 needs: ``S / 6``, then the inverses of the scales 8/8 to 15/8.
    """

    magnitude: Value
    sign: Value
    scales: Value
    factors: Sequence[Value]


# Gives code and scale.
Core = Callable[[Module, Stream], tuple[Signal, Signal]]


def core_of(scale: str) -> Core:
    """The core for a format of scales."""
    return {"e4m3": nvfp4_core, "e8m0": mxfp4_core, "fp16": int4_core}[scale]


def nvfp4_core(m: Module, given: Stream) -> tuple[Signal, Signal]:
    """E2M1 with E4M3 scales, in the order of operations of docs/formats.md.

    One multiplier serves both kinds of numbers. An inverse is that of the scale's significand, from a register, less
    the scale's exponent: exact as long as no step is subnormal, which bounds the multiplier (`hw.post.scaling`). A
    divider would need a multiplier and 26 cycles a block, a table of all scales 4,064 bits; eight inverses are 256.
    What is subnormal in fp32 rounds to 0, but for a scale of 0, whose inverse is the largest number.
    """
    wanted, *inverses = given.factors
    inverse = Signal(SIGNIFICAND_BITS + FP32.exponent_bits)
    factor = Mux(given.scales, Cat(wanted[:MANTISSA_BITS], 1, wanted[MANTISSA_BITS:31]), inverse)
    field, normal = given.magnitude[MANTISSA_BITS:], given.magnitude[MANTISSA_BITS:].any()
    product = Signal(2 * SIGNIFICAND_BITS, reset_less=True)
    # Of the highest bit where the product is less than 2 times the product of the powers of two.
    exponent = Signal(signed(10), reset_less=True)
    sign, scales, whole = (Signal(name=name, reset_less=True) for name in ("sign1", "scales1", "whole1"))
    m.d.sync += [
        product.eq(Cat(given.magnitude[:MANTISSA_BITS], normal) * factor[:SIGNIFICAND_BITS]),
        exponent.eq(Mux(normal, field, 1) + factor[SIGNIFICAND_BITS:] - 2 * _BIAS),
        sign.eq(given.sign),
        scales.eq(given.scales),
        whole.eq(normal),
    ]
    rounded, above = _rounded_product(m, product, whole)
    reached = Signal(signed(12))
    m.d.comb += reached.eq(exponent + above)
    # A subnormal number may be wide of the highest bit: it keeps what fp32 would have rounded.
    less = ~whole & product[:MANTISSA_BITS].any()
    below = Signal(signed(13))
    m.d.comb += below.eq(E2M1_TOP_EXPONENT - reached)
    code, scale = Signal(4, reset_less=True), Signal(8, reset_less=True)
    m.d.sync += code.eq(Cat(Mux(below < 0, 7, to_e2m1(rounded, below[:-1], less)), sign))
    with m.If(scales):
        m.d.sync += scale.eq(narrowed(m, rounded, reached, Const(0), E4M3, "scale"))
    m.d.sync += inverse.eq(_inverse(m, scale, inverses))
    return code, scale


def _rounded_product(m: Module, product: Value, whole: Value) -> tuple[Value, Value]:
    """A product of two significands to 24 bits, and by how much its highest bit lies above the 47th.

    A product that is not ``whole``, because a factor has no hidden bit, is cut off and not rounded.
    """
    top = product[-1]
    kept = Mux(top, product[SIGNIFICAND_BITS:], product[SIGNIFICAND_BITS - 1 :])[:SIGNIFICAND_BITS]
    half = Mux(top, product[SIGNIFICAND_BITS - 1], product[SIGNIFICAND_BITS - 2])
    rest = product[: SIGNIFICAND_BITS - 2].any() | (top & product[SIGNIFICAND_BITS - 2])
    total = Signal(SIGNIFICAND_BITS + 1)
    m.d.comb += total.eq(kept + (whole & half & (rest | kept[0])))
    carried = total[-1]
    return Mux(carried, total[1:], total)[:SIGNIFICAND_BITS], top + carried


def _inverse(m: Module, scale: Value, inverses: Sequence[Value]) -> Value:
    """Significand and exponent field of a scale's inverse; the largest fp32 number for a scale of 0."""
    mantissa, field = scale[: E4M3.mantissa_bits], scale[E4M3.mantissa_bits : 7]
    # Subnormal scales, 1 to 7 times 2**-9, have the significands of normal ones.
    short = Mux(mantissa[2], 1, Mux(mantissa[1], 2, 3))
    significand = Mux(field.any(), mantissa, (mantissa << short)[: E4M3.mantissa_bits])
    power = Signal(signed(6), name="scale_power")
    m.d.comb += power.eq(Mux(field.any(), field - E4M3.bias, E4M3.least_exponent - short))
    found = Array(inverses)[significand]
    exact = Cat(found[:MANTISSA_BITS], Const(1, 1), (found[MANTISSA_BITS:31] - power)[: FP32.exponent_bits])
    largest = ((1 << FP32.exponent_bits) - 2) << SIGNIFICAND_BITS | (1 << SIGNIFICAND_BITS) - 1
    return Mux(scale[:7].any(), exact, largest)


def mxfp4_core(m: Module, given: Stream) -> tuple[Signal, Signal]:
    """E2M1 with E8M0 scales: a power of two, so that numbers are only shifted."""
    code, scale = Signal(4, reset_less=True), Signal(8, reset_less=True)
    with m.If(given.scales):
        m.d.sync += scale.eq(power_scale(given.magnitude[MANTISSA_BITS:]))
    m.d.sync += code.eq(power_scaled_code(given.magnitude, given.sign, scale))
    return code, scale


def power_scale(largest: Value) -> Value:
    """E8M0 scale of a block whose largest exponent field is given."""
    return Mux(largest > E2M1_TOP_EXPONENT, largest - E2M1_TOP_EXPONENT, 0)[:8]


def power_scaled_code(magnitude: Value, sign: Value, scale: Value) -> Value:
    """E2M1 of a number over ``2**(scale - 127)``, which is less than 8."""
    field = magnitude[MANTISSA_BITS:]
    normal = field.any()
    below = (scale + E2M1_TOP_EXPONENT - Mux(normal, field, 1)).as_unsigned()
    return Cat(to_e2m1(Cat(magnitude[:MANTISSA_BITS], normal), below, Const(0)), sign)


def int4_core(m: Module, given: Stream) -> tuple[Signal, Signal]:
    """int4 with fp16 scales.

    No quotient is formed: a number over its scale rounds up where it passes an odd multiple of half a scale, and
    neither rounding to fp32 nor to fp16 in between can make a tie of what is none, as multiples of a scale have so few
    bits that an fp32 number next to one is further away than half of the quotient's last place.
    """
    code, scale = Signal(4, reset_less=True), Signal(16, reset_less=True)
    with m.If(given.scales):
        m.d.sync += scale.eq(_seventh(m, given.magnitude))
    size = _multiples(m, given.magnitude, scale)
    m.d.sync += code.eq(Mux(given.sign, -size, Mux(size[3], 7, size)))
    return code, scale


def _seventh(m: Module, magnitude: Value) -> Value:
    """fp16 of a seventh, 65504 at most; 1 where that is 0."""
    significand = Cat(magnitude[:MANTISSA_BITS], magnitude[MANTISSA_BITS:].any())
    # Long division, an octal digit at a time: 8 is 1 modulo 7.
    digits: list[Value] = []
    left: Value = Const(0, 3)
    for place in reversed(range(0, SIGNIFICAND_BITS, 3)):
        taken = Signal(6, name=f"dividend{place}")
        m.d.comb += taken.eq(Cat(significand[place : place + 3], left))
        digit, rest = Signal(3, name=f"quotient{place}"), Signal(3, name=f"left{place}")
        m.d.comb += [digit.eq(taken // 7), rest.eq(taken % 7)]
        digits.append(digit)
        left = rest
    quotient = Cat(*reversed(digits))
    # Between 2**20 and 2**22.
    high = quotient[21]
    aligned = Cat(Const(0, 2), quotient[:22]) << ~high
    exponent = Signal(signed(10), name="seventh_exponent")
    m.d.comb += exponent.eq(magnitude[MANTISSA_BITS:] + (high - (_BIAS + 3)))
    rounded = narrowed(m, aligned[:SIGNIFICAND_BITS], exponent, left.any(), FP16, "seventh")
    one = FP16.bias << FP16.mantissa_bits
    return Mux(rounded.any(), rounded, one)


def _multiples(m: Module, magnitude: Value, scale: Value) -> Value:
    """A number over its scale, to nearest, ties to even, 8 at most."""
    field, of = magnitude[MANTISSA_BITS:], scale[FP16.mantissa_bits :]
    significand = Cat(scale[: FP16.mantissa_bits], of.any())
    # The odd multiples of half a scale are integers of 15 bits in half of the scale's last place.
    bits = len(significand) + 4
    places = Signal(signed(10), name="places")
    least = _BIAS - FP16.bias - FP16.mantissa_bits - 1
    m.d.comb += places.eq(field - Mux(of.any(), of, 1) + (-least))
    shift = Signal(range(bits + 2), name="shift")
    m.d.comb += shift.eq(Mux(places < -1, 0, Mux(places >= bits, bits, places + 1)))
    number = Cat(magnitude[:MANTISSA_BITS], field.any())
    wide = Signal(SIGNIFICAND_BITS + bits, name="halves")
    m.d.comb += wide.eq(number << shift)
    halves, less = wide[SIGNIFICAND_BITS:], wide[:SIGNIFICAND_BITS].any()
    beyond = places >= bits
    up = []
    for below in range(8):
        tie = Signal(bits, name=f"tie{below}")
        m.d.comb += tie.eq(significand * (2 * below + 1))
        up.append((halves > tie) | ((halves == tie) & (less | below % 2)))
    size = Signal(4, name="size")
    m.d.comb += size.eq(Mux(beyond, 8, sum(up, Const(0, 1))))
    return size
