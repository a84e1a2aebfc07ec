"""What the modules of a design consist of, counted on the folded netlist without building them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from hw.design import Design
from hw.estimate.control import control_primitives
from hw.estimate.switches import rotator_primitives, spread_primitives
from hw.estimate.table import EstimateError
from hw.estimate.tally import Primitives, Tallied, Tally
from hw.kinds import Kind, Operand, Use
from hw.units.delay import MOST_TAPS
from workloads.formats import Format
from workloads.functional_unit import FunctionalUnit


@dataclass(frozen=True, slots=True)
class ModulePrimitives:
    """One distinct module of a design.

    Attributes
    ----------
    component : str
        "functional units", "banks' ports", "switches", "control" or "wiring".
    instances : int
    primitives : mapping of primitive to its amount in one instance
    """

    name: str
    component: str
    instances: int
    primitives: Primitives


def design_primitives(design: Design) -> tuple[ModulePrimitives, ...]:
    """Count every module of a design but the memories.

    Raises
    ------
    EstimateError
        A node of a kind that nothing was calibrated on.
    """
    found = [
        ModulePrimitives(design.module("control"), "control", 1, control_primitives(design)),
        ModulePrimitives(design.name, "wiring", 1, _wiring(design)),
    ]
    for region, points in design.structure.kinds.items():
        component = "banks' ports" if region in design.bank_of else "functional units"
        for kind, instances in Counter(points.values()).items():
            found.append(ModulePrimitives(design.kind_name[kind], component, instances, kind_primitives(kind)))
    for node in design.netlist.nodes:
        if node.name in design.composite:
            count = rotator_primitives if node.op == "rotate" else spread_primitives
            found.append(ModulePrimitives(design.composite[node.name], "switches", 1, count(design, node)))
    return tuple(found)


def kind_primitives(kind: Kind) -> Primitives:
    """Primitives of one module of a region."""
    found: Primitives = Counter()
    width = {use.node.name: use.node.width_bits for use in kind.uses}
    found["register_bits"] += sum(width[name] * registers for name, registers in kind.chains.items())
    for use in kind.uses:
        ins = {operand.role: _operand(operand, found) for operand in use.operands}
        _node(use, ins, found)
    return found


def _operand(operand: Operand, found: Primitives) -> Tallied:
    if len(operand.choices) > 1:
        # An AND a source that is let through, and an OR for each but the first.
        sources = [choice for choice in operand.choices if choice.port or choice.local or choice.constant]
        wires = [choice for choice in sources if not choice.constant]
        found["gate_bits"] += sum(choice.width_bits for choice in wires)
        found["gate_bits"] += max(0, len(sources) - 1) * operand.width_bits
    if operand.fifo:
        depth, bits = operand.fifo_depth, operand.width_bits
        found["register_bits"] += depth * bits
        found["mux_bits"] += (depth - 1) * bits
        if depth > MOST_TAPS:
            # Each word keeps its value but when the pointer is at it.
            found["mux_bits"] += depth * bits
    return Tallied(operand.width_bits, found)


def _node(use: Use, ins: dict[str, Tallied], found: Primitives) -> None:
    node, bits = use.node, use.node.width_bits
    match node.op:
        case "source":
            found["mux_bits"] += sum(role.startswith("from") for role in ins) * bits
            if "load" in ins:
                found["register_bits"] += bits
                found["mux_bits"] += bits
        case "decode":
            held = node.parameter("format")
            assert isinstance(held, Format) and held.encoding is not None
            found["mux_bits"] += bits * held.encoding.exponent_bits
            found["adder_bits"] += bits
        case "significand":
            found["adder_bits"] += bits
        case "power":
            found["adder_bits"] += bits
            found["gate_bits"] += bits
        case "shift":
            powers = [tallied for role, tallied in ins.items() if role != "value"]
            amount = powers[0]
            for power in powers[1:]:
                amount = amount + power
            moved = ins["value"].bits
            for step in range(amount.bits):
                moved = min(bits, moved + (1 << step))
                found["mux_bits"] += moved
            found["register_bits"] += bits
        case "multiply":
            constant = dict(node.parameters).get("constant")
            sources = {
                (choice.local, choice.port) for o in use.operands for choice in o.choices if o.role in ("a", "b")
            }
            if constant is not None:
                _ = ins["a"] * int(str(constant))
            elif "b" in ins and len(sources) > 1:
                _ = ins["a"] * ins["b"]
            found["register_bits"] += bits
        case "compute":
            unit = node.parameter("unit")
            assert isinstance(unit, FunctionalUnit)
            unit.value(Tally(), [ins[role] for role in unit.operands])
            found["register_bits"] += bits
        case "add":
            if "b" in ins:
                node.reduction.combine(Tally(), ins["a"], ins["b"])
            found["register_bits"] += bits
        case "reduce":
            _reduce(use, found)
        case "select":
            found["gate_bits" if "first" not in ins else "mux_bits"] += bits
        case "mask":
            found["gate_bits"] += bits + sum(role.startswith("bit_") for role in ins) - 1
        case "all":
            found["gate_bits"] += len(ins) - 1
        case "relay":
            found["register_bits"] += bits
        case "read" | "write" | "lane":
            pass
        case _:
            raise EstimateError(node.name, (f"no calibrated design has a node of kind {node.op!r}",))


def _reduce(use: Use, found: Primitives) -> None:
    node, terms = use.node, [operand.width_bits for operand in use.operands]
    level = 0
    while len(terms) > 1:
        level += 1
        pairs = [terms[k : k + 2] for k in range(0, len(terms), 2)]
        if not node.parameter("balanced"):
            pairs = [terms[:2], *([t] for t in terms[2:])]
        following = []
        for pair in pairs:
            if len(pair) == 2:
                operands = [Tallied(min(bits, node.width_bits), found) for bits in pair]
                widened = node.reduction.combine(Tally(), *operands).bits
            else:
                widened = pair[0]
            following.append(min(widened, node.width_bits))
        found["register_bits"] += sum(following)
        terms = following
    found["register_bits"] += max(0, node.latency_cycles - level) * node.width_bits


def _wiring(design: Design) -> Primitives:
    """Registers between modules, choices of the modes in front of switches, and the host's read path."""
    found: Primitives = Counter()
    netlist, structure = design.netlist, design.structure
    lines: dict[tuple[object, ...], int] = defaultdict(int)
    for wire in structure.all_wires():
        tap = (wire.producer, wire.point, wire.tap)
        lines[tap] = max(lines[tap], wire.beyond)
    found["register_bits"] += sum(netlist.node[str(tap[0])].width_bits * cycles for tap, cycles in lines.items())
    for places in structure.inputs.values():
        for choices in places.values():
            wires = [wire for _, wire in choices if wire]
            if len(choices) > 1:
                widths = [netlist.node[wire.producer].width_bits for wire in wires]
                found["gate_bits"] += sum(widths) + (len(wires) - 1) * max(widths, default=0)
    found["register_bits"] += design.host_bits + 4
    found["gate_bits"] += 2 * sum(unit.banks * design.bank_bits(unit) for unit in design.units)
    return found
