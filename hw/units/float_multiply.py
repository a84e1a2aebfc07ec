"""The product of two numbers of any formats in fp32."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

from hw.netlist import Node
from hw.units.float_parts import parts_of, rounded, with_specials
from workloads.formats import Format


def float_formats(node: Node) -> tuple[Format, Format]:
    """Formats of the factors of a ``float_multiply`` node."""
    formats = node.parameter("formats")
    assert isinstance(formats, tuple)
    a, b = formats
    return a, b


def significand_bits(held: Format) -> int:
    """Bits of a format's significand, the hidden one included."""
    return held.bits if held.encoding is None else held.encoding.mantissa_bits + 1


def float_product(m: Module, a: Value, b: Value, formats: tuple[Format, Format], name: str) -> Value:
    """Code of ``a * b`` in fp32, rounded once; exact where the significands have at most 24 bits together.

    An infinite factor times zero is NaN, and so is whatever has a NaN. The sign of zero is that of the product.
    """
    x, y = (parts_of(m, v, held, f"{name}_{role}") for v, held, role in zip((a, b), formats, "ab", strict=True))
    product = Signal(len(x.significand) + len(y.significand), name=f"{name}_product")
    m.d.comb += product.eq(x.significand * y.significand)
    exponent = x.exponent + y.exponent
    code = rounded(m, product, exponent, x.least_exponent + y.least_exponent, name)
    infinite = x.infinite | y.infinite
    nan = x.nan | y.nan | (x.infinite & ~y.significand.any()) | (y.infinite & ~x.significand.any())
    return with_specials(m, x.sign ^ y.sign, infinite, nan, code, f"{name}_value")
