"""Floating-point numbers in few bits: what a code means, and which code a number gets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.unsignedinteger]


@dataclass(frozen=True, slots=True)
class Encoding:
    """Sign, exponent and mantissa of a binary floating-point format.

    Attributes
    ----------
    bias : int
        A code with exponent field ``e > 0`` and mantissa field ``m`` is ``2**(e - bias) * (1 + m / 2**mantissa_bits)``.
    specials : {"none", "nan", "ieee"}
        ``none``: every code is a number. ``nan``: only the code of all ones, sign apart, is not. ``ieee``: the largest
        exponent is for infinities and NaN.
    saturates : bool
        Numbers beyond the largest become the largest; otherwise those that round beyond it become infinite.
    unsigned_power : bool
        E8M0: no sign, no mantissa, no zero, no subnormal numbers.

    References
    ----------
    E2M1, E8M0: Open Compute Project, "Microscaling formats (MX) specification", version 1.0, section 5.3.
    E4M3, E5M2: P. Micikevicius et al., "FP8 formats for deep learning", arXiv 2209.05433, table 1.
    """

    exponent_bits: int
    mantissa_bits: int
    bias: int
    specials: Literal["none", "nan", "ieee"]
    saturates: bool = True
    unsigned_power: bool = False

    @property
    def bits(self) -> int:
        return self.exponent_bits + self.mantissa_bits + (not self.unsigned_power)

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """The smallest unsigned integer that holds a code."""
        return np.dtype(f"uint{max(8, self.bits)}")

    @property
    def least_exponent(self) -> int:
        """Of the smallest normal number."""
        return (0 if self.unsigned_power else 1) - self.bias

    @property
    def nan(self) -> int | None:
        """The positive code of NaN; None where there is none."""
        magnitude = (1 << (self.exponent_bits + self.mantissa_bits)) - 1
        if self.specials == "none":
            return None
        # IEEE-754: the highest mantissa bit marks a quiet NaN.
        return magnitude if self.specials == "nan" else self._infinity | 1 << (self.mantissa_bits - 1)

    @property
    def most_code(self) -> int:
        """The code of the largest number."""
        magnitude = (1 << (self.exponent_bits + self.mantissa_bits)) - 1
        return {"none": magnitude, "nan": magnitude - 1, "ieee": self._infinity - 1}[self.specials]

    @property
    def most(self) -> float:
        """The largest number."""
        return float(self.decode(np.array(self.most_code)))

    @property
    def _infinity(self) -> int:
        return ((1 << self.exponent_bits) - 1) << self.mantissa_bits

    def rounded(self, values: npt.ArrayLike) -> Floats:
        """Round to nearest, ties to even, of numbers in at most fp64; NaN stays, E8M0 has none for a sign or a zero."""
        given = np.asarray(values, np.float64)
        magnitude = np.abs(given)
        _, above = np.frexp(magnitude)
        quantum = np.ldexp(1.0, np.maximum(above - 1, self.least_exponent) - self.mantissa_bits)
        # Where the quantum overflows or the number is infinite, the comparison below takes over.
        with np.errstate(invalid="ignore", over="ignore"):
            result = np.where(np.isinf(given), np.inf, np.rint(magnitude / quantum) * quantum)
        result = np.where(result > self.most, self.most if self.saturates else np.inf, result)
        if self.unsigned_power:
            result = np.maximum(result, 2.0**self.least_exponent)
            return np.where(given > 0, result, np.nan)
        return np.copysign(result, given)

    def encode(self, values: npt.ArrayLike) -> Codes:
        """Codes of the rounded values; a NaN that the format has no code for becomes the largest number.

        E8M0 has NaN for whatever is not positive.
        """
        number = self.rounded(values)
        magnitude = np.abs(number)
        finite = np.where(np.isfinite(magnitude), magnitude, 0.0)
        _, above = np.frexp(finite)
        exponent = np.where(finite == 0, self.least_exponent, np.maximum(above - 1, self.least_exponent))
        mantissa = np.ldexp(finite, self.mantissa_bits - exponent).astype(np.int64)
        one = 1 << self.mantissa_bits
        # The hidden bit of a normal number carries into the exponent field.
        code = mantissa + ((exponent - self.least_exponent) << self.mantissa_bits) - (one if self.unsigned_power else 0)
        code = np.where(np.isinf(magnitude), self._infinity, code)
        code = np.where(np.isnan(magnitude), self.most_code if self.nan is None else self.nan, code)
        if not self.unsigned_power:
            code |= np.signbit(number).astype(np.int64) << (self.bits - 1)
        return code.astype(self.dtype)

    def decode(self, codes: npt.ArrayLike) -> Floats:
        """Values of codes; higher bits than the format's are ignored."""
        code = np.asarray(codes).astype(np.int64)
        mantissa = code & ((1 << self.mantissa_bits) - 1)
        field = (code >> self.mantissa_bits) & ((1 << self.exponent_bits) - 1)
        normal = (field > 0) | self.unsigned_power
        exponent = np.where(normal, field - self.bias, self.least_exponent)
        whole = mantissa + (normal.astype(np.int64) << self.mantissa_bits)
        value = np.ldexp(whole.astype(np.float64), exponent - self.mantissa_bits)
        top = (1 << self.exponent_bits) - 1
        if self.specials == "ieee":
            value = np.where(field == top, np.where(mantissa == 0, np.inf, np.nan), value)
        elif self.specials == "nan":
            value = np.where((field == top) & (mantissa == (1 << self.mantissa_bits) - 1), np.nan, value)
        if self.unsigned_power:
            return np.asarray(value, np.float64)
        sign = np.where((code >> (self.bits - 1)) & 1, -1.0, 1.0)
        return np.asarray(np.copysign(value, sign), np.float64)

    def rounded_exactly(self, value: Fraction) -> float:
        """`rounded` of a single number of any precision: the definition."""
        if not value:
            return 0.0
        magnitude = abs(value)
        exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
        if Fraction(2) ** exponent > magnitude:
            exponent -= 1
        quantum = Fraction(2) ** (max(exponent, self.least_exponent) - self.mantissa_bits)
        # Python rounds fractions to nearest, ties to even.
        result = round(magnitude / quantum) * quantum
        size = float(result) if result <= Fraction(self.most) else self.most if self.saturates else math.inf
        return size if value > 0 else -size


E2M1 = Encoding(2, 1, 1, "none")
E4M3 = Encoding(4, 3, 7, "nan")
E5M2 = Encoding(5, 2, 15, "ieee")
E8M0 = Encoding(8, 0, 127, "nan", unsigned_power=True)
FP16 = Encoding(5, 10, 15, "ieee", saturates=False)
BF16 = Encoding(8, 7, 127, "ieee", saturates=False)
FP32 = Encoding(8, 23, 127, "ieee", saturates=False)
