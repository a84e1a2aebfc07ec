"""Run-time registers of a design: what the host writes before a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dataflow.architecture import Plan
from hw.generators import Generator
from hw.netlist import Netlist

# Name, bits, meaning, and "wraps" or "signed" where that holds.
Field = tuple[str, int, str] | tuple[str, int, str, str]


@dataclass(frozen=True, slots=True)
class Register:
    """One field written through the configuration port; wider than 32 bits takes several addresses.

    Attributes
    ----------
    wraps : bool
        The hardware computes modulo ``2 ** bits`` with it.
    signed : bool
        Two's complement.
    """

    name: str
    bits: int
    address: int
    meaning: str
    wraps: bool = False
    signed: bool = False

    @property
    def words(self) -> int:
        return -(-self.bits // 32)


def design_registers(netlist: Netlist, generators: Sequence[Generator]) -> tuple[Register, ...]:
    """Every register of a design, at consecutive word addresses."""
    plan = netlist.plan
    fields: list[Field] = []
    levels = plan.dataflow.order
    for loop, extent in zip(levels, plan.dataflow.time_extents(plan.extents), strict=True):
        fields.append((f"last_{loop}", max(1, (extent - 1).bit_length()), f"trips of time loop {loop} less one"))
    fields.append(("gap", 16, "idle cycles after each step of the gap loop"))
    fields.append(("accumulate", 1, "1: sums start from what the output banks hold"))
    for loop, size in plan.dataflow.space:
        fields.append((f"edge_{loop}", size, f"positions of loop {loop} inside its extent in its last time step"))
    for loop in guarded_tiles(plan):
        bits = plan.nest.extents[loop].bit_length() + 1
        fields.append((f"origin_{loop}", bits, f"first iteration of loop {loop} in this run"))
    fields += _link_fields(netlist)
    for gen in generators:
        fields += _generator_fields(gen, levels)
    registers, address = [], 0
    for name, bits, meaning, *kind in fields:
        registers.append(Register(name, bits, address, meaning, "wraps" in kind, "signed" in kind))
        address += registers[-1].words
    return tuple(registers)


def guarded_tiles(plan: Plan) -> tuple[str, ...]:
    """Tiled loops that a guard depends on, so that it has to know where the run begins."""
    used = {loop for guard in plan.nest.guards for loop in guard.loops}
    return tuple(loop for loop, _ in plan.dataflow.tile if loop in used)


def _link_fields(netlist: Netlist) -> list[Field]:
    fields: list[Field] = []
    for feed in netlist.plan.feeds:
        for i, _ in enumerate(feed.delayed):
            fields.append((f"{feed.operand}_link{i}_on", 1, f"1: delayed link {i} of {feed.operand} is in use"))
    for name, depth in fifo_depths(netlist).items():
        fields.append((name, max(1, depth.bit_length()), "cycles of the delayed link"))
    return fields


def fifo_depths(netlist: Netlist) -> dict[str, int]:
    """Capacity of every programmable delay: its length at the design's limits."""
    depths: dict[str, int] = {}
    for node, arc in netlist.arcs():
        if arc.fifo:
            span = max(span for _, _, span in netlist.spans(node, arc))
            depths[arc.fifo] = max(depths.get(arc.fifo, 0), span + netlist.slack(node, arc))
    return depths


def _generator_fields(gen: Generator, levels: Sequence[str]) -> list[Field]:
    name = gen.name
    fields: list[Field] = [(f"{name}_start", gen.address_bits, f"first address of {name}", "wraps")]
    fields += [
        (f"{name}_by{k}", gen.address_bits, f"address step of {name} with loop {loop}", "wraps")
        for k, loop in enumerate(levels)
    ]
    for r in range(len(gen.banking.counts)):
        if _turns(gen, r):
            meaning = f"address step of {name} to the next row of banks in dimension {r}"
            fields.append((f"{name}_turn{r}", gen.address_bits, meaning, "wraps"))
    for r in gen.rotating:
        bits = gen.digit_bits(r) + gen.phase_bits(r)
        fields.append((f"{name}_low{r}", bits, f"coordinate {r} of {name} modulo its banks"))
        fields += [(f"{name}_low{r}_by{k}", bits, f"its step with loop {loop}") for k, loop in enumerate(levels)]
    for r in gen.ranged:
        fields.append((f"{name}_at{r}", gen.coordinate_bits, f"coordinate {r} of {name} at the first step", "signed"))
        fields += [
            (f"{name}_at{r}_by{k}", gen.coordinate_bits, f"its step with loop {loop}", "signed")
            for k, loop in enumerate(levels)
        ]
        fields.append((f"{name}_shape{r}", gen.coordinate_bits, f"extent {r} of {gen.access.tensor}", "signed"))
    return fields


def _turns(gen: Generator, dimension: int) -> bool:
    return gen.banking.rotating[dimension] or gen.banking.first[dimension] > 0


def turning(gen: Generator) -> tuple[int, ...]:
    """Dimensions in which a port may lie one row of banks further than port offset 0."""
    return tuple(r for r in range(len(gen.banking.counts)) if _turns(gen, r))
