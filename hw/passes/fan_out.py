"""Fan-out: how many operands read one value in one cycle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from hw.netlist import Arc, Integers, Netlist, Node


def most_readers(netlist: Netlist, name: str) -> int:
    """Most operands that read one value of a node after as many registers: those of one delay line are one load each.

    The netlist has labels. Operands of all modes count, since their wires are all there. The next register of a delay
    line does not count, nor do wires that only pass a value on, but what reads it behind them does.
    """
    direct = beyond_broadcast(netlist, name)
    values = len(netlist.region[netlist.node[name].region].points)
    operands: dict[tuple[str, str], list[Integers]] = defaultdict(list)
    places: dict[str, int] = {}
    for node, arc in direct.arcs():
        if arc.source == name and arc.pairs:
            links = direct.links(node, arc)
            registers = np.zeros_like(links.span_cycles) if arc.fifo else links.span_cycles + netlist.slack(node, arc)
            places[node.name] = len(netlist.region[node.region].points)
            operands[node.name, arc.role].append(
                (registers * values + links.producers) * places[node.name] + links.consumers
            )
    read = [np.unique(np.concatenate(found)) // places[reader] for (reader, _), found in operands.items()]
    return int(np.unique(np.concatenate(read), return_counts=True)[1].max()) if read else 0


def largest_fan_out(netlist: Netlist) -> int:
    """Most operands that read any value of a labelled netlist in one cycle."""
    bounds = {node.name: most_pairs(netlist, node.name) for node in netlist.nodes}
    largest = 0
    for name in sorted(bounds, key=lambda name: -bounds[name]):
        if bounds[name] <= largest:
            break
        largest = max(largest, most_readers(netlist, name))
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
