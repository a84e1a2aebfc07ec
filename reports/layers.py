"""Layered placement of a directed graph: layers by longest path, few crossings, wires around what is between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Edge = tuple[str, str]
_SWEEPS = 12


@dataclass(frozen=True)
class Layers:
    """Where nodes and the bends of long edges stand.

    Attributes
    ----------
    layer : mapping of node to int
    y : mapping of node to float
        Centre, upwards, in the unit of the heights.
    bends : mapping of edge to tuple of (layer, y)
        Places in the layers between the ends of an edge, in order; none for an edge that runs back.
    back : frozenset of edge
        Edges that close a cycle, and would run back.
    """

    layer: Mapping[str, int]
    y: Mapping[str, float]
    bends: Mapping[Edge, tuple[tuple[int, float], ...]]
    back: frozenset[Edge]


def layered(
    heights: Mapping[str, float], edges: Sequence[Edge], *, first: Sequence[str], last: Sequence[str]
) -> Layers:
    """Place nodes after Sugiyama, Tagawa and Toda [1]_, the same way every time.

    Parameters
    ----------
    heights
        Every node with its height, margin included.
    first, last
        Nodes that stand in the first and the last layer.

    References
    ----------
    .. [1] K. Sugiyama, S. Tagawa and M. Toda, "Methods for visual understanding of hierarchical system structures",
       IEEE Transactions on Systems, Man, and Cybernetics 11(2), 1981.
    """
    wires = list(dict.fromkeys(edges))
    back = frozenset(_back_edges(list(heights), wires))
    forward = [edge for edge in wires if edge not in back]
    layer = _longest_paths(list(heights), forward, frozenset(first), frozenset(last))
    rows: dict[int, list[str]] = defaultdict(list)
    for node in heights:
        rows[layer[node]].append(node)
    chains: dict[Edge, tuple[str, ...]] = {}
    steps: list[Edge] = []
    size = dict(heights)
    for number, (source, target) in enumerate(forward):
        chain = tuple(f"{number}:{k}" for k in range(layer[source] + 1, layer[target]))
        for k, name in enumerate(chain, layer[source] + 1):
            rows[k].append(name)
            size[name] = 0.35
        chains[source, target] = chain
        way = (source, *chain, target)
        steps += pairwise(way)
    ordered = [rows[k] for k in sorted(rows)]
    _uncross(ordered, steps)
    y = _heights(ordered, steps, size)
    bends = {
        edge: tuple((layer[edge[0]] + 1 + k, y[name]) for k, name in enumerate(chain)) for edge, chain in chains.items()
    }
    return Layers(layer, {node: y[node] for node in heights}, bends, back)


def _back_edges(nodes: Sequence[str], edges: Sequence[Edge]) -> list[Edge]:
    """Edges whose removal leaves no cycle: those that lead to a node on the path of a depth-first walk."""
    after: dict[str, list[str]] = defaultdict(list)
    into = {target for _, target in edges}
    for source, target in edges:
        after[source].append(target)
    found: list[Edge] = []
    state: dict[str, str] = {}

    def walk(node: str) -> None:
        state[node] = "open"
        for following in after[node]:
            if state.get(following) == "open":
                found.append((node, following))
            elif following not in state:
                walk(following)
        state[node] = "done"

    for node in sorted(nodes, key=lambda n: n in into):
        if node not in state:
            walk(node)
    return found


def _longest_paths(
    nodes: Sequence[str], edges: Sequence[Edge], first: frozenset[str], last: frozenset[str]
) -> dict[str, int]:
    before: dict[str, list[str]] = defaultdict(list)
    after: dict[str, list[str]] = defaultdict(list)
    for source, target in edges:
        before[target].append(source)
        after[source].append(target)
    layer: dict[str, int] = {}

    def depth(node: str) -> int:
        if node not in layer:
            layer[node] = max((depth(n) + 1 for n in before[node]), default=0 if node in first else 1)
        return layer[node]

    end = max((depth(node) for node in nodes if node not in last), default=0) + 1
    for node in nodes:
        # What nothing leads to stands close to where it is used.
        if not before[node] and node not in first and after[node]:
            layer[node] = max(1, min(layer[n] for n in after[node] if n in layer) - 1)
    return layer | dict.fromkeys(last, end)


def _uncross(rows: list[list[str]], steps: Sequence[Edge]) -> None:
    """Order every layer by the mean place of its neighbours, from either side in turn."""
    left: dict[str, list[str]] = defaultdict(list)
    right: dict[str, list[str]] = defaultdict(list)
    for source, target in steps:
        right[source].append(target)
        left[target].append(source)
    for sweep in range(_SWEEPS):
        near = left if sweep % 2 == 0 else right
        order = range(1, len(rows)) if sweep % 2 == 0 else range(len(rows) - 2, -1, -1)
        for k in order:
            beside = rows[k - 1] if sweep % 2 == 0 else rows[k + 1]
            place = {name: (n + 0.5) / len(beside) for n, name in enumerate(beside)}
            own = {name: (n + 0.5) / len(rows[k]) for n, name in enumerate(rows[k])}

            def mean(
                name: str,
                place: dict[str, float] = place,
                own: dict[str, float] = own,
                near: Mapping[str, list[str]] = near,
            ) -> float:
                found = [place[n] for n in near[name] if n in place]
                return sum(found) / len(found) if found else own[name]

            rows[k].sort(key=mean)


def _heights(rows: Sequence[Sequence[str]], steps: Sequence[Edge], size: Mapping[str, float]) -> dict[str, float]:
    """Move every layer towards its neighbours, keeping its order and distances."""
    near: dict[str, list[str]] = defaultdict(list)
    for source, target in steps:
        near[source].append(target)
        near[target].append(source)
    y: dict[str, float] = {}
    for row in rows:
        top = sum(size[name] for name in row) / 2
        for name in row:
            y[name] = top - size[name] / 2
            top -= size[name]
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = [sum(y[n] for n in near[name]) / len(near[name]) if near[name] else y[name] for name in row]
            y |= dict(zip(row, _apart(wanted, [size[name] for name in row]), strict=True))
    return y


def _apart(wanted: Sequence[float], size: Sequence[float]) -> list[float]:
    """Places nearest to the wanted ones, in least squares, that keep order and distances: pooled adjacent violators."""
    below = [0.0]
    for one, other in pairwise(size):
        below.append(below[-1] + (one + other) / 2)
    blocks: list[tuple[float, int]] = []
    for want, offset in zip(wanted, below, strict=True):
        blocks.append((want + offset, 1))
        while len(blocks) > 1 and blocks[-1][0] / blocks[-1][1] > blocks[-2][0] / blocks[-2][1]:
            total, count = blocks.pop()
            blocks[-1] = (blocks[-1][0] + total, blocks[-1][1] + count)
    means = [total / count for total, count in blocks for _ in range(count)]
    return [mean - offset for mean, offset in zip(means, below, strict=True)]
