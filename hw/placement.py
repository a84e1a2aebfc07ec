"""Which memory serves as which bank in each mode: a port keeps its memory from mode to mode where it can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dataflow.architecture import Plan
from dataflow.banking import Banking
from dataflow.dataflow import Point
from hw.netlist import Netlist


@dataclass(frozen=True)
class Placement:
    """Memories of one mode.

    Attributes
    ----------
    memories : mapping of bank set to tuple of int
        The memory that serves as each bank, in the banks' row-major order.
    """

    memories: Mapping[str, tuple[int, ...]]


def place_banks(plans: Sequence[Plan]) -> tuple[Placement, ...]:
    """Choose memories for the banks of every mode.

    The mode with most banks goes first and takes them in order. A later mode whose ports are wired keeps, for each
    unit, the memory that the unit's port has in an earlier one; equal switches keep their memories as well.
    """
    found: list[dict[str, tuple[int, ...]]] = [{} for _ in plans]
    names = dict.fromkeys(name for plan in plans for name, _ in bank_sets(plan))
    for name in names:
        users = [(mode, banking) for mode, plan in enumerate(plans) for n, banking in bank_sets(plan) if n == name]
        users.sort(key=lambda user: (-user[1].total, user[0]))
        memories = users[0][1].total
        at_unit: dict[Point, int] = {}
        at_switch: dict[object, tuple[int, ...]] = {}
        for mode, banking in users:
            chosen = at_switch.get(banking.switch) if banking.switched else None
            if chosen is None:
                chosen = _keep(banking, at_unit, memories)
            found[mode][name] = chosen
            if banking.switched:
                at_switch[banking.switch] = chosen
            else:
                for unit, offset in banking.ports:
                    at_unit.setdefault(unit, chosen[banking.flat(banking.port_bank(offset))])
    return tuple(Placement(each) for each in found)


def bank_sets(plan: Plan) -> list[tuple[str, Banking]]:
    """The bank sets of a plan by operand."""
    return [(plan.drain.operand, plan.drain.banking), *((feed.operand, feed.banking) for feed in plan.feeds)]


def _keep(banking: Banking, at_unit: Mapping[Point, int], memories: int) -> tuple[int, ...]:
    kept: dict[int, int] = {}
    if not banking.switched:
        for unit, offset in banking.ports:
            memory = at_unit.get(unit)
            if memory is not None and memory not in kept.values():
                kept[banking.flat(banking.port_bank(offset))] = memory
    free = iter(sorted(set(range(memories)) - set(kept.values())))
    return tuple(kept[bank] if bank in kept else next(free) for bank in range(banking.total))


def bank_points(netlist: Netlist, placement: Placement) -> dict[str, dict[Point, Point]]:
    """For each region of banks, the memory at each of its points."""
    moved: dict[str, dict[Point, Point]] = {}
    for name, banking in bank_sets(netlist.plan):
        chosen = placement.memories[name]
        if banking.switched:
            moved[f"{name}_bank"] = {b: (chosen[banking.flat(b)],) for b in banking.grid}
        else:
            moved[f"{name}_bank"] = {
                unit: (chosen[banking.flat(banking.port_bank(offset))],) for unit, offset in banking.ports
            }
    return moved
