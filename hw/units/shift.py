"""A shift to the left by a sum of powers."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, Value, signed


def shifted(m: Module, value: Value, powers: Sequence[Value], width_bits: int, name: str) -> Value:
    """``value * 2**sum(powers)``, modulo ``2**width_bits``; one multiplexer for each bit of the sum.

    Steps of the small bits come first, so that the number grows as late as it can.
    """
    total: Value = powers[0]
    for power in powers[1:]:
        total = total + power
    amount = Signal(len(total), name=f"{name}_power")
    m.d.comb += amount.eq(total)
    for step in range(len(amount)):
        moved = Signal(signed(min(width_bits, len(value) + (1 << step))), name=f"{name}_step{step}")
        m.d.comb += moved.eq(Mux(amount[step], value << (1 << step), value))
        value = moved
    return value
