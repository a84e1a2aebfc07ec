"""Small floating-point codes as integers, whole or as a significand and a power of two."""

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


def decoded_significand(code: Value, held: Format) -> Value:
    """The number of a code without its power of two: ``decoded`` is this shifted by `decoded_power`."""
    encoding = held.encoding
    assert encoding is not None
    mantissa, exponent = encoding.mantissa_bits, encoding.exponent_bits
    magnitude = Cat(code[:mantissa], code[mantissa : mantissa + exponent].any())
    return Mux(code[mantissa + exponent], -magnitude, magnitude)


def decoded_power(code: Value, held: Format) -> Value:
    """How far the significand of a code is to be shifted; not at all for subnormal numbers."""
    encoding = held.encoding
    assert encoding is not None
    field = code[encoding.mantissa_bits : encoding.mantissa_bits + encoding.exponent_bits]
    return Mux(field.any(), field - 1, 0)[: encoding.exponent_bits]
