"""Module kinds: which nodes, operands and register taps the hardware at a point really has.

Points of a region that look alike share one kind, so that text grows with the number of kinds and not of points.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from dataflow.dataflow import Point
from hw.alike import alike
from hw.netlist import Integers, Netlist, Node, Region
from hw.sources import Chosen, Slot, Source, Way, composite, slots


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


# A tuple: there is one for every port of every point.
class Wire(NamedTuple):
    """Where an input port of a point comes from: a tap of a producer, then ``beyond`` registers outside modules."""

    producer: str
    point: Point
    tap: int
    beyond: int


Choices = tuple[tuple[tuple[int, ...], Wire | None], ...]


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


def structure(netlist: Netlist, fifo_depths: dict[str, int]) -> Structure:
    """Sort every operand into local, wired or composite, and group points into kinds."""
    return _Structure(netlist, fifo_depths).found()


@dataclass(frozen=True, slots=True)
class _Tapped:
    """The wires of all points that take an operand one way."""

    source: str
    points: Sequence[Point]
    producers: Sequence[int]
    tap: int
    beyond: int

    def wire(self, point: int) -> Wire:
        return Wire(self.source, self.points[self.producers[point]], self.tap, self.beyond)


class _Structure:
    """Classes of points, while they become kinds and wires."""

    def __init__(self, netlist: Netlist, fifo_depths: dict[str, int]) -> None:
        self.netlist, self.fifo_depths = netlist, fifo_depths
        self.slots: dict[str, list[Slot]] = defaultdict(list)
        for slot in slots(netlist):
            self.slots[slot.node.name].append(slot)
        self.taps, self.exported = self._taps()

    def found(self) -> Structure:
        wires: dict[tuple[str, Point], dict[str, Wire]] = {}
        inputs: dict[str, dict[tuple[str, Point], Choices]] = defaultdict(dict)
        # By region and position of a point, its entry in ``wires``.
        begun: dict[str, dict[int, dict[str, Wire]]] = defaultdict(dict)
        for node in self.netlist.nodes:
            points = self.netlist.region[node.region].points
            if composite(node):
                ways: dict[tuple[int, int], list[tuple[tuple[int, ...], _Tapped | None]]] = {
                    (k, number): [
                        (modes, None if isinstance(source, int) else self._tapped(slot, source))
                        for source, modes in chosen.items()
                    ]
                    for k, slot in enumerate(self.slots[node.name])
                    for number, chosen in enumerate(slot.chosen)
                }
                for k, number, point in self._turns(node, lambda chosen: bool(chosen)):
                    inputs[node.name][self.slots[node.name][k].role, points[point]] = tuple(
                        (modes, tapped.wire(point) if tapped else None) for modes, tapped in ways[k, number]
                    )
                continue
            ports = {
                (k, number): [(port, self._tapped(slot, way)) for way, port in _ports(slot, chosen).items()]
                for k, slot in enumerate(self.slots[node.name])
                for number, chosen in enumerate(slot.chosen)
            }
            mine_of = begun[node.region]
            for k, number, point in self._turns(node, lambda chosen: any(map(_outside, chosen))):
                mine = mine_of.get(point)
                if mine is None:
                    mine = mine_of[point] = wires[node.region, points[point]] = {}
                for port, tapped in ports[k, number]:
                    mine[port] = tapped.wire(point)
        kinds = {}
        for region in self.netlist.regions:
            members = [n for n in self.netlist.nodes if n.region == region.name and not composite(n)]
            if members:
                kinds[region.name] = self._kinds(region, members)
        return Structure(kinds, wires, dict(inputs))

    def _taps(self) -> tuple[dict[str, int], dict[str, Integers]]:
        """Registers inside the module of each producer whose value leaves it, those that every sink shares; and where.

        The second holds, by point, 1 where the value leaves.
        """
        least: dict[str, int] = {}
        exported: dict[str, Integers] = {}
        for slot in (slot for found in self.slots.values() for slot in found):
            for number, chosen in enumerate(slot.chosen):
                for way in chosen:
                    if isinstance(way, int) or way.local:
                        continue
                    least[way.source] = min(least.get(way.source, way.registers), way.registers)
                    source = self.netlist.node[way.source]
                    if composite(source):
                        least[way.source] = 0
                        continue
                    places = len(self.netlist.region[source.region].points)
                    leaves = exported.setdefault(way.source, np.zeros(places, np.int64))
                    leaves[slot.producers[way.row, slot.classes.rows(number)]] = 1
        return least, exported

    def _turns(self, node: Node, wanted: Callable[[Chosen], bool]) -> Iterator[tuple[int, int, int]]:
        """Operands of a node at its points, each with slot, class and point, in the order of the node's arcs."""
        turns = [
            np.stack([slot.turn[rows], np.full(len(rows), k), np.full(len(rows), number), rows])
            for k, slot in enumerate(self.slots[node.name])
            for number, chosen in enumerate(slot.chosen)
            if wanted(chosen)
            for rows in (slot.classes.rows(number),)
        ]
        if turns:
            found = np.concatenate(turns, axis=1)
            _, *parts = found[:, np.lexsort(found[::-1])].tolist()
            yield from zip(*parts, strict=True)

    def _tapped(self, slot: Slot, way: Way) -> _Tapped:
        region = self.netlist.region[self.netlist.node[way.source].region]
        tap = self.taps[way.source]
        producers = slot.producers[way.row].tolist()
        return _Tapped(way.source, region.points, producers, tap, way.registers - tap)

    def _kinds(self, region: Region, members: Sequence[Node]) -> dict[Point, Kind]:
        """The kind of each point of a region: operands in their order, and what leaves the module."""
        columns: list[Integers] = []
        operands: dict[str, list[tuple[Slot, list[Operand | None]]]] = {}
        leaving = sorted((n.name, self.taps[n.name]) for n in members if n.name in self.exported)
        for node in members:
            found = [(slot, [self._operand(slot, chosen) for chosen in slot.chosen]) for slot in self.slots[node.name]]
            operands[node.name] = found
            for slot, alike_operands in found:
                first = {operand: number for number, operand in reversed([*enumerate(alike_operands)])}
                columns.append(np.array([first[operand] for operand in alike_operands])[slot.classes.of])
            if len(found) > 1:
                last = np.iinfo(np.int64).max
                columns += list(np.argsort([np.where(slot.turn < 0, last, slot.turn) for slot, _ in found], axis=0))
        columns += [self.exported[name] for name, _ in leaving]
        classes = alike(columns, len(region.points))
        kinds = []
        for row in classes.first:
            uses = []
            for node in members:
                present = [
                    (slot.turn[row], operand)
                    for slot, found in operands[node.name]
                    if (operand := found[slot.classes.of[row]]) is not None
                ]
                if present:
                    uses.append(Use(node, tuple(operand for _, operand in sorted(present, key=lambda turn: turn[0]))))
            exports = tuple((name, tap) for name, tap in leaving if self.exported[name][row])
            kinds.append(Kind(region.name, tuple(uses), exports))
        return dict(zip(region.points, (kinds[number] for number in classes.of.tolist()), strict=True))

    def _operand(self, slot: Slot, chosen: Chosen) -> Operand | None:
        """The operand as a module has it; None where it is not there."""
        if not chosen:
            return None
        ports = _ports(slot, chosen)
        choices = []
        for source, modes in chosen.items():
            if isinstance(source, int):
                bits = max(1, source.bit_length()) + (source < 0)
                choices.append(Choice(modes, bits, source < 0, constant=source))
                continue
            producer = self.netlist.node[source.source]
            bits, signed, port = producer.width_bits, producer.signed, ports.get(source)
            choices.append(
                Choice(modes, bits, signed, port=port)
                if port
                else Choice(modes, bits, signed, local=source.source, registers=source.registers)
            )
        return Operand(
            slot.role,
            max(c.width_bits for c in choices),
            any(c.signed for c in choices),
            tuple(choices),
            slot.fifo,
            self.fifo_depths[slot.fifo] if slot.fifo else 0,
        )


def _outside(source: Source) -> bool:
    return isinstance(source, Way) and not source.local


def _ports(slot: Slot, chosen: Chosen) -> dict[Way, str]:
    """The port for each source outside the module."""
    name = f"{slot.node.name}_{slot.role}"
    several = sum(map(_outside, chosen)) > 1
    return {
        source: f"{name}_{place}" if several else name
        for place, source in enumerate(chosen)
        if isinstance(source, Way) and not source.local
    }
