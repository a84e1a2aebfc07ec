"""Module kinds: which nodes, operands and register taps the hardware at a point really has.

Points of a region that look alike share one kind, so that text grows with the number of kinds and not of points.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from dataflow.dataflow import Point
from hw.netlist import Arc, Netlist, Node

# Nodes with a vector for all points of their region, outside the modules of points.
COMPOSITE = ("control", "launch", "rotate", "spread")

# What an operand is worth where a mode does not bring it: a link not in use, a sum that begins, a factor left out.
NEUTRAL = {"load": 1, "bit": 1, "factor": 1}

# Operands of a stationary register or a wire that exclude each other.
SOURCES = ("port", "hop", "broadcast")


@dataclass(frozen=True, slots=True)
class Choice:
    """Where an operand comes from in some of the modes.

    Attributes
    ----------
    modes : tuple of int
    local : str or None
        Producing node of the same point.
    registers : int
        Registers between a local producer and the consumer.
    port : str or None
        Port of the module through which it comes from outside.
    constant : int
        Its value where it has no source.
    """

    modes: tuple[int, ...]
    width_bits: int
    signed: bool
    local: str | None = None
    registers: int = 0
    port: str | None = None
    constant: int = 0


@dataclass(frozen=True, slots=True)
class Operand:
    """One operand of a node inside a kind.

    Attributes
    ----------
    choices : tuple of Choice
        The sources that the modes choose from.
    fifo : str or None
        Programmable delay in front of the consumer.
    """

    role: str
    width_bits: int
    signed: bool
    choices: tuple[Choice, ...]
    fifo: str | None
    fifo_depth: int


@dataclass(frozen=True, slots=True)
class Use:
    """A node as it appears in a kind, with the operands that are present."""

    node: Node
    operands: tuple[Operand, ...]


# Compared by identity: equal kinds are made one object, and hashing their nodes would cost more than all else.
@dataclass(frozen=True, eq=False)
class Kind:
    """One hardware module: nodes with their operands, and the taps that leave it.

    Attributes
    ----------
    exports : tuple of (node, registers)
        Values that leave the module, after so many registers.
    """

    region: str
    uses: tuple[Use, ...]
    exports: tuple[tuple[str, int], ...]

    @cached_property
    def chains(self) -> dict[str, int]:
        """Registers behind each node's output."""
        lengths: dict[str, int] = defaultdict(int)
        for use in self.uses:
            for operand in use.operands:
                for choice in operand.choices:
                    if choice.local:
                        lengths[choice.local] = max(lengths[choice.local], choice.registers)
        for name, registers in self.exports:
            lengths[name] = max(lengths[name], registers)
        return dict(lengths)

    @cached_property
    def mode_sets(self) -> tuple[tuple[int, ...], ...]:
        """Sets of modes that the module has to tell apart."""
        return tuple(
            dict.fromkeys(
                choice.modes
                for use in self.uses
                for operand in use.operands
                if len(operand.choices) > 1
                for choice in operand.choices
            )
        )

    @cached_property
    def clocked(self) -> bool:
        """True if anything in the module holds state, apart from a bank."""
        return any(self.chains.values()) or any(
            use.node.latency_cycles or any(o.role == "load" or o.fifo for o in use.operands)
            for use in self.uses
            if use.node.op != "read"
        )


@dataclass(frozen=True, slots=True)
class Wire:
    """Where an input port of a point comes from: a tap of a producer, then ``beyond`` registers outside modules."""

    producer: str
    point: Point
    tap: int
    beyond: int


Choices = tuple[tuple[tuple[int, ...], Wire | None], ...]


def composite(node: Node) -> bool:
    """True for nodes that drive one vector for all their points."""
    return node.op in COMPOSITE


