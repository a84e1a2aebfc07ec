"""The netlist (DAG): primitives on the array, folded over the functional units.

A node stands for one primitive at every point of its region, so that the netlist's size does not grow with the array.
An arc says, for each consumer point, which producer point it reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from dataflow.architecture import Plan
from dataflow.dataflow import Point
from workloads.errors import BrickworkError
from workloads.reduction import SUM, Reduction

Pairs = tuple[tuple[Point, Point], ...]
# Positions of points in their regions, cycles and the like: one a point or one a pair.
Integers = npt.NDArray[np.int64]

# The offset of a point without a part in a mode.
IDLE = int(np.iinfo(np.int64).min) // 4


class NetlistError(BrickworkError):
    """A netlist that breaks a rule; lists every fault and the pass after which it was found."""

    def __init__(self, netlist: str, faults: tuple[str, ...], after: str) -> None:
        self.netlist, self.faults, self.after = netlist, faults, after
        super().__init__("\n".join(f"netlist {netlist!r} after {after}: {fault}" for fault in faults))


@dataclass(frozen=True)
class Region:
    """Points at which a group of nodes stands, one hardware module each.

    Attributes
    ----------
    offsets : tuple of tuple of int or None
        For each mode, how many cycles after the control each point runs a time step; None where it has no part in it.
    """

    name: str
    points: tuple[Point, ...]
    offsets: tuple[tuple[int | None, ...], ...]

    @cached_property
    def position(self) -> Mapping[Point, int]:
        """Where each point stands in ``points``."""
        return {point: k for k, point in enumerate(self.points)}

    @cached_property
    def active(self) -> tuple[Mapping[Point, int], ...]:
        """By mode: the points that work in it, with their offset from the control in cycles."""
        return tuple(
            {p: o for p, o in zip(self.points, offsets, strict=True) if o is not None} for offsets in self.offsets
        )

    @cached_property
    def offset_cycles(self) -> Integers:
        """Offsets as an array of modes by points, ``IDLE`` where a point has no part in a mode."""
        return np.array([[IDLE if o is None else o for o in offsets] for offsets in self.offsets], np.int64)


@dataclass(frozen=True, slots=True)
class Arc:
    """An operand: which producer each consumer point reads, and with which architectural delay.

    Attributes
    ----------
    source : str
        Name of the producing node.
    role : str
        What the consumer takes it for.
    pairs : tuple of (consumer point, producer point)
    time_cycles : int
        ``lambda . Dt``: by how much the value is older than the consumer's time step (at the design's limits where
        ``fifo`` is set).
    fifo : str or None
        Name of the run-time register that holds the delay, for delays that depend on run-time extents.
    mode : int
        The dataflow, as position in the netlist's plans, under which the operand comes this way.
    """

    source: str
    role: str
    pairs: Pairs
    time_cycles: int = 0
    fifo: str | None = None
    mode: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """One primitive at every point of a region.

    ``op`` is one of

    ========== ===========================================================================
    control    a value of the sequencer or an address generator (``value`` per point)
    launch     control values, delayed by what each mode needs
    read       synchronous read of a bank (roles ``address``, ``enable``)
    write      write of a bank (roles ``data``, ``address``, ``enable``)
    rotate     switch between ports and banks
    spread     addresses of all banks behind a switch
    lane       a wire of a switch
    relay      a register of a broadcast (role ``value``)
    mask       value or, where a ``bit`` is 0, the identity of the reduction ``by`` (0 when none is given)
    source     operand of a functional unit: stationary register, links, port
    decode     the integer that a ``code`` of ``format`` means, in the format's smallest steps
    significand  the same without its power of two
    power      the exponent of that power
    multiply   product of two, or with a constant
    shift      ``value`` times two to the sum of all roles ``byN``
    float_multiply  the same of codes of two ``formats`` in fp32
    widen      a ``code`` of one of two ``formats`` as that of the other
    compute    functional unit ``unit`` (roles as in its spelling)
    add        ``by`` applied to what is present, of fp32 codes where ``floating``
    reduce     multi-operand ``by``, ``balanced`` or a chain; ``floating`` as above
    select     ``start`` ? ``first`` : ``again``, ``first`` being the identity of ``by`` where it is absent
    ========== ===========================================================================
    """

    name: str
    region: str
    op: str
    args: tuple[Arc, ...]
    width_bits: int
    latency_cycles: int = 0
    signed: bool = True
    parameters: tuple[tuple[str, object], ...] = ()

    def parameter(self, name: str) -> object:
        return dict(self.parameters)[name]

    @property
    def reduction(self) -> Reduction:
        """How the node combines values; sums where nothing else is said."""
        by = dict(self.parameters).get("by", SUM)
        assert isinstance(by, Reduction)
        return by

    @property
    def floating(self) -> bool:
        """True if the node adds fp32 codes."""
        return bool(dict(self.parameters).get("floating", False))

    @property
    def operation_cycles(self) -> int:
        """Cycles of one product or sum of the node; a reduction has several, one after the other."""
        return int(str(dict(self.parameters).get("cycles", 1)))

    @property
    def identity(self) -> int:
        """What changes no value of the node's width under its reduction."""
        half = 1 << (self.width_bits - 1)
        return self.reduction.identity((-half, half - 1) if self.signed else (0, 2 * half - 1))

    def arc(self, role: str) -> Arc | None:
        return next((a for a in self.args if a.role == role), None)

    def arcs(self, role: str) -> tuple[Arc, ...]:
        return tuple(a for a in self.args if a.role == role)


