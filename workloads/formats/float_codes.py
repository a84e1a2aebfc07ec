"""Products and sums of floating-point codes in integers: the definition of the hardware's units, one code at a time."""

from __future__ import annotations

from fractions import Fraction

from workloads.formats.encoding import FP32
from workloads.formats.format import Format
from workloads.wrapping import wrapped

SIGN = 1 << 31
INFINITY = 0x7F800000
# Whatever NaN comes in, this one goes out.
NAN = 0x7FC00000


def multiplied_codes(a: int, b: int, formats: tuple[Format, Format]) -> int:
    """The fp32 code of a product, rounded once to nearest, ties to even."""
    (x, x_sign), (y, y_sign) = (_value(code, held) for code, held in zip((a, b), formats, strict=True))
    sign = x_sign ^ y_sign
    if "nan" in (x, y) or {"infinity", 0} == {x, y}:
        return NAN
    if isinstance(x, str) or isinstance(y, str):
        return INFINITY | sign * SIGN
    return _code(x * y) | sign * SIGN


def added_codes(a: int, b: int, held: Format) -> int:
    """The fp32 code of a sum, rounded once to nearest, ties to even; what cancels is the positive zero."""
    (x, x_sign), (y, y_sign) = (_value(code, held) for code in (a, b))
    if "nan" in (x, y) or (x == y == "infinity" and x_sign != y_sign):
        return NAN
    if isinstance(x, str) or isinstance(y, str):
        return INFINITY | (x_sign if isinstance(x, str) else y_sign) * SIGN
    total = (-x if x_sign else x) + (-y if y_sign else y)
    return _code(abs(total)) | (total < 0 or (total == 0 and x_sign and y_sign)) * SIGN


def _value(code: int, held: Format) -> tuple[Fraction | str, int]:
    """Magnitude, or what stands in for it, and sign."""
    encoding = held.encoding
    if encoding is None:
        number = wrapped(code, held.bits)
        return Fraction(abs(number)), int(number < 0)
    sign = 0 if encoding.unsigned_power else code >> (held.bits - 1) & 1
    magnitude = code & ((1 << (encoding.exponent_bits + encoding.mantissa_bits)) - 1)
    if magnitude > encoding.most_code:
        return "infinity" if encoding.specials == "ieee" and magnitude == encoding.most_code + 1 else "nan", sign
    field, mantissa = divmod(magnitude, 1 << encoding.mantissa_bits)
    hidden = (1 << encoding.mantissa_bits) if field or encoding.unsigned_power else 0
    exponent = max(field, 0 if encoding.unsigned_power else 1) - encoding.bias - encoding.mantissa_bits
    return (hidden + mantissa) * Fraction(2) ** exponent, sign


def _code(magnitude: Fraction) -> int:
    """The nearest code: that of the largest power of two below, stepped by what is left in its quanta."""
    least = FP32.least_exponent - FP32.mantissa_bits
    exponent = least
    while magnitude >= Fraction(2) ** (exponent + FP32.mantissa_bits + 1):
        exponent += 1
    # Python rounds fractions to nearest, ties to even; a full mantissa carries into the field.
    return min(INFINITY, round(magnitude / Fraction(2) ** exponent) + ((exponent - least) << FP32.mantissa_bits))
