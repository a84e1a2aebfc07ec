"""Run-time registers of a design: what the host writes before a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dataflow.architecture import Plan
from hw.generators import AddressUnit
from hw.levels import levels_outside, loop_levels
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


def design_registers(netlist: Netlist, units: Sequence[AddressUnit], most_drain_cycles: int) -> tuple[Register, ...]:
    """Every register of a design, at consecutive word addresses."""
    plans, levels = netlist.plans, loop_levels(netlist.plans)
    fields: list[Field] = []
    if len(plans) > 1:
        fields.append(("mode", len(plans), "one bit a dataflow; the bit that is set chooses"))
        fields.append(("drain", max(1, most_drain_cycles.bit_length()), "cycles from the last step to its write"))
    for level, name in enumerate(levels):
        trips = [
            plan.dataflow.time_extents(plan.extents)[level - outside]
            for plan in plans
            if level >= (outside := levels_outside(plans, plan))
        ]
        fields.append((f"last_{name}", max(1, (max(trips) - 1).bit_length()), f"trips of time loop {name} less one"))
    fields.append(("gap", 16, "idle cycles after each step of the gap loop"))
    fields.append(("accumulate", 1, "1: sums start from what the output banks hold"))
    for axis, name in enumerate(axis_names(plans)):
        size = max(plan.dataflow.shape[axis] for plan in plans)
        fields.append((f"edge_{name}", size, f"positions of {name} inside its extent in its last time step"))
    origins: dict[str, int] = {}
    for plan in plans:
        for loop in guarded_tiles(plan):
            origins[loop] = max(origins.get(loop, 0), plan.nest.extents[loop].bit_length() + 1)
    fields += [
        (f"origin_{loop}", bits, f"first iteration of loop {loop} in this run") for loop, bits in origins.items()
    ]
    fields += _link_fields(netlist)
    for unit in units:
        fields += _address_fields(unit, levels)
    return numbered(fields, 0)


def numbered(fields: Sequence[Field], address: int) -> tuple[Register, ...]:
    """Registers at consecutive word addresses from ``address`` on."""
    registers = []
    for name, bits, meaning, *kind in fields:
        registers.append(Register(name, bits, address, meaning, "wraps" in kind, "signed" in kind))
        address += registers[-1].words
    return tuple(registers)


def axis_names(plans: Sequence[Plan]) -> tuple[str, ...]:
    """Names of the array's axes: the loop's, where all dataflows agree."""
    loops = [
        dict.fromkeys(plan.dataflow.space[axis][0] for plan in plans) for axis in range(len(plans[0].dataflow.space))
    ]
    return tuple(next(iter(names)) if len(names) == 1 else f"axis{axis}" for axis, names in enumerate(loops))


def guarded_tiles(plan: Plan) -> tuple[str, ...]:
    """Tiled loops that a guard depends on, so that it has to know where the run begins."""
    used = {loop for guard in plan.nest.guards for loop in guard.loops}
    return tuple(loop for loop, _ in plan.dataflow.tile if loop in used)


def _link_fields(netlist: Netlist) -> list[Field]:
    fields: dict[str, Field] = {}
    for plan in netlist.plans:
        for feed in plan.feeds:
            for i, _ in enumerate(feed.delayed):
                name = f"{feed.operand}_link{i}_on"
                fields[name] = (name, 1, f"1: delayed link {i} of {feed.operand} is in use")
    for name, depth in fifo_depths(netlist).items():
        fields[name] = (name, max(1, depth.bit_length()), "cycles of the delayed link")
    return list(fields.values())


def fifo_depths(netlist: Netlist) -> dict[str, int]:
    """Capacity of every programmable delay: its length at the design's limits."""
    depths: dict[str, int] = {}
    for node, arc in netlist.arcs():
        if arc.fifo:
            span = int(netlist.links(node, arc).span_cycles.max())
            depths[arc.fifo] = max(depths.get(arc.fifo, 0), span + netlist.slack(node, arc))
    return depths


def _address_fields(unit: AddressUnit, levels: Sequence[str]) -> list[Field]:
    name = unit.name
    fields: list[Field] = [(f"{name}_start", unit.address_bits, f"first address of {name}", "wraps")]
    fields += [
        (f"{name}_by{k}", unit.address_bits, f"address step of {name} with loop {loop}", "wraps")
        for k, loop in enumerate(levels)
    ]
    for r in unit.turning:
        meaning = f"address step of {name} to the next row of banks in dimension {r}"
        fields.append((f"{name}_turn{r}", unit.address_bits, meaning, "wraps"))
    for r in unit.rotating:
        bits = unit.low_bits(r)
        fields.append((f"{name}_low{r}", bits, f"coordinate {r} of {name} modulo its banks"))
        fields += [(f"{name}_low{r}_by{k}", bits, f"its step with loop {loop}") for k, loop in enumerate(levels)]
    for r in unit.ranged:
        fields.append((f"{name}_at{r}", unit.coordinate_bits, f"coordinate {r} of {name} at the first step", "signed"))
        fields += [
            (f"{name}_at{r}_by{k}", unit.coordinate_bits, f"its step with loop {loop}", "signed")
            for k, loop in enumerate(levels)
        ]
        fields.append((f"{name}_shape{r}", unit.coordinate_bits, f"extent {r} of {unit.tensor}", "signed"))
    return fields
