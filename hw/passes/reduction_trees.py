"""Reduction trees: zero-lag adder chains become balanced multi-operand reducers."""

from __future__ import annotations

from dataclasses import replace

from hw.latencies import reduce_latency_cycles
from hw.netlist import Netlist, Node


def balance_reductions(netlist: Netlist) -> Netlist:
    """Replace the chain of every multi-operand sum by a balanced tree of the same adders.

    A tree of n operands is ceil(log2 n) deep where the chain is n - 1, so that fewer registers are needed to make the
    operands meet.
    """
    return netlist.with_nodes({n.name: _balanced(n) for n in netlist.nodes if n.op == "reduce"})


def _balanced(node: Node) -> Node:
    return replace(
        node,
        latency_cycles=reduce_latency_cycles(len(node.args), balanced=True),
        parameters=(*((k, v) for k, v in node.parameters if k != "balanced"), ("balanced", True)),
    )
