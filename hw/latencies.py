"""The one latency constant of each primitive; delay matching, the cycle model and the hardware all read it."""

from __future__ import annotations

LATENCY_CYCLES = {
    "read": 1,
    "rotate": 1,
    "multiply": 1,
    "float_multiply": 1,
    "shift": 1,
    "compute": 1,
    "add": 1,
    "relay": 1,
}


def reduce_latency_cycles(operands: int, *, balanced: bool) -> int:
    """Pipeline depth of a multi-operand sum, one register a level: a tree when balanced, else a chain."""
    return (operands - 1).bit_length() if balanced else operands - 1
