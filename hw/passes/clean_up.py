"""Clean-up: what is constant, there twice, passed on unchanged or read by nobody is not built."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from operator import itemgetter

from dataflow.dataflow import Point
from hw.conditions import Value
from hw.constants import is_true, simplified
from hw.netlist import Arc, Netlist, Node, Region

# What has an effect outside the netlist.
ROOTS = ("write",)

# Nodes of which equal ones may be one: they hold nothing and differ in nothing but what they say.
PURE = ("mask", "all", "lane", "multiply", "float_multiply", "shift", "compute")


def clean_up(netlist: Netlist) -> Netlist:
    """Drop constants, repetitions, nodes of one operand and nodes without a reader, until nothing changes.

    Control values are simplified at the design's limits and one that occurs twice is built once. A mask bit that is
    always 1 is dropped, and so is a selection that always begins anew. A node that passes on its only operand at all
    of its points is bypassed, with the registers that it held.
    """
    before: tuple[Node, ...] = ()
    netlist = _simplified(netlist)
    while netlist.nodes != before:
        before = netlist.nodes
        for step in (_without_constants, _without_repetitions, _without_relays, _without_dead):
            netlist = step(netlist)
    return netlist


def _simplified(netlist: Netlist) -> Netlist:
    """Control values in their simplest form."""
    return netlist.with_nodes(
        {
            n.name: _with_values(n, [simplified(v, netlist.plans) for v in values_of(n)])
            for n in netlist.nodes
            if n.op == "control"
        }
    )


def values_of(node: Node) -> tuple[Value, ...]:
    """What a control node drives at each point of its region."""
    values = node.parameter("values")
    assert isinstance(values, tuple)
    return values


def _with_values(node: Node, values: Iterable[Value]) -> Node:
    parameters = tuple((k, tuple(values)) if k == "values" else (k, v) for k, v in node.parameters)
    return replace(node, parameters=parameters)


def _true_places(netlist: Netlist) -> set[tuple[str, Point]]:
    """Control values, and launches of such, that are always 1."""
    found = {
        (n.name, point)
        for n in netlist.nodes
        if n.op == "control"
        for point, value in zip(netlist.region[n.region].points, values_of(n), strict=True)
        if is_true(value)
    }
    for node in netlist.nodes:
        if node.op == "launch":
            brought: dict[Point, bool] = {}
            for arc in node.args:
                for point, producer in arc.pairs:
                    brought[point] = brought.get(point, True) and (arc.source, producer) in found
            found |= {(node.name, point) for point, true in brought.items() if true}
    return found


def _without_constants(netlist: Netlist) -> Netlist:
    """Drop mask bits that are always 1, and selections that never take the old value."""
    true = _true_places(netlist)
    changed: dict[str, Node] = {}
    fresh: set[tuple[str, Point]] = set()
    for node in netlist.nodes:
        if node.op in ("mask", "all"):
            changed[node.name] = replace(node, args=_kept(node, _needed_bits(node, true)))
        elif node.op == "select":
            # A mode without a part in the node starts nothing there.
            begun = {point: True for arc in node.arcs("start") for point, _ in arc.pairs}
            for arc in node.arcs("start"):
                for point, producer in arc.pairs:
                    begun[point] = begun[point] and (arc.source, producer) in true
            fresh |= {(node.name, point) for point, always in begun.items() if always}
    selects = {n.name: n for n in netlist.nodes if n.op == "select"}
    for node in netlist.nodes:
        if node.op == "add":
            args = [part for arc in node.args for part in _beyond_select(arc, selects, fresh)]
            changed[node.name] = replace(node, args=tuple(args))
    return netlist.with_nodes(changed)


def _needed_bits(node: Node, true: set[tuple[str, Point]]) -> set[tuple[str, Point]]:
    """Bits by source and consumer that some mode needs."""
    return {
        (arc.source, point)
        for arc in node.arcs("bit")
        for point, producer in arc.pairs
        if (arc.source, producer) not in true
    }


def _kept(node: Node, bits: set[tuple[str, Point]]) -> tuple[Arc, ...]:
    args = (
        replace(arc, pairs=tuple(pair for pair in arc.pairs if (arc.source, pair[0]) in bits))
        if arc.role == "bit"
        else arc
        for arc in node.args
    )
    return tuple(arc for arc in args if arc.pairs)


def _beyond_select(arc: Arc, selects: Mapping[str, Node], fresh: set[tuple[str, Point]]) -> Iterator[Arc]:
    """An operand, taken from what a selection begins with where it always does."""
    select = selects.get(arc.source)
    if select is None:
        yield arc
        return
    left = tuple(pair for pair in arc.pairs if (arc.source, pair[1]) not in fresh)
    if left:
        yield replace(arc, pairs=left)
    moved = tuple(pair for pair in arc.pairs if (arc.source, pair[1]) in fresh)
    for first in select.arcs("first"):
        if first.mode == arc.mode:
            yield from _through(replace(arc, pairs=moved), first)


def _through(arc: Arc, first: Arc) -> Iterator[Arc]:
    """Two arcs in a row as one, which skips the node between them."""
    origin = dict(first.pairs)
    pairs = tuple((consumer, origin[middle]) for consumer, middle in arc.pairs if middle in origin)
    if pairs:
        assert not (arc.fifo and first.fifo)
        yield replace(
            arc,
            source=first.source,
            pairs=pairs,
            time_cycles=arc.time_cycles + first.time_cycles,
            fifo=arc.fifo or first.fifo,
        )


def _without_repetitions(netlist: Netlist) -> Netlist:
    """Read the first of several equal values."""
    first: dict[tuple[object, ...], tuple[str, Point]] = {}
    stand_in: dict[tuple[str, Point], tuple[str, Point]] = {}
    for node in netlist.nodes:
        if node.op == "control":
            region = netlist.region[node.region]
            for k, (point, value) in enumerate(zip(region.points, values_of(node), strict=True)):
                key = node.width_bits, value, tuple(offsets[k] for offsets in region.offsets)
                stand_in[node.name, point] = first.setdefault(key, (node.name, point))
    same: dict[tuple[object, ...], str] = {}
    for node in netlist.nodes:
        if node.op in PURE:
            look = node.op, node.region, node.width_bits, node.parameters, frozenset(node.args)
            kept = same.setdefault(look, node.name)
            if kept != node.name:
                stand_in |= {(node.name, p): (kept, p) for p in netlist.region[node.region].points}
    repeated = {name for (name, point), kept in stand_in.items() if kept != (name, point)}

    def operands(node: Node) -> Iterator[Arc]:
        for arc in node.args:
            if arc.source in repeated or not arc.pairs:
                yield from _redirected(arc, stand_in)
            else:
                yield arc

    return netlist.with_nodes({n.name: replace(n, args=tuple(operands(n))) for n in netlist.nodes})


def _redirected(arc: Arc, stand_in: Mapping[tuple[str, Point], tuple[str, Point]]) -> Iterator[Arc]:
    groups: dict[str, list[tuple[Point, Point]]] = {}
    for consumer, producer in arc.pairs:
        source, point = stand_in.get((arc.source, producer), (arc.source, producer))
        groups.setdefault(source, []).append((consumer, point))
    if list(groups) == [arc.source]:
        yield arc
        return
    for source, pairs in groups.items():
        yield replace(arc, source=source, pairs=tuple(pairs))


def _without_relays(netlist: Netlist) -> Netlist:
    """Read behind nodes that pass on their only operand at all points and in all modes."""
    relays = {n.name: n for n in netlist.nodes if _passes_on(netlist, n)}
    # One at a time where they follow each other; the caller comes again.
    relays = {name: n for name, n in relays.items() if not any(a.source in relays for a in n.args)}

    def operands(node: Node) -> Iterator[Arc]:
        for arc in node.args:
            if arc.source in relays:
                for first in relays[arc.source].args:
                    if first.mode == arc.mode:
                        yield from _through(arc, first)
            else:
                yield arc

    return netlist.with_nodes({n.name: replace(n, args=tuple(operands(n))) for n in netlist.nodes})


def _passes_on(netlist: Netlist, node: Node) -> bool:
    # A floating-point sum turns -0 into +0 even where nothing comes to it.
    if node.op == "add" and node.floating:
        return False
    only = {"mask": "value", "reduce": "term0", "add": "a", "multiply": "a"}.get(node.op)
    sources = [netlist.node[arc.source] for arc in node.args]
    return (
        {arc.role for arc in node.args} == {only}
        and dict(node.parameters).get("constant", 1) == 1
        and all(s.width_bits <= node.width_bits and s.signed == node.signed for s in sources)
    )


def _without_dead(netlist: Netlist) -> Netlist:
    """Drop nodes that nothing reads, and places of the control that nothing reads."""
    read: dict[str, set[Point]] = defaultdict(set)
    for _, arc in netlist.arcs():
        read[arc.source].update(map(itemgetter(1), arc.pairs))
    nodes = []
    for node in netlist.nodes:
        if node.op == "launch":
            needed = (replace(a, pairs=tuple(p for p in a.pairs if p[0] in read[node.name])) for a in node.args)
            node = replace(node, args=tuple(a for a in needed if a.pairs))
        if node.op in ROOTS or read[node.name]:
            nodes.append(node)
    places: dict[str, set[Point]] = defaultdict(set)
    for node in nodes:
        if node.op in ("control", "launch"):
            places[node.region] |= read[node.name]
    of_control = {n.region for n in netlist.nodes if n.op in ("control", "launch")}
    regions = tuple(
        _restricted(r, places[r.name]) if r.name in of_control else r
        for r in netlist.regions
        if places[r.name] or r.name not in of_control
    )
    nodes = [
        _with_values(
            n,
            (
                value
                for value, point in zip(values_of(n), netlist.region[n.region].points, strict=True)
                if point in places[n.region]
            ),
        )
        if n.op == "control"
        else n
        for n in nodes
    ]
    return replace(netlist, nodes=tuple(nodes), regions=regions)


def _restricted(region: Region, points: set[Point]) -> Region:
    if len(points) == len(region.points):
        return region
    kept = [k for k, point in enumerate(region.points) if point in points]
    return replace(
        region,
        points=tuple(region.points[k] for k in kept),
        offsets=tuple(tuple(offsets[k] for k in kept) for offsets in region.offsets),
    )
