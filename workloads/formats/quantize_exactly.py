"""Quantization of one block in fractions, operation by operation: the naive twin of `quantize` and of its hardware."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from math import copysign

import numpy as np

from workloads.formats.block_format import BlockFormat
from workloads.formats.encoding import FP32, Encoding

FLT_MAX = Fraction(FP32.most)


def quantized_block(values: Sequence[float], made: BlockFormat, multiplier: float = 1.0) -> tuple[list[int], int]:
    """Codes of a block's elements and of its scale.

    Parameters
    ----------
    values
        Finite fp32 numbers.
    multiplier
        fp32; for a format with a tensor scale.
    """
    amax = max(abs(Fraction(value)) for value in values)
    if made.element.integer:
        return _integers(values, amax, made)
    element, scale = made.element.encoding, made.scale.encoding
    assert element is not None and scale is not None, made
    if made.tensor_scale:
        factor, stored = _tensor_scaled(amax, Fraction(multiplier), scale)
        by: Callable[[Fraction], Fraction] = lambda x: _fp32(x * factor)  # noqa: E731
    else:
        stored = _power(amax, element)
        power = stored
        by = lambda x: x / power  # noqa: E731
    codes = []
    for value in values:
        size = element.rounded_exactly(min(by(abs(Fraction(value))), Fraction(element.most)))
        codes.append(_code(size, element) | (copysign(1, value) < 0) << (element.bits - 1))
    return codes, _code(float(stored), scale)


def _tensor_scaled(amax: Fraction, multiplier: Fraction, encoding: Encoding) -> tuple[Fraction, Fraction]:
    """What elements are multiplied by, and the block's scale."""
    wanted = min(_fp32(amax * _fp32(multiplier * _fp32(Fraction(1, 6)))), Fraction(448))
    scale = Fraction(encoding.rounded_exactly(wanted))
    product = _fp32(scale * _fp32(1 / multiplier))
    return (min(_fp32(1 / product), FLT_MAX) if product else FLT_MAX), scale


def _power(amax: Fraction, element: Encoding) -> Fraction:
    """The power of two that takes the largest magnitude into the binade of the largest element."""
    exponent = -127
    while Fraction(2) ** (exponent + 1) * _binade(Fraction(element.most)) <= amax:
        exponent += 1
    return Fraction(2) ** exponent


def _binade(number: Fraction) -> Fraction:
    power = Fraction(1)
    while 2 * power <= number:
        power *= 2
    return power


def _integers(values: Sequence[float], amax: Fraction, made: BlockFormat) -> tuple[list[int], int]:
    least, most = made.element.range
    scale = made.scale.encoding
    assert scale is not None, made
    rounded = min(scale.rounded_exactly(_fp32(amax / most)), scale.most) or 1.0
    # Python rounds fractions to nearest, ties to even.
    elements = [max(least, min(most, round(_fp32(Fraction(value) / Fraction(rounded))))) for value in values]
    return [element & ((1 << made.element.bits) - 1) for element in elements], _code(rounded, scale)


def _fp32(value: Fraction) -> Fraction:
    """Rounded to fp32; beyond its largest number a number that every later step treats as infinite."""
    result = FP32.rounded_exactly(value)
    if abs(result) > FP32.most:
        return 2 * FLT_MAX if value > 0 else -2 * FLT_MAX
    return Fraction(result)


def _code(value: float, encoding: Encoding) -> int:
    """The positive code of a number that the format has."""
    return _codes(encoding)[value]


@cache
def _codes(encoding: Encoding) -> dict[float, int]:
    """The codes of all numbers, the positive one of zero."""
    numbers = encoding.decode(np.arange(1 << encoding.bits)).tolist()
    return {number: code for code, number in reversed([*enumerate(numbers)])}
