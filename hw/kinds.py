"""Module kinds: which nodes, operands and register taps the hardware at a point really has.

Points of a region that look alike share one kind, so that text grows with the number of kinds and not of points.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from dataflow.dataflow import Point
from hw.netlist import Netlist, Node

# Nodes with a vector for all points of their region; each is one module instance.
COMPOSITE = ("control", "rotate", "spread")


@dataclass(frozen=True, slots=True)
class Operand:
    """One operand of a node inside a kind.

    Attributes
    ----------
    local : str or None
        Producing node of the same point; None for a port of the module.
    registers : int
        Registers between a local producer and the consumer.
    fifo : str or None
        Programmable delay in front of the consumer.
    """

    role: str
    width_bits: int
    signed: bool
    local: str | None
    registers: int
    fifo: str | None
    fifo_depth: int


@dataclass(frozen=True, slots=True)
class Use:
    """A node as it appears in a kind, with the operands that are present."""

    node: Node
    operands: tuple[Operand, ...]

    def port(self, operand: Operand) -> str:
        """Name of the module port that brings an operand from outside."""
        return f"{self.node.name}_{operand.role}"


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
                if operand.local:
                    lengths[operand.local] = max(lengths[operand.local], operand.registers)
        for name, registers in self.exports:
            lengths[name] = max(lengths[name], registers)
        return dict(lengths)

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


def composite(node: Node) -> bool:
    """True for nodes that drive one vector for all their points."""
    return node.op in COMPOSITE


@dataclass(frozen=True)
class Structure:
    """Kinds of all points, and every wire between modules."""

    kinds: dict[str, dict[Point, Kind]]
    wires: dict[tuple[str, Point], dict[str, Wire]]

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


def structure(netlist: Netlist, fifo_depths: dict[str, int]) -> Structure:
    """Sort every operand into local, wired or composite, and group points into kinds."""
    operands: dict[tuple[str, Point], dict[str, list[Operand]]] = defaultdict(lambda: defaultdict(list))
    wires: dict[tuple[str, Point], dict[str, Wire]] = defaultdict(dict)
    exports: dict[tuple[str, Point], dict[tuple[str, int], None]] = defaultdict(dict)
    for node, arc in netlist.arcs():
        source = netlist.node[arc.source]
        slack = netlist.slack(node, arc)
        spans = [(c, p, 0 if arc.fifo else span + slack) for c, p, span in netlist.spans(node, arc)]
        outer = [(c, p, w) for c, p, w in spans if not _is_local(node, source, c, p)]
        nearest = min((w for _, _, w in outer), default=0)
        if composite(source):
            nearest = 0
        for consumer, producer, w in outer:
            key = (node.region, consumer)
            if composite(node):
                key = (f"={node.name}", ())
                port = f"{arc.role}@{','.join(map(str, producer))}" if arc.role == "lane" else arc.role
            else:
                port = f"{node.name}_{arc.role}" if arc.role != "bit" else f"{node.name}_bit_{arc.source}"
            wires[key][port] = Wire(arc.source, producer, nearest, w - nearest)
            if not composite(source):
                exports[source.region, producer][arc.source, nearest] = None
        if composite(node):
            continue
        outside = {c for c, _, _ in outer}
        for consumer, _, w in spans:
            role = arc.role if arc.role != "bit" else f"bit_{arc.source}"
            operands[node.region, consumer][node.name].append(
                Operand(
                    role,
                    source.width_bits,
                    source.signed,
                    None if consumer in outside else arc.source,
                    0 if consumer in outside else w,
                    arc.fifo,
                    fifo_depths[arc.fifo] if arc.fifo else 0,
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
            uses = tuple((n, tuple(present[n.name])) for n in members)
            taps = tuple(sorted(exports[region.name, point]))
            look = (tuple(found for _, found in uses), taps)
            if look not in known:
                known[look] = Kind(region.name, tuple(Use(n, found) for n, found in uses), taps)
            kinds[region.name][point] = known[look]
    return Structure(kinds, dict(wires))


def _is_local(node: Node, source: Node, consumer: Point, producer: Point) -> bool:
    return node.region == source.region and consumer == producer and not composite(source) and not composite(node)
