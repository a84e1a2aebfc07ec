"""The one latency constant of each primitive; delay matching, the cycle model and the hardware all read it."""

from __future__ import annotations

from dataclasses import dataclass

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

# Of a floating-point product or sum where nothing needs its result a cycle later (`hw.pipelining`).
FLOAT_CYCLES = 2


def reduce_latency_cycles(operands: int, *, balanced: bool) -> int:
    """Pipeline depth of a multi-operand sum, one register a level: a tree when balanced, else a chain."""
    return (operands - 1).bit_length() if balanced else operands - 1


@dataclass(frozen=True, slots=True)
class QuantizerCycles:
    """Distances inside a streaming quantizer.

    Attributes
    ----------
    scale : int
        From a block's largest magnitude, in fp32, to the first number that its scale can divide.
    code : int
        From a number in fp32 to its code.
    """

    scale: int
    code: int


# By the format of the scale. E4M3: product, rounding, and for the scale the choice of its inverse.
QUANTIZER_CYCLES = {"e4m3": QuantizerCycles(3, 2), "e8m0": QuantizerCycles(1, 1), "fp16": QuantizerCycles(1, 1)}

# An integer times an fp32 factor, rounded to fp32: product, rounding.
CONVERT_CYCLES = 2
