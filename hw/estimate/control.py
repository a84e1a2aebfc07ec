"""Primitives of the control: run-time registers, time counters, address generators, conditions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hw.conditions import (
    Address,
    All,
    AtLeast,
    ByMode,
    GuardHolds,
    InRange,
    Inside,
    NoneOf,
    Single,
    Value,
)
from hw.design import Design
from hw.estimate.tally import Primitives
from hw.levels import loop_levels
from hw.units.delay import MOST_TAPS

_CYCLE_COUNTER_BITS = 32
_GAP_BITS = 16


def control_primitives(design: Design) -> Primitives:
    """Primitives of the sequencer of a design.

    A run-time register is "config_bits": a flip-flop, and a multiplexer that keeps it.
    A state that a step of any time loop changes is "state_bits": a flip-flop, an adder, and the choice of its start;
    each loop's step is one more "mux_bits".
    """
    found: Primitives = Counter()
    for register in design.registers:
        found["config_bits"] += register.bits
    bits = {register.name: register.bits for register in design.registers}
    levels = loop_levels(design.netlist.plans)
    counters = sum(bits[f"last_{loop}"] for loop in levels)
    drain = design.most_drain_cycles.bit_length()
    gap = _GAP_BITS if any(plan.drain.gap_level >= 0 for plan in design.netlist.plans) else 0
    # Counters also compare themselves with their last value.
    found["state_bits"] += counters + _CYCLE_COUNTER_BITS + gap + drain
    found["gate_bits"] += 2 * counters
    for unit in design.units:
        states = [unit.low_bits(r) for r in unit.rotating]
        states += [unit.coordinate_bits for _ in unit.ranged] + [unit.address_bits]
        found["state_bits"] += sum(states)
        found["mux_bits"] += len(levels) * sum(states)
        # Carries of the digits: a sum to see them and one to add the row.
        for r in unit.rotating:
            digits = unit.digit_modes(r)
            found["adder_bits"] += (1 + len(digits)) * (unit.low_bits(r) + unit.address_bits)
    for depth in design.fifos.values():
        if depth > MOST_TAPS:
            found["state_bits"] += 2 * max(1, (depth - 1).bit_length())
    for value in dict.fromkeys(_values(design)):
        _count(value, design, bits, found)
    return found


def _values(design: Design) -> Iterator[Single | ByMode]:
    """Every value that leaves the control, and what it is made of."""
    for node in design.netlist.nodes:
        if node.op == "control":
            values = node.parameter("values")
            assert isinstance(values, tuple)
            for value in values:
                yield from _parts(value)


def _parts(value: Value) -> Iterator[Single | ByMode]:
    yield value
    if isinstance(value, ByMode):
        for _, single in value.values:
            yield from _parts(single)
    if isinstance(value, All | NoneOf):
        for term in value.terms:
            yield from _parts(term)


def _count(value: Single | ByMode, design: Design, bits: dict[str, int], found: Primitives) -> None:
    plans = design.netlist.plans
    match value:
        case ByMode(choices):
            if (different := len({single for _, single in choices})) > 1:
                widths = [design.unit[s.generator].address_bits if isinstance(s, Address) else 1 for _, s in choices]
                found["gate_bits"] += 2 * different * max(widths)
        case Address(name, carry):
            unit = design.unit[name]
            found["adder_bits"] += unit.address_bits * sum(r < len(carry) and bool(carry[r]) for r in unit.turning)
        case AtLeast(level, _):
            found["adder_bits"] += bits[f"last_{loop_levels(plans)[level]}"]
        case InRange(name, _, offset):
            found["adder_bits"] += design.unit[name].coordinate_bits * (2 if offset else 1)
        case Inside():
            found["gate_bits"] += 1
        case All(terms) | NoneOf(terms):
            found["gate_bits"] += len(terms) - 1
        case GuardHolds(index, _, mode):
            guard, extents = plans[mode].nest.guards[index], plans[mode].nest.extents
            loops = {*guard.loops}
            found["adder_bits"] += sum(extents[loop].bit_length() + 1 for loop in loops)
