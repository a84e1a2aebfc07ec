"""Numbers of 24 significant bits rounded to formats of fewer, to nearest, ties to even."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from workloads.formats.encoding import E2M1, FP32, Encoding

SIGNIFICAND_BITS = FP32.mantissa_bits + 1
# E2M1 rises by one here, in quarters; where the second is set, the tie itself goes up, to the even code.
_RISES = ((1, False), (3, True), (5, False), (7, True), (10, False), (14, True), (20, False))
# An element whose exponent is so far below that of 6 is less than an eighth.
_DEEPEST = 5
# 6, the largest element, is 1.5 * 2**2.
E2M1_TOP_EXPONENT = E2M1.least_exponent + 2


def to_e2m1(significand: Value, below: Value, rest: Value) -> Value:
    """Magnitude of the E2M1 code of ``significand * 2**(2 - below - 23)``, 6 at most.

    Parameters
    ----------
    significand
        24 bits, of which the highest may be 0.
    below
        Not negative.
    rest
        1 where the number is larger than the significand says, by less than its lowest bit.
    """
    shifted = (Cat(Const(0, _DEEPEST), significand) >> below[:3])[: _DEEPEST + SIGNIFICAND_BITS]
    # The significand counts 2**-21 where nothing is shifted.
    point = _DEEPEST + SIGNIFICAND_BITS - 5
    quarters, less = shifted[point:], shifted[:point].any() | rest
    magnitude = sum(
        ((quarters >= at) if tie else (quarters > at) | ((quarters == at) & less) for at, tie in _RISES), Const(0, 1)
    )
    return Mux(below > _DEEPEST, 0, magnitude)[:3]


def narrowed(m: Module, significand: Value, exponent: Value, rest: Value, encoding: Encoding, name: str) -> Value:
    """Code, sign apart, of ``significand * 2**(exponent - 23)`` in a format that keeps subnormal numbers.

    Numbers beyond the largest become the largest. Where the highest bit of the significand is 0, the exponent must be
    so low that the code is 0.

    Parameters
    ----------
    exponent
        Signed.
    rest
        As in `to_e2m1`.
    """
    bits = encoding.mantissa_bits
    # From here on nothing but the remainder is left.
    most = bits + 2
    missing = Signal(len(exponent) + 1, name=f"{name}_missing")
    m.d.comb += missing.eq(encoding.least_exponent - exponent)
    subnormal = ~missing[-1] & missing.any()
    shift = Signal(range(most + 1), name=f"{name}_shift")
    m.d.comb += shift.eq(Mux(subnormal, Mux(missing.as_signed() > most, most, missing), 0))
    shifted = Signal(SIGNIFICAND_BITS + most, name=f"{name}_shifted")
    m.d.comb += shifted.eq(Cat(Const(0, most), significand) >> shift)
    top, half = shifted[-bits - 1 :], shifted[-bits - 2]
    up = half & (shifted[: -bits - 2].any() | rest | top[0])
    # The hidden bit of a normal number counts the exponent up by one.
    field = Signal(len(missing), name=f"{name}_field")
    m.d.comb += field.eq(Mux(subnormal, 0, -missing))
    code = Signal(len(field) + bits + 1, name=f"{name}_code")
    m.d.comb += code.eq(Cat(Const(0, bits), field) + top + up)
    return Mux(code > encoding.most_code, encoding.most_code, code)[: encoding.bits - 1]
