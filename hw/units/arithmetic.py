"""Functional units on wires: what their definitions need beyond Python's operators, as Amaranth has it."""

from __future__ import annotations

from amaranth.hdl import Mux, Value


class Wires:
    """`workloads.functional_unit.Arithmetic` on Amaranth values, whose operators grow so that nothing is lost."""

    def select(self, condition: Value, when_true: Value | int, when_false: Value | int) -> Value:
        return Mux(condition, when_true, when_false)

    def low_bits(self, value: Value, bits: int) -> Value:
        # The mask extends a narrower value by its sign first.
        return (value & ((1 << bits) - 1))[:bits]
