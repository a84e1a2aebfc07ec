"""Floating-point numbers on wires: taken apart, and rounded to fp32."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.utils import bits_for

from workloads.formats import FORMATS, Format
from workloads.formats.encoding import FP32

MANTISSA_BITS = FP32.mantissa_bits
LEAST_EXPONENT = FP32.least_exponent
# The only NaN that leaves a unit: quiet, positive, nothing in its mantissa but the quiet bit.
NAN = 0x7FC00000
INFINITY = 0x7F800000


@dataclass(frozen=True, slots=True)
class Parts:
    """``(-1)**sign * significand * 2**exponent``, unless one of the last two is set.

    Attributes
    ----------
    least_exponent : int
        No exponent is less.
    """

    sign: Value
    significand: Value
    exponent: Value
    least_exponent: int
    infinite: Value
    nan: Value


def parts_of(m: Module, code: Value, held: Format, name: str) -> Parts:
    """Take a code apart; of an integer, the number itself."""
    encoding, no = held.encoding, Const(0)
    code = code[: held.bits]
    if encoding is None:
        magnitude = Signal(held.bits, name=f"{name}_magnitude")
        m.d.comb += magnitude.eq(Mux(code[-1], -code, code))
        return Parts(code[-1], magnitude, Const(0, 1), 0, no, no)
    mantissa_bits, least = encoding.mantissa_bits, encoding.least_exponent - encoding.mantissa_bits
    field = code[mantissa_bits : mantissa_bits + encoding.exponent_bits]
    top = field.all()
    if encoding.unsigned_power:
        return Parts(no, Const(1, 1), field - encoding.bias, least, no, top)
    mantissa, normal = code[:mantissa_bits], field.any()
    infinite, nan = {
        "none": (no, no),
        "nan": (no, top & mantissa.all()),
        "ieee": (top & ~mantissa.any(), top & mantissa.any()),
    }[encoding.specials]
    exponent = Mux(normal, field, 1) - (encoding.bias + mantissa_bits)
    return Parts(code[-1], Cat(mantissa, normal), exponent, least, infinite, nan)


def exponent_bits(held: Format) -> int:
    """Width of the exponent that `parts_of` gives: a field, less a bias, with a sign."""
    encoding = held.encoding
    if encoding is None:
        return 1
    bias = encoding.bias + (0 if encoding.unsigned_power else encoding.mantissa_bits)
    return max(encoding.exponent_bits, bits_for(bias)) + 1


def rounded(
    m: Module, magnitude: Value, exponent: Value, least_exponent: int, name: str, *, from_register: bool = False
) -> Value:
    """Code, sign apart, of ``magnitude * 2**exponent`` in fp32: to nearest, ties to even, subnormal numbers kept.

    Beyond the largest number it is infinity. Where no exponent is low enough to need it, no right shifter is built.

    Parameters
    ----------
    from_register
        The magnitude is a register and nothing else. Simulators then start no process before it changes for the first
        time, so that zeros are counted without one.
    """
    # At least a bit for the half, and one for what is left.
    padding = max(0, MANTISSA_BITS + 3 - len(magnitude))
    bits = len(magnitude) + padding
    wide = Signal(bits, name=f"{name}_wide")
    m.d.comb += wide.eq(Cat(Const(0, padding), magnitude))
    leading = Signal(range(bits), name=f"{name}_leading_zeros")
    if from_register:
        count: Value = Const(0, len(leading))
        for place in range(bits):
            count = Mux(wide[place], bits - 1 - place, count)
        m.d.comb += leading.eq(count)
    else:
        for place in range(bits):
            with m.If(wide[place]):
                m.d.comb += leading.eq(bits - 1 - place)
    # The exponent of the highest bit, and how far it may move left before the number is subnormal.
    highest = exponent + (bits - 1 - padding)
    # Small formats have exponents of fewer bits than fp32's least one.
    room = Signal(max(len(highest), bits_for(LEAST_EXPONENT)) + 2, name=f"{name}_room")
    m.d.comb += room.eq(highest - LEAST_EXPONENT)
    signed_room = room.as_signed()
    left = Signal(range(bits), name=f"{name}_left")
    least_room = least_exponent + bits - 1 - padding - LEAST_EXPONENT
    m.d.comb += left.eq(Mux(signed_room < 0, 0, Mux(signed_room < leading, room, leading)))
    moved = Signal(bits, name=f"{name}_moved")
    m.d.comb += moved.eq((wide << left)[:bits])
    lost: Value = Const(0)
    if least_room < 0:
        # Beyond two more than its own length a number is nothing but a remainder.
        right = Signal(range(bits + 1), name=f"{name}_right")
        m.d.comb += right.eq(Mux(signed_room >= 0, 0, Mux(signed_room < -bits, bits, -signed_room)))
        for step in reversed(range(len(right))):
            further = Signal(bits, name=f"{name}_right{step}")
            remainder = Signal(name=f"{name}_lost{step}")
            m.d.comb += further.eq(Mux(right[step], moved >> (1 << step), moved))
            m.d.comb += remainder.eq(lost | (right[step] & moved[: 1 << step].any()))
            moved, lost = further, remainder
    kept, half, rest = moved[-MANTISSA_BITS - 1 :], moved[-MANTISSA_BITS - 2], moved[: -MANTISSA_BITS - 2]
    up = half & (rest.any() | lost | kept[0])
    # A field of 0 belongs to numbers whose hidden bit is 0; a carry out of the mantissa steps to the next exponent.
    field = Signal(len(room) + 1, name=f"{name}_field")
    m.d.comb += field.eq(Mux(kept[-1], signed_room - left + 1, 0))
    code = Signal(MANTISSA_BITS + FP32.exponent_bits, name=f"{name}_code")
    finite = Cat(kept[:-1], field[: FP32.exponent_bits]) + up
    m.d.comb += code.eq(Mux(field.as_signed() >= (1 << FP32.exponent_bits) - 1, INFINITY, finite))
    return code


def with_specials(m: Module, sign: Value, infinite: Value, nan: Value, code: Value, name: str) -> Value:
    """All of an fp32 code: NaN first, then infinity, then the number."""
    result = Signal(FORMATS["fp32"].bits, name=name)
    m.d.comb += result.eq(Mux(nan, NAN, Cat(Mux(infinite, INFINITY, code)[: len(code)], sign)))
    return result