@dataclass(frozen=True, slots=True)
class Links:
    """The pairs of an arc as arrays, in the order of the pairs.

    Attributes
    ----------
    consumers, producers
        Positions of the points in their regions.
    span_cycles
        The architectural delay between their time steps' cycles.
    """

    consumers: Integers
    producers: Integers
    span_cycles: Integers

    @property
    def least_cycles(self) -> int | None:
        """The shortest delay; None where the arc has no pair."""
        return int(self.span_cycles.min()) if len(self.span_cycles) else None


@dataclass(frozen=True, slots=True)
class PassStatistics:
    """What the netlist held after a pass; ``largest_fan_out`` is the most operands that read a value in one cycle."""

    name: str
    register_bits: int
    adder_bits: int
    multiplier_bits: int
    mux_bits: int
    depth_cycles: int
    largest_fan_out: int


@dataclass(frozen=True)
class Netlist:
    """Regions, nodes and, once delays are matched, the cycle at which each node's operands meet.

    Attributes
    ----------
    plans : tuple of Plan
        The dataflows that the hardware serves, one a mode.
    labels : tuple of tuple of (node, cycle)
        For each mode ``r``: operands of node v at point s meet ``r_v`` cycles after the point's own time step.
    """

    name: str
    plans: tuple[Plan, ...]
    regions: tuple[Region, ...]
    nodes: tuple[Node, ...]
    labels: tuple[tuple[tuple[str, int], ...], ...] = ()
    statistics: tuple[PassStatistics, ...] = ()
    # Filled on demand and shared by all netlists that passes make of this one, because links depend on an arc and two
    # regions only. What a key names by identity stands beside the value, so that it lives as long.
    _links: dict[tuple[int, int, int], tuple[Links, Arc, Region, Region]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def plan(self) -> Plan:
        """The only plan of a netlist before fusion."""
        (plan,) = self.plans
        return plan

    @property
    def modes(self) -> range:
        return range(len(self.plans))

    @cached_property
    def node(self) -> Mapping[str, Node]:
        return {n.name: n for n in self.nodes}

    @cached_property
    def region(self) -> Mapping[str, Region]:
        return {r.name: r for r in self.regions}

    @cached_property
    def label(self) -> tuple[Mapping[str, int], ...]:
        """Labels by mode and node; a node without a part in a mode has none."""
        return tuple(dict(labels) for labels in self.labels)

    def active(self, node: Node, mode: int) -> Mapping[Point, int]:
        """The points of a node that work in a mode, with their offset from the control in cycles."""
        return self.region[node.region].active[mode]

    def offset_cycles(self, node: Node, point: Point, mode: int) -> int:
        """How many cycles after the control the point runs a time step."""
        return self.active(node, mode)[point]

    def arcs(self) -> Iterator[tuple[Node, Arc]]:
        """Every consumer with each of its operands."""
        for node in self.nodes:
            for arc in node.args:
                yield node, arc

    def spans(self, node: Node, arc: Arc) -> Iterator[tuple[Point, Point, int]]:
        """For each pair: consumer, producer, and the architectural delay between their time steps' cycles."""
        mine, theirs = self.active(node, arc.mode), self.active(self.node[arc.source], arc.mode)
        for consumer, producer in arc.pairs:
            yield consumer, producer, arc.time_cycles + mine[consumer] - theirs[producer]

    def links(self, node: Node, arc: Arc) -> Links:
        """The same as ``spans``, as arrays."""
        mine, theirs = self.region[node.region], self.region[self.node[arc.source].region]
        key = id(arc), id(mine), id(theirs)
        if key not in self._links:
            of_consumer, of_producer = mine.position.__getitem__, theirs.position.__getitem__
            consumers = np.fromiter(map(of_consumer, map(itemgetter(0), arc.pairs)), np.int64, len(arc.pairs))
            producers = np.fromiter(map(of_producer, map(itemgetter(1), arc.pairs)), np.int64, len(arc.pairs))
            begun, made = mine.offset_cycles[arc.mode][consumers], theirs.offset_cycles[arc.mode][producers]
            assert IDLE not in begun and IDLE not in made, f"{arc.source} -> {node.name} joins points at rest"
            self._links[key] = (Links(consumers, producers, arc.time_cycles + begun - made), arc, mine, theirs)
        return self._links[key][0]

    def slack(self, node: Node, arc: Arc) -> int:
        """``r_v - r_u - l_u``: registers of the arc beyond its architectural delay."""
        source, label = self.node[arc.source], self.label[arc.mode]
        return label[node.name] - label[source.name] - source.latency_cycles

    def with_nodes(self, nodes: Mapping[str, Node]) -> Netlist:
        """The same netlist with some nodes replaced."""
        return replace(self, nodes=tuple(nodes.get(n.name, n) for n in self.nodes))


def check(netlist: Netlist, *, after: str) -> None:
    """Raise one error that lists every fault of ``netlist``.

    Raises
    ------
    NetlistError
    """
    if faults := tuple(fault for rule in RULES for fault in rule(netlist)):
        raise NetlistError(netlist.name, faults, after)


def _names_are_unique(netlist: Netlist) -> Iterator[str]:
    for kind, names in (("node", [n.name for n in netlist.nodes]), ("region", [r.name for r in netlist.regions])):
        for name in sorted({n for n in names if names.count(n) > 1}):
            yield f"{kind} {name!r} stands twice"


def _arcs_join_known_points(netlist: Netlist) -> Iterator[str]:
    for node, arc in netlist.arcs():
        source = netlist.node.get(arc.source)
        if source is None:
            yield f"node {node.name!r} reads {arc.source!r}, which does not exist"
            continue
        try:
            netlist.links(node, arc)
            continue
        except KeyError:
            mine, theirs = netlist.region[node.region].position, netlist.region[source.region].position
        for consumer, producer in arc.pairs:
            if consumer not in mine:
                yield f"{arc.source} -> {node.name}: consumer {list(consumer)} is not in region {node.region!r}"
            elif producer not in theirs:
                yield f"{arc.source} -> {node.name}: producer {list(producer)} is not in region {source.region!r}"


def _widths_are_positive(netlist: Netlist) -> Iterator[str]:
    for node in netlist.nodes:
        if node.width_bits < 1:
            yield f"node {node.name!r} is {node.width_bits} bits wide; expected at least 1"


def _registers_are_counts(netlist: Netlist) -> Iterator[str]:
    if not netlist.labels:
        return
    for node, arc in netlist.arcs():
        if arc.source not in netlist.node:
            continue
        least = (netlist.links(node, arc).least_cycles or 0) + netlist.slack(node, arc)
        needed = 1 if arc.fifo else 0
        if least < needed:
            yield f"{arc.source} -> {node.name} ({arc.role}) has {least} registers; expected at least {needed}"


RULES = (_names_are_unique, _arcs_join_known_points, _widths_are_positive, _registers_are_counts)
