"""Broadcasts: what too many operands read in one cycle reaches them through trees of registers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import count, zip_longest

import networkx as nx
import numpy as np

from dataflow.dataflow import Point
from hw.latencies import LATENCY_CYCLES
from hw.netlist import Arc, Integers, Netlist, Node, Region
from hw.passes.fan_out import beyond_broadcast, most_pairs
from workloads.errors import BrickworkError

# Most operands that one register drives, by what docs/broadcasts.md measures.
FAN_OUT_LIMIT = 16


class FanOutError(BrickworkError):
    """A limit at which no tree can be built."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"fan-out limit: expected at least 2 operands, or 0 for no limit, not {limit}")


def rewiring(limit: int) -> Callable[[Netlist], Netlist]:
    """`rewire_broadcasts` at another limit; 0 is none.

    Raises
    ------
    FanOutError
    """
    if limit < 0 or limit == 1:
        raise FanOutError(limit)

    def rewire(netlist: Netlist) -> Netlist:
        return rewire_broadcasts(netlist, limit)

    rewire.__name__ = rewire_broadcasts.__name__
    return rewire


def rewire_broadcasts(netlist: Netlist, limit: int = FAN_OUT_LIMIT) -> Netlist:
    """Let no value be read by more than ``limit`` operands in one cycle: relays stand between, in trees.

    A relay is one register that serves neighbouring operands of one cycle. It delays what it serves, which delay
    matching makes up for, in part by the registers that it would have put there anyway. A node is added for each
    level of a tree, whatever the array's size.

    Labels are not known yet, so that operands of different nodes count as if they all read in the same cycle: the limit
    holds whatever the labels will be. An operand in a recurrence with its source stays, because the dataflow fixes the
    delay around it.
    """
    if not limit:
        return netlist
    loops = _recurrences(netlist)
    for name in [n.name for n in netlist.nodes]:
        if most_pairs(netlist, name) > limit:
            direct = beyond_broadcast(netlist, name)
            if not _may_need_relays(direct, name, loops, limit):
                continue
            tree = _grown(direct, name, loops, limit)
            netlist = tree.planted(direct) if tree.relays else netlist
    return netlist


def _recurrences(netlist: Netlist) -> Mapping[str, int]:
    """A number for each node, the same for nodes that depend on each other."""
    graph = nx.DiGraph((arc.source, node.name) for node, arc in netlist.arcs() if arc.pairs)
    return {name: k for k, loop in enumerate(nx.strongly_connected_components(graph)) for name in loop}


# By mode: the cycle, labels aside, in which an operand takes the value of time step 0; None where it takes another.
Times = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Pin:
    """An operand that reads a value."""

    node: str
    role: str
    point: Point
    times: Times


# By node that reads, and by point of the node that is read.
Readers = dict[str, dict[Point, list[Pin]]]


def together(pins: Iterable[Pin], modes: Collection[int] | None = None) -> int:
    """Most operands that can read in the same cycle of some modes, all if left out, whatever their nodes' labels."""
    nodes: set[str] = set()
    at_once: Counter[tuple[int, int]] = Counter()
    counted = 0
    # Few times are different, so that all else is done once for each of them.
    for (node, times), pins_alike in Counter([(pin.node, pin.times) for pin in pins]).items():
        found = [(k, time) for k, time in enumerate(times) if time is not None and (modes is None or k in modes)]
        if found:
            nodes.add(node)
            counted += pins_alike
            for key in found:
                at_once[key] += pins_alike
    if len(nodes) > 1:
        return counted
    most: dict[int, int] = {}
    for (mode, _), count_at_once in at_once.items():
        most[mode] = max(most.get(mode, 0), count_at_once)
    return min(counted, sum(most.values()))


