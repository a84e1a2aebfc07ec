"""The sum of two fp32 numbers."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from hw.units.delay import registered
from hw.units.float_parts import MANTISSA_BITS, parts_of, rounded, with_specials
from workloads.formats import FORMATS

FP32 = FORMATS["fp32"]
# Behind the lowest mantissa bit: two bits that rounding may need, and one for all that lies further right.
_EXTRA = 3
# Registers between the two cycles of a sum: the sum of significands, exponent, two signs, two special values.
INNER_BITS = (MANTISSA_BITS + 1 + _EXTRA + 1) + 9 + 4


def float_sum(m: Module, a: Value, b: Value, name: str, *, registers: bool = False) -> Value:
    """Code of ``a + b`` in fp32, rounded once to nearest, ties to even; with ``registers`` a cycle later.

    Zeros of both signs sum to the positive zero, and so do numbers that cancel. Infinities of both signs give NaN, and
    so does whatever has a NaN. Where one number is the constant zero there is no adder.
    """
    for one, other in ((a, b), (b, a)):
        if isinstance(other, Const) and not other.value:
            found = _with_zero(m, one[: FP32.bits], name)
            return registered(m, found, f"{name}_later") if registers else found
    a, b = a[: FP32.bits], b[: FP32.bits]
    swap = Signal(name=f"{name}_swap")
    m.d.comb += swap.eq(a[:-1] < b[:-1])
    larger, smaller = Signal(FP32.bits, name=f"{name}_larger"), Signal(FP32.bits, name=f"{name}_smaller")
    m.d.comb += [larger.eq(Mux(swap, b, a)), smaller.eq(Mux(swap, a, b))]
    x, y = parts_of(m, larger, FP32, f"{name}_x"), parts_of(m, smaller, FP32, f"{name}_y")
    bits = MANTISSA_BITS + 1 + _EXTRA
    distance = Signal(FP32.encoding.exponent_bits if FP32.encoding else 0, name=f"{name}_distance")
    m.d.comb += distance.eq(x.exponent - y.exponent)
    aligned, lost = Cat(Const(0, _EXTRA), y.significand), Const(0, 1)
    for step in reversed(range(len(distance))):
        further, remainder = Signal(bits, name=f"{name}_aligned{step}"), Signal(name=f"{name}_lost{step}")
        m.d.comb += further.eq(Mux(distance[step], aligned >> (1 << step), aligned))
        m.d.comb += remainder.eq(lost | (distance[step] & aligned[: 1 << step].any()))
        aligned, lost = further, remainder
    minuend = Cat(Const(0, _EXTRA), x.significand)
    subtrahend = aligned | lost
    differ = x.sign ^ y.sign
    total = Signal(bits + 1, name=f"{name}_total")
    m.d.comb += total.eq(Mux(differ, minuend - subtrahend, minuend + subtrahend))
    nan = x.nan | y.nan | (x.infinite & y.infinite & differ)
    infinite, sign, negative = x.infinite | y.infinite, x.sign, x.sign & y.sign
    exponent: Value = x.exponent
    if registers:
        total, exponent = registered(m, total, f"{name}_total_later"), registered(m, exponent, f"{name}_exponent_later")
        sign, negative = registered(m, sign, f"{name}_sign_later"), registered(m, negative, f"{name}_negative_later")
        infinite, nan = registered(m, infinite, f"{name}_infinite_later"), registered(m, nan, f"{name}_nan_later")
    code = rounded(m, total, exponent - _EXTRA, x.least_exponent - _EXTRA, name, from_register=registers)
    return with_specials(m, Mux(total.any(), sign, negative), infinite, nan, code, f"{name}_value")


def _with_zero(m: Module, a: Value, name: str) -> Value:
    """Code of ``a + 0``: the number itself, but for the negative zero and the NaNs that no unit gives."""
    number, nan = a[:-1], parts_of(m, a, FP32, name).nan
    return with_specials(m, a[-1] & number.any(), Const(0), nan, number, f"{name}_value")
