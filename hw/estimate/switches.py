"""Primitives of the switches between ports and rotating banks."""

from __future__ import annotations

from collections import Counter

from dataflow.banking import Switch
from hw.carries import all_carries
from hw.design import Design
from hw.estimate.tally import Primitives
from hw.netlist import Node


def rotator_primitives(design: Design, node: Node) -> Primitives:
    """A barrel rotator: one multiplexer a lane and bit of a digit, and a register a lane."""
    switch = node.parameter("switch")
    assert isinstance(switch, Switch)
    lanes = len(switch.grid) * design.netlist.node[node.arcs("lane")[0].source].width_bits
    digits = sum(switch.digit_bits(r) for r in switch.dimensions)
    return Counter({"register_bits": lanes, "switch_bits": lanes * digits})


def spread_primitives(design: Design, node: Node) -> Primitives:
    """The address of every bank: multiplexers between carries, and comparisons of a digit with each bank."""
    switch = node.parameter("switch")
    assert isinstance(switch, Switch)
    found: Primitives = Counter()
    for r in switch.dimensions:
        found["gate_bits"] += switch.counts[r] * switch.digit_bits(r)
    carries = all_carries(switch)
    for place in switch.grid:
        options = sum(
            all(
                turns or int(b < f) == c
                for b, f, turns, c in zip(place, switch.first, switch.rotating, carry, strict=True)
            )
            for carry in carries
        )
        found["switch_bits"] += (options - 1) * node.width_bits
    return found