def blocks(pins: Collection[Pin], most: int) -> Iterator[tuple[Pin, ...]]:
    """Pins cut into the fewest blocks of at most ``most`` neighbours, by halving along the longest side."""
    parts = -(-len(pins) // most)
    if parts == 1:
        yield tuple(sorted(pins, key=lambda pin: (pin.point, pin.node, pin.role)))
        return
    sides = [len(set(coordinates)) for coordinates in zip_longest(*(pin.point for pin in pins))]
    axis = sides.index(max(sides))
    ordered = sorted(pins, key=lambda pin: (pin.point[axis : axis + 1], pin.point, pin.node, pin.role))
    cut = len(pins) * (parts // 2) // parts
    yield from blocks(ordered[:cut], most)
    yield from blocks(ordered[cut:], most)


def _cut(pins: Collection[Pin], most: int) -> list[tuple[Pin, ...]]:
    """Blocks of pins that read in the same cycle of every mode or, where those are as many as the pins, of any."""
    by_times: dict[Times, list[Pin]] = defaultdict(list)
    for pin in pins:
        by_times[pin.times].append(pin)
    found = [block for same in by_times.values() for block in blocks(same, most)]
    return found if len(found) < len(pins) else list(blocks(pins, most))


def _may_need_relays(netlist: Netlist, name: str, loops: Mapping[str, int], limit: int) -> bool:
    """False only if no value of a node can be read by more operands at once than the limit.

    An upper bound on what `_Tree` counts, without a step for every operand: operands that several arcs bring count
    several times, and those of different modes are added.
    """
    values = len(netlist.region[netlist.node[name].region].points)
    total = np.zeros(values, np.int64)
    cycles: dict[tuple[str, int], list[Integers]] = defaultdict(list)
    for node, arc in netlist.arcs():
        if arc.source != name or not arc.pairs:
            continue
        links = netlist.links(node, arc)
        if loops[node.name] == loops[name]:
            total += np.bincount(links.producers, minlength=values)
        else:
            begun = netlist.region[node.region].offset_cycles[arc.mode][links.consumers]
            cycles[node.name, arc.mode].append((arc.time_cycles + begun) * values + links.producers)
    for found in cycles.values():
        read, counts = np.unique(np.concatenate(found), return_counts=True)
        most = np.zeros(values, np.int64)
        np.maximum.at(most, read % values, counts)
        total += most
    return bool(total.max(initial=0) > limit)


def _grown(netlist: Netlist, name: str, loops: Mapping[str, int], limit: int) -> _Tree:
    """Trees behind all values of a node, as many levels as the limit needs."""
    found: dict[str, dict[Point, dict[tuple[str, Point], dict[int, int]]]] = {}
    kept: dict[Point, set[tuple[str, str, Point]]] = defaultdict(set)
    for node, arc in netlist.arcs():
        if arc.source != name:
            continue
        if loops[node.name] == loops[name]:
            for consumer, producer in arc.pairs:
                kept[producer].add((node.name, arc.role, consumer))
            continue
        offsets = netlist.active(node, arc.mode)
        values = found.setdefault(node.name, defaultdict(dict))
        for consumer, producer in arc.pairs:
            times = values[producer].setdefault((arc.role, consumer), {})
            times[arc.mode] = arc.time_cycles + offsets[consumer]
    modes = netlist.modes
    readers = {
        reader: {
            producer: [Pin(reader, role, point, tuple(map(times.get, modes))) for (role, point), times in pins.items()]
            for producer, pins in values.items()
        }
        for reader, values in found.items()
    }
    inside = Counter({producer: len(others) for producer, others in kept.items()})
    direct = frozenset(_direct_modes(readers, inside, modes, limit))
    tree = _Tree(name, _in_modes(readers, set(modes) - direct), inside + _reads(readers, direct), direct)
    tree.grow(limit)
    return tree


def _direct_modes(readers: Readers, inside: Counter[Point], modes: Iterable[int], limit: int) -> Iterator[int]:
    """Modes in which a node is read by so few operands that they read past the relays of the other modes.

    Together with the operands in recurrences they use up to half of the limit, so that a tree is left the other half.
    """
    found: set[int] = set()
    alone = {mode: _reads(readers, {mode}) for mode in modes}
    for mode in sorted(modes, key=lambda mode: max(alone[mode].values(), default=0)):
        reads = _reads(readers, found | {mode}) if found else alone[mode]
        if max((inside + reads).values(), default=0) <= limit // 2:
            found.add(mode)
            yield mode


def _reads(readers: Readers, modes: Collection[int]) -> Counter[Point]:
    """By value: most operands that can read it in the same cycle of some modes."""
    total: Counter[Point] = Counter()
    for values in readers.values():
        for producer, pins in values.items():
            total[producer] += together(pins, modes)
    return total


def _in_modes(readers: Readers, modes: Collection[int]) -> Readers:
    """Pins without the modes in which they do not count, and without those that are left with none."""
    some = next((pin for values in readers.values() for pins in values.values() for pin in pins), None)
    if some and all(mode in modes for mode in range(len(some.times))):
        return {reader: dict(values) for reader, values in readers.items()}

    @cache
    def part(times: Times) -> Times:
        return tuple(time if mode in modes else None for mode, time in enumerate(times))

    def parts(pins: Iterable[Pin]) -> Iterator[Pin]:
        for pin in pins:
            times = part(pin.times)
            if times == pin.times:
                yield pin
            elif any(time is not None for time in times):
                yield replace(pin, times=times)

    return {reader: {p: list(parts(pins)) for p, pins in values.items()} for reader, values in readers.items()}


class _Tree:
    """Relays behind the values of one node, put there from their readers on.

    ``readers`` holds, by node that reads and by value, the pins without a relay in front of them; ``relays`` the times
    of each relay node's points, the node nearest to the source last; ``feeds`` the relay in front of a pin of a value.
    ``kept`` counts the pins of each value that get none: those in recurrences, and all of the modes ``direct``.
    """

    def __init__(self, name: str, readers: Readers, kept: Counter[Point], direct: frozenset[int]) -> None:
        self.name, self.readers, self.kept, self.direct = name, readers, kept, direct
        self.relays: dict[str, dict[Point, Times]] = {}
        self.upstream: dict[tuple[str, Point], Point] = {}
        self.feeds: dict[tuple[Point, str, str, Point], tuple[str, Point]] = {}

    def grow(self, limit: int) -> None:
        """Put relays in front of the reader of which most operands read at a time, again and again."""
        while over := self._over(limit):
            most = {
                reader: max((together(values[p]) for p in over if p in values), default=0)
                for reader, values in self.readers.items()
            }
            reader = max(most, key=lambda name: most[name])
            if most[reader] < 2:
                reader = self._joined(over)
            self._level(self.readers[reader], over, limit)

    def _over(self, limit: int) -> list[Point]:
        """Values that more operands than the limit may read in one cycle."""
        total: Counter[Point] = Counter()
        for values in self.readers.values():
            for producer, pins in values.items():
                total[producer] += together(pins)
        return [p for p, pins in total.items() if pins > 1 and pins + self.kept[p] > limit]

    def _joined(self, over: Collection[Point]) -> str:
        """Let one reader stand for all, where too many nodes read a value at one operand each."""
        joined = {
            producer: [pin for values in self.readers.values() for pin in values.pop(producer, ())] for producer in over
        }
        self.readers[JOINED] = {**self.readers.get(JOINED, {}), **joined}
        return JOINED

    def _level(self, values: dict[Point, list[Pin]], over: Collection[Point], limit: int) -> None:
        """Put a relay in front of each block of the reader's pins."""
        relay = f"{self.name}_relay{len(self.relays)}"
        times = self.relays[relay] = {}
        for producer in over:
            if together(values.get(producer, ())) < 2:
                continue
            behind = []
            for block in _cut(values[producer], limit):
                point = self._place(times, block[0].point, producer)
                times[point] = tuple(
                    min((t for t in found if t is not None), default=None)
                    for found in zip(*(pin.times for pin in block), strict=True)
                )
                self.upstream[relay, point] = producer
                behind.append(Pin(relay, "value", point, times[point]))
                for pin in block:
                    self.feeds[producer, pin.node, pin.role, pin.point] = (relay, point)
            values[producer] = behind

    @staticmethod
    def _place(taken: Collection[Point], first: Point, producer: Point) -> Point:
        """Where a relay stands: at the first operand that it serves, other names being needed where two do."""
        if first not in taken:
            return first
        return next(p for k in count() if (p := (*first, *producer, *(k,) * (k > 0))) not in taken)

    def planted(self, netlist: Netlist) -> Netlist:
        """The netlist with the relays."""
        source = netlist.node[self.name]
        width, signed, latency = source.width_bits, source.signed, LATENCY_CYCLES["relay"]
        nodes: list[Node] = []
        for node in netlist.nodes:
            nodes.append(replace(node, args=tuple(part for arc in node.args for part in self._served(node.name, arc))))
            if node is source:
                nodes += [
                    Node(relay, relay, "relay", tuple(self._operands(relay)), width, latency, signed)
                    for relay in reversed(self.relays)
                ]
        regions = (
            Region(relay, tuple(times), tuple(zip(*times.values(), strict=True)))
            for relay, times in self.relays.items()
        )
        return replace(netlist, nodes=tuple(nodes), regions=(*netlist.regions, *regions))

    def _operands(self, relay: str) -> Iterator[Arc]:
        """What the points of a relay read: a relay nearer to the source, or the source."""
        times = self.relays[relay]
        for mode in range(len(next(iter(times.values())))):
            pairs = tuple((p, self.upstream[relay, p]) for p, time in times.items() if time[mode] is not None)
            if pairs:
                yield from self._served(relay, Arc(self.name, "value", pairs, mode=mode))

    def _served(self, reader: str, arc: Arc) -> Iterator[Arc]:
        """An operand, read from the relays in front of it."""
        if arc.source != self.name or arc.mode in self.direct:
            yield arc
            return
        groups: dict[str, list[tuple[Point, Point]]] = {}
        for consumer, producer in arc.pairs:
            source, point = self.feeds.get((producer, reader, arc.role, consumer), (self.name, producer))
            groups.setdefault(source, []).append((consumer, point))
        for source, pairs in groups.items():
            yield replace(arc, source=source, pairs=tuple(pairs))


# Stands for several readers.
JOINED = ""