@dataclass(frozen=True)
class Structure:
    """Kinds of all points, and every wire between modules.

    Attributes
    ----------
    kinds : dict of region to point to kind
    wires : dict of (region, point) to port to wire
    inputs : dict of composite node to (role, place) to choices
        Each choice is the modes and the wire that they take, or None where they take 0.
    """

    kinds: dict[str, dict[Point, Kind]]
    wires: dict[tuple[str, Point], dict[str, Wire]]
    inputs: dict[str, dict[tuple[str, Point], Choices]]

    @cached_property
    def mode_sets(self) -> tuple[tuple[int, ...], ...]:
        """Sets of modes that some part of the design has to tell apart."""
        found: dict[tuple[int, ...], None] = {}
        for points in self.kinds.values():
            for kind in dict.fromkeys(points.values()):
                found |= dict.fromkeys(kind.mode_sets)
        for places in self.inputs.values():
            for choices in places.values():
                if len(choices) > 1:
                    found |= dict.fromkeys(modes for modes, _ in choices)
        return tuple(sorted(found))

    def all_wires(self) -> Iterator[Wire]:
        """Every wire between modules."""
        for wires in self.wires.values():
            yield from wires.values()
        for places in self.inputs.values():
            for choices in places.values():
                yield from (wire for _, wire in choices if wire)

    def names(self) -> dict[Kind, str]:
        """A short name for each distinct kind, in order of first appearance."""
        found: dict[Kind, str] = {}
        for region, points in self.kinds.items():
            distinct = dict.fromkeys(points.values())
            for n, kind in enumerate(distinct):
                found[kind] = region if len(distinct) == 1 else f"{region}_{_letters(n)}"
        return found


def _letters(n: int) -> str:
    text = ""
    n += 1
    while n:
        n, digit = divmod(n - 1, 26)
        text = chr(97 + digit) + text
    return text


Slot = tuple[str, Point, str]
Source = tuple[str, Point, int] | int


def structure(netlist: Netlist, fifo_depths: dict[str, int]) -> Structure:
    """Sort every operand into local, wired or composite, and group points into kinds."""
    sources, fifos = _sources(netlist)
    taps = _taps(netlist, sources)
    wires: dict[tuple[str, Point], dict[str, Wire]] = defaultdict(dict)
    inputs: dict[str, dict[tuple[str, Point], Choices]] = defaultdict(dict)
    exports: dict[tuple[str, Point], dict[tuple[str, int], None]] = defaultdict(dict)
    operands: dict[tuple[str, Point], dict[str, list[Operand]]] = defaultdict(lambda: defaultdict(list))

    def wire(source: tuple[str, Point, int]) -> Wire:
        name, point, registers = source
        tap = min(registers, taps[name])
        if not composite(netlist.node[name]):
            exports[netlist.node[name].region, point][name, tap] = None
        return Wire(name, point, tap, registers - tap)

    for (name, point, role), chosen in sources.items():
        node = netlist.node[name]
        if composite(node):
            inputs[name][role, point] = tuple(
                (modes, None if isinstance(s, int) else wire(s)) for s, modes in chosen.items()
            )
            continue
        choices, outside = [], sum(not isinstance(s, int) and not _local(netlist, node, point, s) for s in chosen)
        for source, modes in chosen.items():
            if isinstance(source, int):
                bits = max(1, source.bit_length()) + (source < 0)
                choices.append(Choice(modes, bits, source < 0, constant=source))
                continue
            producer = netlist.node[source[0]]
            if _local(netlist, node, point, source):
                choice = Choice(modes, producer.width_bits, producer.signed, local=source[0], registers=source[2])
            else:
                port = f"{name}_{role}" if outside == 1 else f"{name}_{role}_{len(choices)}"
                wires[node.region, point][port] = wire(source)
                choice = Choice(modes, producer.width_bits, producer.signed, port=port)
            choices.append(choice)
        fifo = fifos.get((name, role))
        operands[node.region, point][name].append(
            Operand(
                role,
                max(c.width_bits for c in choices),
                any(c.signed for c in choices),
                tuple(choices),
                fifo,
                fifo_depths[fifo] if fifo else 0,
            )
        )
    kinds: dict[str, dict[Point, Kind]] = {}
    for region in netlist.regions:
        members = [n for n in netlist.nodes if n.region == region.name and not composite(n)]
        if not members:
            continue
        known: dict[tuple[object, ...], Kind] = {}
        kinds[region.name] = {}
        for point in region.points:
            present = operands[region.name, point]
            # Of several modes, none may need the node here.
            uses = tuple((n, tuple(present[n.name])) for n in members if present[n.name])
            out = tuple(sorted(exports[region.name, point]))
            look = (tuple((n.name, found) for n, found in uses), out)
            if look not in known:
                known[look] = Kind(region.name, tuple(Use(n, found) for n, found in uses), out)
            kinds[region.name][point] = known[look]
    return Structure(kinds, dict(wires), dict(inputs))


