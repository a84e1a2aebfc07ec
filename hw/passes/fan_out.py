"""Fan-out: how many operands read one value in one cycle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dataflow.dataflow import Point
from hw.netlist import Arc, Netlist, Node

# What reads a value: node, role and point.
Reader = tuple[str, str, Point]


def readers(netlist: Netlist, name: str) -> dict[tuple[Point, int], set[Reader]]:
    """Operands that read each value of a node, by the registers between: those of one delay line are one load each.

    The netlist has labels. Operands of all modes count, since their wires are all there. The next register of a delay
    line does not count, nor do wires that only pass a value on, but what reads it behind them does.
    """
    direct = beyond_broadcast(netlist, name)
    found: dict[tuple[Point, int], set[Reader]] = defaultdict(set)
    for node, arc in direct.arcs():
        if arc.source == name:
            slack = netlist.slack(node, arc)
            for consumer, producer, span in direct.spans(node, arc):
                found[producer, 0 if arc.fifo else span + slack].add((node.name, arc.role, consumer))
    return found


def largest_fan_out(netlist: Netlist) -> int:
    """Most operands that read any value of a labelled netlist in one cycle."""
    bounds = {node.name: most_pairs(netlist, node.name) for node in netlist.nodes}
    largest = 0
    for name in sorted(bounds, key=lambda name: -bounds[name]):
        if bounds[name] <= largest:
            break
        largest = max(largest, *map(len, readers(netlist, name).values()))
    return largest


def most_pairs(netlist: Netlist, name: str) -> int:
    """Most operands of any of a node's values, in whatever mode and cycle."""
    direct = beyond_broadcast(netlist, name)
    found = np.zeros(len(netlist.region[netlist.node[name].region].points), np.int64)
    for node, arc in direct.arcs():
        if arc.source == name:
            found += np.bincount(direct.links(node, arc).producers, minlength=len(found))
    return int(found.max(initial=0))


def beyond_broadcast(netlist: Netlist, name: str) -> Netlist:
    """Read an operand where its broadcast begins, not through the wires of the units that receive it.

    Those wires lead from a node to itself, so that a register in them would have the operand arrive at two different
    times at points that share a label.
    """
    source = netlist.node[name]
    heads = {(arc.mode, member): head for arc in source.arcs("broadcast") for member, head in arc.pairs}
    if not heads:
        return netlist

    def operands(node: Node) -> Iterator[Arc]:
        for arc in node.args:
            if arc.source != name:
                yield arc
            elif node is not source or arc.role != "broadcast":
                yield replace(arc, pairs=tuple((c, heads.get((arc.mode, p), p)) for c, p in arc.pairs))

    return netlist.with_nodes({n.name: replace(n, args=tuple(operands(n))) for n in netlist.nodes})
