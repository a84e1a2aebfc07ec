"""A number of a small format in a larger one."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Value

from hw.units.float_parts import MANTISSA_BITS, NAN, parts_of, rounded, with_specials
from workloads.formats import FORMATS, Format


def widened(m: Module, code: Value, held: Format, wide: Format, name: str) -> Value:
    """Code in bf16 or fp32 of a number of a format that this one holds: nothing rounds."""
    if held.encoding is not None and held.encoding.unsigned_power:
        found = _power(code[: held.bits])
    else:
        parts = parts_of(m, code, held, name)
        magnitude = rounded(m, parts.significand, parts.exponent, parts.least_exponent, name)
        found = with_specials(m, parts.sign, parts.infinite, parts.nan, magnitude, f"{name}_value")
    # The code of a number in bf16 is the upper half of that in fp32.
    return found[FORMATS["fp32"].bits - wide.bits :]


def _power(field: Value) -> Value:
    """E8M0 is the exponent's field of fp32, but for the least, which is subnormal there, and NaN."""
    normal = Cat(Const(0, MANTISSA_BITS), field, Const(0, 1))
    number: Value = Mux(field.any(), normal, Const(1 << (MANTISSA_BITS - 1), len(normal)))
    return Mux(field.all(), Const(NAN, len(normal)), number)