def _sources(netlist: Netlist) -> tuple[dict[Slot, dict[Source, tuple[int, ...]]], dict[tuple[str, str], str]]:
    """For each operand of each point: its sources, each with the modes that take it; and the programmable delays."""
    found: dict[Slot, dict[int, Source]] = defaultdict(dict)
    fifos: dict[tuple[str, str], str] = {}
    for node, arc in netlist.arcs():
        role, slack = _role(node, arc), netlist.slack(node, arc)
        if arc.fifo:
            fifos[node.name, role] = arc.fifo
        for consumer, producer, span in netlist.spans(node, arc):
            found[node.name, consumer, role][arc.mode] = (arc.source, producer, 0 if arc.fifo else span + slack)
    used = {(node.name, arc.mode) for node, arc in netlist.arcs() if arc.pairs}
    behind = {
        (node.name, point): (arc.source, producer)
        for node, arc in netlist.arcs()
        if node.op == "relay"
        for point, producer in arc.pairs
    }
    chosen: dict[Slot, dict[Source, tuple[int, ...]]] = {}
    for (name, point, role), by_mode in found.items():
        node = netlist.node[name]
        groups: dict[Source, list[int]] = {}
        for mode, source in by_mode.items():
            groups.setdefault(source, []).append(mode)
        careless = []
        for mode in netlist.modes:
            if mode in by_mode:
                continue
            neutral = neutral_value(node, role)
            # A bank must not be written in a mode that does not use it.
            matters = role == "enable" or ((name, mode) in used and _matters(netlist, node, point, role, mode))
            if matters and _idle_value(netlist, behind, groups, mode) != neutral:
                groups.setdefault(neutral, []).append(mode)
            else:
                careless.append(mode)
        # Where a mode does not care, it takes what most others take; but a functional unit that rests takes none of
        # several sources, so that nothing in it switches.
        most = max(groups, key=lambda source: len(groups[source]))
        for mode in careless:
            rests = node.op == "source" and len(groups) > 1 and point not in netlist.active(node, mode)
            groups.setdefault(0 if rests else most, []).append(mode)
        chosen[name, point, role] = {source: tuple(sorted(modes)) for source, modes in groups.items()}
    return chosen, fifos


def _role(node: Node, arc: Arc) -> str:
    if arc.role == "bit":
        return f"bit_{arc.source}"
    return "main" if node.op == "source" and arc.role in SOURCES else arc.role


def _matters(netlist: Netlist, node: Node, point: Point, role: str, mode: int) -> bool:
    """True if an operand that a mode does not bring must be neutral there."""
    return point in netlist.active(node, mode) and not role.startswith(("delayed", "pointer"))


def _idle_value(
    netlist: Netlist, behind: Mapping[tuple[str, Point], tuple[str, Point]], groups: Iterable[Source], mode: int
) -> int | None:
    """What an operand that other modes take from the control is in a mode in which the control has no use for it.

    ``behind`` says what each relay passes on.
    """
    found: int | None = None
    for source in groups:
        if isinstance(source, int):
            continue
        name, point = source[:2]
        while (name, point) in behind and point not in netlist.active(netlist.node[name], mode):
            name, point = behind[name, point]
        producer = netlist.node[name]
        if producer.op != "launch" or point in netlist.active(producer, mode):
            return None
        idle = producer.parameter("idle")
        assert isinstance(idle, int)
        if found not in (None, idle):
            return None
        found = idle
    return found


def neutral_value(node: Node, role: str) -> int:
    """What an operand is worth where a mode does not bring it."""
    if node.op == "multiply" and role == "b":
        return NEUTRAL["factor"]
    if node.op in ("add", "reduce", "select") and role != "start":
        return node.identity
    return NEUTRAL.get(role.split("_")[0], 0)


def _taps(netlist: Netlist, sources: Mapping[Slot, Mapping[Source, object]]) -> dict[str, int]:
    """Registers that stand inside the module of each producer whose value leaves it: those that every sink shares."""
    least: dict[str, int] = {}
    for (name, point, _), chosen in sources.items():
        for source in chosen:
            if isinstance(source, int) or _local(netlist, netlist.node[name], point, source):
                continue
            least[source[0]] = min(least.get(source[0], source[2]), source[2])
    return {name: 0 if composite(netlist.node[name]) else registers for name, registers in least.items()}


def _local(netlist: Netlist, node: Node, point: Point, source: tuple[str, Point, int]) -> bool:
    producer = netlist.node[source[0]]
    return node.region == producer.region and point == source[1] and not composite(producer) and not composite(node)
