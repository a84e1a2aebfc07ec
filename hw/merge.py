"""Several netlists laid over each other: one piece of hardware that serves each of them in a mode of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dataflow.banking import Switch
from dataflow.dataflow import Point
from hw.conditions import All, ByMode, Single, aligned
from hw.latencies import reduce_latency_cycles
from hw.levels import levels_outside
from hw.netlist import Arc, Netlist, Node, Region
from hw.placement import Placement, bank_points, place_banks
from hw.pointers import steer_delays
from hw.renaming import common_names
from hw.sources import neutral_value
from workloads.errors import BrickworkError
from workloads.reduction import SUM


class MergeError(BrickworkError):
    """Dataflows that cannot share one array."""


@dataclass(frozen=True)
class Merged:
    """One netlist for all modes.

    Attributes
    ----------
    placements : tuple of mapping
        By mode and bank set: the memory that serves as each bank.
    """

    netlist: Netlist
    placements: tuple[Mapping[str, tuple[int, ...]], ...]


def merge(netlists: Sequence[Netlist], name: str) -> Merged:
    """Lay netlists over each other: nodes of one name become one node, whose operands come from where the mode says.

    Raises
    ------
    MergeError
        Names the node that two dataflows would need to be different things.
    """
    if len(netlists) == 1:
        return Merged(steer_delays(netlists[0]), ({},))
    plans = tuple(plan for netlist in netlists for plan in netlist.plans)
    switches: dict[str, list[Switch]] = defaultdict(list)
    named = [common_names(netlist, switches) for netlist in netlists]
    placements = place_banks(plans)
    placed = [
        _modal(netlist, mode, placement, levels_outside(plans, plans[mode]))
        for mode, (netlist, placement) in enumerate(zip(named, placements, strict=True))
    ]
    nodes: dict[str, Node] = {}
    for mode_nodes, _ in placed:
        for node in mode_nodes:
            nodes[node.name] = _joined(nodes[node.name], node) if node.name in nodes else node
    nodes = _switches_as_wide_as_their_words(nodes)
    regions = _regions([found for _, found in placed])
    points = {r.name: r.points for r in regions}
    idle = _idle_values(nodes.values())
    launched = _launched(
        [
            _with_values(n, points[n.region], placed, idle.get(n.name, 0)) if n.op == "control" else n
            for n in nodes.values()
        ],
        placed,
    )
    merged = Netlist(name, plans, regions, _keeping_identities([_one_delay(n) for n in launched]))
    return Merged(steer_delays(merged), tuple(p.memories for p in placements))


def _modal(
    netlist: Netlist, mode: int, placement: Placement, outside: int
) -> tuple[list[Node], dict[str, dict[Point, int]]]:
    """The nodes of one mode, their arcs marked with it and their banks replaced by memories; and its regions."""
    moved = bank_points(netlist, placement)
    regions = {
        r.name: {
            moved.get(r.name, {}).get(p, p): o for p, o in zip(r.points, r.offsets[0], strict=True) if o is not None
        }
        for r in netlist.regions
    }
    nodes = []
    for node in netlist.nodes:
        mine = moved.get(node.region, {})
        args = tuple(
            replace(
                arc,
                mode=mode,
                pairs=tuple(
                    (mine.get(c, c), moved.get(netlist.node[arc.source].region, {}).get(p, p)) for c, p in arc.pairs
                ),
            )
            for arc in node.args
        )
        parameters = node.parameters
        if node.op == "control":
            values = node.parameter("values")
            assert isinstance(values, tuple)
            parameters = (("values", tuple(aligned(value, outside, mode) for value in values)),)
        nodes.append(replace(node, args=args, parameters=parameters))
    return nodes, regions


def _joined(one: Node, other: Node) -> Node:
    """One node for two modes."""
    same = one.op == other.op and one.region == other.region
    if one.op != "control":
        same = same and one.parameters == other.parameters
    if not same or (one.op != "reduce" and one.latency_cycles != other.latency_cycles):
        raise MergeError(f"node {one.name!r} is a {one.op} in one dataflow and a {other.op} in another")
    args = (*one.args, *other.args)
    latency = one.latency_cycles
    if one.op == "reduce":
        terms = len({arc.role for arc in args})
        latency = reduce_latency_cycles(terms, balanced=bool(one.parameter("balanced")))
    return replace(
        one,
        args=args,
        width_bits=max(one.width_bits, other.width_bits),
        signed=one.signed or other.signed,
        latency_cycles=latency,
    )


def _switches_as_wide_as_their_words(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """A switch of one mode carries words and addresses that another mode may need wider."""
    found = dict(nodes)
    for name, node in nodes.items():
        if node.op in ("rotate", "spread"):
            found[name] = replace(node, width_bits=found[node.args[0].source].width_bits)
    return found


def _regions(modes: Sequence[Mapping[str, Mapping[Point, int]]]) -> tuple[Region, ...]:
    points: dict[str, dict[Point, None]] = defaultdict(dict)
    for regions in modes:
        for name, offsets in regions.items():
            points[name] |= dict.fromkeys(offsets)
    return tuple(
        Region(
            name,
            found := tuple(sorted(members)),
            tuple(tuple(regions.get(name, {}).get(p) for p in found) for regions in modes),
        )
        for name, members in points.items()
    )


def _with_values(
    node: Node,
    points: Sequence[Point],
    placed: Sequence[tuple[Sequence[Node], Mapping[str, Mapping[Point, int]]]],
    idle: int,
) -> Node:
    """A control node with, for each point, its value in each mode that has one, and 0 or ``idle`` in all others."""
    found: dict[Point, list[tuple[int, Single]]] = defaultdict(list)
    for mode, (nodes, regions) in enumerate(placed):
        for other in nodes:
            if other.name == node.name:
                given = other.parameter("values")
                assert isinstance(given, tuple)
                for point, value in zip(regions[node.region], given, strict=True):
                    found[point].append((mode, value))
    values: list[ByMode] = []
    for point in points:
        present = {mode for mode, _ in found[point]}
        others = [(mode, All(())) for mode in range(len(placed)) if idle and mode not in present]
        values.append(ByMode((*found[point], *others)))
    return replace(node, parameters=(("values", tuple(values)), ("idle", idle)))


def _idle_values(nodes: Iterable[Node]) -> dict[str, int]:
    """For each control value of one bit: what leaves its consumers alone, where they all agree on 1."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for node in nodes:
        for arc in node.args:
            wanted[arc.source].add(neutral_value(node, arc.role))
    return {name: int(values == {1}) for name, values in wanted.items()}


