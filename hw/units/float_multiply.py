"""The product of two numbers of any formats in fp32."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

from hw.netlist import Node
from hw.units.delay import registered
from hw.units.float_parts import exponent_bits, parts_of, rounded, with_specials
from workloads.formats import FORMATS, Format


def float_formats(node: Node) -> tuple[Format, Format]:
    """Formats of the factors of a ``float_multiply`` node."""
    formats = node.parameter("formats")
    assert isinstance(formats, tuple)
    a, b = formats
    return a, b


def significand_bits(held: Format) -> int:
    """Bits of a format's significand, the hidden one included."""
    return held.bits if held.encoding is None else held.encoding.mantissa_bits + 1


def rounds(formats: tuple[Format, Format]) -> bool:
    """True where fp32 does not hold every product of two normal numbers."""
    return sum(map(significand_bits, formats)) > significand_bits(FORMATS["fp32"])


def inner_bits(formats: tuple[Format, Format]) -> int:
    """Registers between the two cycles of a product: significand, exponent, sign, two special values."""
    return sum(map(significand_bits, formats)) + max(map(exponent_bits, formats)) + 1 + 3


def float_product(
    m: Module, a: Value, b: Value, formats: tuple[Format, Format], name: str, *, registers: bool = False
) -> Value:
    """Code of ``a * b`` in fp32, rounded once; exact where the significands have at most 24 bits together.

    With ``registers`` a cycle later.

    An infinite factor times zero is NaN, and so is whatever has a NaN. The sign of zero is that of the product.
    """
    x, y = (parts_of(m, v, held, f"{name}_{role}") for v, held, role in zip((a, b), formats, "ab", strict=True))
    product = Signal(len(x.significand) + len(y.significand), name=f"{name}_product")
    m.d.comb += product.eq(x.significand * y.significand)
    exponent: Value = x.exponent + y.exponent
    infinite = x.infinite | y.infinite
    nan = x.nan | y.nan | (x.infinite & ~y.significand.any()) | (y.infinite & ~x.significand.any())
    sign: Value = x.sign ^ y.sign
    if registers:
        product = registered(m, product, f"{name}_product_later")
        exponent = registered(m, exponent, f"{name}_exponent_later")
        sign, infinite = registered(m, sign, f"{name}_sign_later"), registered(m, infinite, f"{name}_infinite_later")
        nan = registered(m, nan, f"{name}_nan_later")
    code = rounded(m, product, exponent, x.least_exponent + y.least_exponent, name, from_register=registers)
    return with_specials(m, sign, infinite, nan, code, f"{name}_value")
