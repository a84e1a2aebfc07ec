"""Counting what an expression on wires needs: operators that note primitives instead of building them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

Primitives = Counter[str]


# Equality is a comparator, as everywhere on wires.
@dataclass(frozen=True, slots=True, eq=False)
class Tallied:
    """A wire of so many bits; operators note what they cost in ``found`` and give the result's wire.

    An adder goes with the width of its result, a multiplier with that of its
    adders, which is the product of its operands' widths less the wider, and a shifter is
    one multiplexer of the result's width for each bit of the amount.
    """

    bits: int
    found: Primitives

    def _noted(self, primitive: str, amount: int, bits: int) -> Tallied:
        self.found[primitive] += amount
        return Tallied(bits, self.found)

    def _sum(self, other: Tallied | int) -> Tallied:
        bits = max(self.bits, _bits(other)) + 1
        return self._noted("adder_bits", bits, bits)

    __add__ = __radd__ = __sub__ = __rsub__ = _sum

    def __neg__(self) -> Tallied:
        return self._sum(0)

    def __abs__(self) -> Tallied:
        return self._noted("adder_bits", self.bits, self.bits)

    def __mul__(self, other: Tallied | int) -> Tallied:
        bits = self.bits + _bits(other)
        if isinstance(other, int):
            # One sum for each set bit but one.
            return self._noted("adder_bits", (abs(other).bit_count() - 1) * self.bits if other else 0, bits)
        few, many = sorted((self.bits, other.bits))
        # Of the rows of partial products, the first needs no adder.
        return self._noted("multiplier_bits2", (few - 1) * many, bits)

    __rmul__ = __mul__

    def __lshift__(self, other: Tallied | int) -> Tallied:
        if isinstance(other, int):
            return Tallied(self.bits + other, self.found)
        bits = self.bits + (1 << other.bits) - 1
        return self._noted("mux_bits", bits * other.bits, bits)

    def _compared(self, other: object) -> Tallied:
        assert isinstance(other, Tallied | int)
        return self._noted("adder_bits", max(self.bits, _bits(other)), 1)

    __lt__ = __le__ = __gt__ = __ge__ = _compared

    def __eq__(self, other: object) -> Tallied:  # type: ignore[override]
        assert isinstance(other, Tallied | int)
        return self._noted("gate_bits", max(self.bits, _bits(other)), 1)

    def __and__(self, other: Tallied | int) -> Tallied:
        bits = min(self.bits, _bits(other)) if isinstance(other, int) else max(self.bits, other.bits)
        return Tallied(bits, self.found) if isinstance(other, int) else self._noted("gate_bits", bits, bits)


class Tally:
    """`workloads.functional_unit.Arithmetic` that counts."""

    def select(self, condition: Tallied, when_true: Tallied | int, when_false: Tallied | int) -> Tallied:
        bits = max(_bits(when_true), _bits(when_false))
        condition.found["mux_bits"] += bits
        return Tallied(bits, condition.found)

    def low_bits(self, value: Tallied, bits: int) -> Tallied:
        return Tallied(bits, value.found)


def _bits(value: Tallied | int) -> int:
    return value.bits if isinstance(value, Tallied) else max(1, value.bit_length()) + (value < 0)