def _launched(
    nodes: Sequence[Node], placed: Sequence[tuple[Sequence[Node], Mapping[str, Mapping[Point, int]]]]
) -> list[Node]:
    """Put a place behind each control value where a mode can delay it, before it spreads over the array."""
    result: list[Node] = []
    control = {n.name for n in nodes if n.op == "control"}
    for node in nodes:
        result.append(
            replace(
                node,
                args=tuple(
                    replace(arc, source=f"{arc.source}_go") if arc.source in control else arc for arc in node.args
                ),
            )
        )
        if node.name in control:
            args = tuple(
                Arc(node.name, "value", tuple((p, p) for p in regions[node.region]), mode=mode)
                for mode, (_, regions) in enumerate(placed)
                if node.region in regions
            )
            idle = (("idle", dict(node.parameters)["idle"]),)
            result.append(Node(f"{node.name}_go", node.region, "launch", args, node.width_bits, 0, node.signed, idle))
    return result


def _keeping_identities(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Widen each maximum and minimum to what it compares: cut short, the identity of a wider one would win."""
    reducing = {n.name: n for n in nodes if n.reduction != SUM}
    width = {name: n.width_bits for name, n in reducing.items()}
    before = None
    while width != before:
        before = dict(width)
        for name, node in reducing.items():
            width[name] = max([before[name], *(before[a.source] for a in node.args if a.source in reducing)])
    return tuple(replace(n, width_bits=width.get(n.name, n.width_bits)) for n in nodes)


def _one_delay(node: Node) -> Node:
    """Where an operand has a programmable delay in one mode, it has it in all."""
    fifos = {arc.role: arc.fifo for arc in node.args if arc.fifo}
    return replace(node, args=tuple(replace(arc, fifo=fifos.get(arc.role)) for arc in node.args)) if fifos else node
