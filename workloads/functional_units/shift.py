"""Shift: multiplication by a power of two, whose exponent is the four lowest bits of the second operand, 0 to 15."""

from __future__ import annotations

from typing import Any

from workloads.functional_unit import Arithmetic, FunctionalUnit, Range

AMOUNT_BITS = 4


def shifted(on: Arithmetic, a: Any, b: Any) -> Any:
    """``a`` times two to the power of the lowest bits of ``b``."""
    return a << on.low_bits(b, AMOUNT_BITS)


def shifted_bounds(a: Range, b: Range) -> Range:
    """Range of ``shifted``; the amounts of a range are consecutive modulo ``2 ** AMOUNT_BITS``."""
    period = 1 << AMOUNT_BITS
    amounts = {value % period for value in range(b[0], min(b[1], b[0] + period - 1) + 1)}
    corners = [value << amount for value in a for amount in (min(amounts), max(amounts))]
    return min(corners), max(corners)


UNIT = FunctionalUnit("shift", "a << b", shifted, shifted_bounds)
