"""A second register in floating-point units, where no sum waits for itself a cycle later."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx

from hw.latencies import FLOAT_CYCLES, reduce_latency_cycles
from hw.netlist import Netlist, Node
from hw.units.float_multiply import float_formats, rounds


def pipelined(netlist: Netlist) -> Netlist:
    """Cut floating-point adders in two, if all of them may take ``FLOAT_CYCLES``, and multipliers that round.

    One that may not, because it adds in place or stands in a chain of units a cycle apart, is the longest path of the
    design; registers in the others would be spent for nothing then. A chain whose units run at least that many cycles
    apart may. What waits for a sum through the banks finds the distance in the labels, as always. A multiplier whose
    products fp32 holds exactly is as short as half an adder.
    """
    adders = {n.name for n in netlist.nodes if n.op in ("add", "reduce") and n.floating}
    if not adders or not all(_may_wait(netlist, component) for component in _recurrences(netlist, adders)):
        return netlist
    rounding = {n.name for n in netlist.nodes if n.op == "float_multiply" and rounds(float_formats(n))}
    return netlist.with_nodes({name: _in_two(netlist.node[name]) for name in adders | rounding})


def _recurrences(netlist: Netlist, adders: set[str]) -> list[set[str]]:
    """Sets of nodes that depend on each other, or one on itself, an adder among them."""
    graph = nx.DiGraph((arc.source, node.name) for node, arc in netlist.arcs() if arc.pairs)
    return [
        found
        for found in nx.strongly_connected_components(graph)
        if found & adders and (len(found) > 1 or any(graph.has_edge(name, name) for name in found))
    ]


def _may_wait(netlist: Netlist, component: set[str]) -> bool:
    """True for a single adder that takes its own values so many cycles later."""
    if len(component) > 1:
        return False
    (node,) = (netlist.node[name] for name in component)
    spans = [netlist.links(node, arc).least_cycles for arc in node.args if arc.source == node.name and arc.pairs]
    return all(span is not None and span >= FLOAT_CYCLES for span in spans)


def _in_two(node: Node) -> Node:
    cycles = FLOAT_CYCLES
    if node.op == "reduce":
        terms = len({arc.role for arc in node.args})
        cycles *= reduce_latency_cycles(terms, balanced=bool(node.parameter("balanced")))
    return replace(node, latency_cycles=cycles, parameters=(*node.parameters, ("cycles", FLOAT_CYCLES)))
