"""Small floating-point codes as integers."""

from __future__ import annotations

from amaranth.hdl import Cat, Mux, Value

from workloads.formats import Format


def decoded(code: Value, held: Format) -> Value:
    """The number of a code in units of the format's smallest step; codes of NaN give any number.

    A number is its significand shifted by the exponent field less 1, since the smallest step is that of the subnormal
    numbers, whose field counts as 1 too.
    """
    encoding = held.encoding
    assert encoding is not None
    assert held.fraction_bits is not None
    mantissa, exponent = encoding.mantissa_bits, encoding.exponent_bits
    field = code[mantissa : mantissa + exponent]
    normal = field.any()
    significand = Cat(code[:mantissa], normal)
    magnitude = significand << Mux(normal, field - 1, 0)[:exponent]
    return Mux(code[mantissa + exponent], -magnitude, magnitude)
