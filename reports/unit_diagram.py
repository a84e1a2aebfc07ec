"""A module kind as a graph of boxes and wires, to be drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hw.design import Design
from hw.kinds import Choice, Kind, Operand, Use
from workloads.functional_unit import FunctionalUnit

_TEXT = {
    "multiply": "multiply",
    "add": "add",
    "reduce": "add all",
    "select": "select",
    "mask": "mask",
    "all": "and",
    "lane": "wire",
    "read": "bank, read",
    "write": "bank, write",
}
# Longer lists of dataflows are given by those that are missing.
_MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class Box:
    """Something that a wire begins or ends at.

    Attributes
    ----------
    sort : str
        "input", "output", "constant", "operation", "multiplexer", "registers" or "delay".
    lines : tuple of str
        What is written in it.
    registers : int
        Pipeline registers in it, one behind the other.
    """

    name: str
    sort: str
    lines: tuple[str, ...]
    registers: int = 0


@dataclass(frozen=True, slots=True)
class Wire:
    """A wire from one box to another; ``text`` stands at its end."""

    source: str
    target: str
    width_bits: int
    text: str


@dataclass(frozen=True)
class Diagram:
    """All of a module: its boxes and wires, in the order of the netlist."""

    title: str
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]


def most_frequent(design: Design, region: str = "fu") -> Kind:
    """The kind that stands at most points of a region; of several, the one that comes first."""
    counts = Counter(design.structure.kinds[region].values())
    return max(counts, key=lambda kind: counts[kind])


def unit_diagram(design: Design, kind: Kind) -> Diagram:
    """Every operation, operand, multiplexer, register and port of a module kind."""
    flows = tuple(plan.dataflow.name for plan in design.netlist.plans)
    boxes: dict[str, Box] = {}
    wires: list[Wire] = []
    # Sums begin at their select, which lets feedback run back to it and not from it.
    for use in sorted(kind.uses, key=lambda use: use.node.op != "select"):
        for operand in use.operands:
            found, ways = _operand(use, operand, flows)
            boxes |= {box.name: box for box in found}
            wires += ways
    boxes |= {use.node.name: _operation(use) for use in kind.uses}
    chains = {name: tuple(sorted(taps)) for name, taps in _taps(kind).items()}
    width = {use.node.name: use.node.width_bits for use in kind.uses}
    for name, taps in chains.items():
        for before, tap in pairwise((0, *taps)):
            count = tap - before
            text = f"{count} register{'s' if count > 1 else ''}"
            boxes[_tap(name, tap)] = Box(_tap(name, tap), "registers", (text,), count)
            wires.append(Wire(_tap(name, before), _tap(name, tap), width[name], ""))
    for name, registers in kind.exports:
        port = f"{name}_d{registers}"
        boxes[f"out {port}"] = Box(f"out {port}", "output", (port,))
        wires.append(Wire(_tap(name, registers), f"out {port}", width[name], ""))
    count = sum(each is kind for each in design.structure.kinds[kind.region].values())
    places = len(design.structure.kinds[kind.region])
    return Diagram(f"{design.kind_name[kind]}, {count} of {places}", tuple(boxes.values()), tuple(wires))


def _tap(name: str, registers: int) -> str:
    """The box whose output is a node's value after so many registers."""
    return f"{name} +{registers}" if registers else name


def _taps(kind: Kind) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {use.node.name: set() for use in kind.uses}
    for use in kind.uses:
        for operand in use.operands:
            for choice in operand.choices:
                if choice.local and choice.registers:
                    found[choice.local].add(choice.registers)
    for name, registers in kind.exports:
        if registers:
            found[name].add(registers)
    return found


def _operand(use: Use, operand: Operand, flows: Sequence[str]) -> tuple[list[Box], list[Wire]]:
    """What stands between the sources of an operand and its operation, from back to front."""
    boxes: list[Box] = []
    wires: list[Wire] = []
    end, text = use.node.name, operand.role
    if operand.fifo:
        name = f"{use.node.name}.{operand.role} delay"
        boxes.append(Box(name, "delay", ("delay", f"1 to {operand.fifo_depth} cycles")))
        wires.append(Wire(name, end, operand.width_bits, text))
        end, text = name, ""
    if len(operand.choices) > 1:
        name = f"{use.node.name}.{operand.role} choice"
        boxes.append(Box(name, "multiplexer", ("or",)))
        wires.append(Wire(name, end, operand.width_bits, text))
        end = name
    for number, choice in enumerate(operand.choices):
        if len(operand.choices) > 1:
            text = names_of(choice.modes, flows)
        source, box = _source(choice, f"{use.node.name}.{operand.role} {number}")
        boxes += box
        wires.append(Wire(source, end, choice.width_bits, text))
    return boxes, wires


def _source(choice: Choice, name: str) -> tuple[str, list[Box]]:
    if choice.port:
        return f"in {choice.port}", [Box(f"in {choice.port}", "input", (choice.port,))]
    if choice.local:
        return _tap(choice.local, choice.registers), []
    return name, [Box(name, "constant", (str(choice.constant),))]


def names_of(modes: Sequence[int], flows: Sequence[str]) -> str:
    """The dataflows of some modes; where they are many, those that are missing."""
    missing = [flow for mode, flow in enumerate(flows) if mode not in modes]
    if len(modes) > _MOST_NAMES and len(missing) < len(modes):
        return f"all but {', '.join(missing)}" if missing else "all"
    return ", ".join(flows[mode] for mode in modes)


def _operation(use: Use) -> Box:
    return Box(use.node.name, "operation", (*_lines(use), use.node.name), use.node.latency_cycles)


def _lines(use: Use) -> Iterator[str]:
    node = use.node
    if node.op == "source":
        roles = {operand.role for operand in use.operands}
        if any(role.startswith("delayed") for role in roles):
            yield "first that has it"
        yield "operand, kept" if "load" in roles else "operand"
    elif node.op == "compute":
        unit = node.parameter("unit")
        assert isinstance(unit, FunctionalUnit)
        yield unit.spelling
    elif node.op == "multiply" and "constant" in dict(node.parameters):
        yield f"times {node.parameter('constant')}"
    elif node.op in ("add", "reduce", "select") and node.reduction.symbol != "+=":
        yield f"{_TEXT[node.op]} ({node.reduction.name})"
    else:
        yield _TEXT.get(node.op, node.op)
