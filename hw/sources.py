"""Sources of operands: what each operand takes in each mode, decided once for all points that are alike in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hw.alike import Classes, alike
from hw.netlist import IDLE, Arc, Integers, Netlist, Node

# What an operand is worth where a mode does not bring it: a link not in use, a sum that begins, a factor left out.
NEUTRAL = {"load": 1, "bit": 1, "factor": 1}

# Operands of a stationary register or a wire that exclude each other.
EXCLUSIVE = ("port", "hop", "broadcast")

# Nodes with a vector for all points of their region, outside the modules of points.
COMPOSITE = ("control", "launch", "rotate", "spread")


def composite(node: Node) -> bool:
    """True for nodes that drive one vector for all their points."""
    return node.op in COMPOSITE


@dataclass(frozen=True, slots=True)
class Way:
    """A producer of an operand, with the registers between.

    Attributes
    ----------
    row : int
        The row of ``Slot.producers`` that holds the producer's position.
    local : bool
        True if it stands in the consumer's own module.
    """

    source: str
    row: int
    registers: int
    local: bool


# A constant, or a producer.
Source = Way | int
Chosen = Mapping[Source, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Slot:
    """An operand of a node at all of its points.

    Attributes
    ----------
    turn : array, one a point
        Where the operand first occurs among all arcs of the node; -1 where it never does.
    producers : array of arcs by points
        Position of what each arc brings; -1 where it brings nothing.
    classes : Classes
        Points that take the same.
    chosen : tuple of mapping of Source to modes
        By class, which modes take which source; empty for points without the operand.
    """

    node: Node
    role: str
    fifo: str | None
    turn: Integers
    producers: Integers
    classes: Classes
    chosen: tuple[Chosen, ...]


def slots(netlist: Netlist) -> Iterator[Slot]:
    """Every operand of every node; within a node in order of first appearance."""
    idle = _Idle(netlist)
    for node in netlist.nodes:
        by_role: dict[str, list[tuple[int, Arc]]] = defaultdict(list)
        begin = 0
        for arc in node.args:
            by_role[_role(node, arc)].append((begin, arc))
            begin += len(arc.pairs)
        for role, arcs in by_role.items():
            yield _Operand(netlist, idle, node, role, [arc for _, arc in arcs]).slot([begin for begin, _ in arcs])


def _role(node: Node, arc: Arc) -> str:
    if arc.role == "bit":
        return f"bit_{arc.source}"
    return "main" if node.op == "source" and arc.role in EXCLUSIVE else arc.role


def neutral_value(node: Node, role: str) -> int:
    """What an operand is worth where a mode does not bring it."""
    if node.op == "multiply" and role == "b":
        return NEUTRAL["factor"]
    if node.op in ("add", "reduce", "select") and role != "start":
        return node.identity
    return NEUTRAL.get(role.split("_")[0], 0)


class _Idle:
    """What control values, and what relays pass on of them, are in modes in which the control has no use for them."""

    def __init__(self, netlist: Netlist) -> None:
        self.netlist = netlist
        self.known: dict[tuple[str, int], Integers] = {}

    def values(self, name: str, mode: int) -> Integers:
        """The value at each point of a node in a mode; ``IDLE`` where there is no saying."""
        if (name, mode) not in self.known:
            self.known[name, mode] = self._values(self.netlist.node[name], mode)
        return self.known[name, mode]

    def _values(self, node: Node, mode: int) -> Integers:
        region = self.netlist.region[node.region]
        found = np.full(len(region.points), IDLE)
        if node.op == "launch":
            idle = node.parameter("idle")
            assert isinstance(idle, int)
            found[:] = idle
        elif node.op == "relay":
            for arc in node.args:
                links = self.netlist.links(node, arc)
                found[links.consumers] = self.values(arc.source, mode)[links.producers]
        found[region.offset_cycles[mode] != IDLE] = IDLE
        return found


class _Operand:
    """An operand while its points are sorted."""

    def __init__(self, netlist: Netlist, idle: _Idle, node: Node, role: str, arcs: list[Arc]) -> None:
        self.netlist, self.idle, self.node, self.role, self.arcs = netlist, idle, node, role, arcs
        self.points = len(netlist.region[node.region].points)
        self.links = [netlist.links(node, arc) for arc in arcs]
        self.producers = np.full((len(arcs), self.points), -1)
        self.registers = np.full((len(arcs), self.points), -1)
        for row, (arc, links) in enumerate(zip(arcs, self.links, strict=True)):
            self.producers[row, links.consumers] = links.producers
            self.registers[row, links.consumers] = 0 if arc.fifo else links.span_cycles + netlist.slack(node, arc)

    def slot(self, begin: list[int]) -> Slot:
        """``begin`` holds how many pairs of the node stand before each arc's."""
        turn = np.full(self.points, -1)
        for first, links in reversed([*zip(begin, self.links, strict=True)]):
            turn[links.consumers] = first + np.arange(len(links.consumers))
        classes = alike([*self._columns()], self.points)
        fifo = next((arc.fifo for arc in reversed(self.arcs) if arc.fifo), None)
        chosen = tuple(self._chosen(int(point)) for point in classes.first)
        return Slot(self.node, self.role, fifo, turn, self.producers, classes, chosen)

    def _columns(self) -> Iterator[Integers]:
        """All that a choice depends on, a column each."""
        for row, registers in enumerate(self.registers):
            yield registers
            yield self._local[row]
            yield self._origin[row]
        for mode in self._rare_modes:
            yield self._active[mode]
            for row in range(len(self.arcs)):
                yield self._idle_values(row, mode)

    @cached_property
    def _local(self) -> Integers:
        """By arc and point: 1 where the producer stands in the consumer's module."""
        here = np.zeros_like(self.producers)
        for row, arc in enumerate(self.arcs):
            source = self.netlist.node[arc.source]
            if source.region == self.node.region and not composite(source) and not composite(self.node):
                here[row] = self.producers[row] == np.arange(self.points)
        return here

    @cached_property
    def _origin(self) -> Integers:
        """By arc and point: the first arc that brings the same producer's value."""
        first = np.repeat(np.arange(len(self.arcs))[:, np.newaxis], self.points, axis=1)
        for row, arc in enumerate(self.arcs):
            for earlier in reversed(range(row)):
                if self.arcs[earlier].source == arc.source:
                    same = self.producers[earlier] == self.producers[row]
                    first[row][same] = earlier
        return first

    @cached_property
    def _rare_modes(self) -> list[int]:
        """Modes that do not bring the operand to every point."""
        brought = np.zeros((len(self.netlist.modes), self.points), bool)
        for arc, links in zip(self.arcs, self.links, strict=True):
            brought[arc.mode, links.consumers] = True
        return [mode for mode in self.netlist.modes if not brought[mode].all()] if len(brought) > 1 else []

    @cached_property
    def _active(self) -> Integers:
        """By mode and point: 1 where the node works."""
        return (self.netlist.region[self.node.region].offset_cycles != IDLE).astype(np.int64)

    @cached_property
    def _used(self) -> Collection[int]:
        return {arc.mode for arc in self.node.args if arc.pairs}

    def _idle_values(self, row: int, mode: int) -> Integers:
        """By point: what an arc's producer is in a mode in which it rests."""
        values = self.idle.values(self.arcs[row].source, mode)
        return np.where(self.producers[row] >= 0, values[self.producers[row]], IDLE)

    def _chosen(self, point: int) -> Chosen:
        """The sources at a point, each with the modes that take it."""
        by_mode: dict[int, Source] = {}
        for row, arc in enumerate(self.arcs):
            if self.producers[row, point] >= 0:
                origin, registers = int(self._origin[row, point]), int(self.registers[row, point])
                by_mode[arc.mode] = Way(arc.source, origin, registers, bool(self._local[row, point]))
        if not by_mode:
            return {}
        groups: dict[Source, list[int]] = {}
        for mode, source in by_mode.items():
            groups.setdefault(source, []).append(mode)
        neutral = neutral_value(self.node, self.role)
        careless = []
        for mode in self.netlist.modes:
            if mode in by_mode:
                continue
            if self._matters(point, mode) and self._idle_value(groups, point, mode) != neutral:
                groups.setdefault(neutral, []).append(mode)
            else:
                careless.append(mode)
        # Where a mode does not care, it takes what most others take; but a functional unit that rests takes none of
        # several sources, so that nothing in it switches.
        most = max(groups, key=lambda source: len(groups[source]))
        for mode in careless:
            rests = self.node.op == "source" and len(groups) > 1 and not self._active[mode, point]
            groups.setdefault(0 if rests else most, []).append(mode)
        return {source: tuple(sorted(modes)) for source, modes in groups.items()}

    def _matters(self, point: int, mode: int) -> bool:
        """True if an operand that a mode does not bring must be neutral there."""
        # A bank must not be written in a mode that does not use it.
        if self.role == "enable":
            return True
        works = mode in self._used and bool(self._active[mode, point])
        return works and not self.role.startswith(("delayed", "pointer"))

    def _idle_value(self, groups: Collection[Source], point: int, mode: int) -> int | None:
        """What an operand taken from the control is in a mode in which the control has no use for it."""
        found = {int(self._idle_values(way.row, mode)[point]) for way in groups if isinstance(way, Way)}
        return found.pop() if len(found) == 1 and IDLE not in found else None
