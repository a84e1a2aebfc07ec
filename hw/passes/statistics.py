"""What a netlist costs, counted over all points: the line of each pass in the report."""

from __future__ import annotations

from dataclasses import replace

from hw.netlist import Netlist, Node, PassStatistics
from hw.passes.delay_matching import delay_problem, earliest


def measure(netlist: Netlist, name: str) -> PassStatistics:
    """Count registers, adders, multipliers and multiplexers; delays not yet matched are taken as early as possible."""
    problem = delay_problem(netlist)
    label = dict(netlist.labels) if netlist.labels else earliest(problem)
    labelled = replace(netlist, labels=tuple(label.items()))
    adders = multipliers = muxes = 0
    registers = problem.register_bits(label)
    for node in netlist.nodes:
        count = len(netlist.region[node.region].points)
        registers += _own_registers(labelled, node, count)
        operands = sum(len(arc.pairs) for arc in node.args)
        if node.op == "reduce" or node.op == "add":
            adders += (operands - count) * node.width_bits
        elif node.op == "multiply":
            widths = [netlist.node[arc.source].width_bits for arc in node.args]
            multipliers += count * widths[0] * (widths[1] if len(widths) > 1 else 1)
        elif node.op == "compute":
            adders += count * node.width_bits
        elif node.op == "select":
            muxes += count * node.width_bits
        elif node.op == "source":
            delayed = sum(len(arc.pairs) for arc in node.args if arc.role.startswith("delayed"))
            load = sum(len(arc.pairs) for arc in node.args if arc.role == "load")
            muxes += (delayed + load) * node.width_bits
    return PassStatistics(
        name,
        register_bits=registers,
        adder_bits=adders,
        multiplier_bits=multipliers,
        mux_bits=muxes,
        depth_cycles=max(label.values()),
    )


def _own_registers(netlist: Netlist, node: Node, count: int) -> int:
    """Registers inside primitives: pipeline stages, stationary registers, programmable delays."""
    if node.op in ("multiply", "compute", "add", "rotate"):
        return count * node.width_bits
    if node.op == "reduce":
        # Every level of a tree, or place of a chain, holds what is still to be added.
        total = 0
        operands, balanced = len(node.args), bool(node.parameter("balanced"))
        while operands > 1:
            operands = -(-operands // 2) if balanced else operands - 1
            total += operands
        return count * total * node.width_bits
    if node.op == "source":
        held = sum(len(arc.pairs) for arc in node.args if arc.role == "load")
        programmable = 0
        for arc in node.args:
            if arc.fifo:
                span = max(span for _, _, span in netlist.spans(node, arc)) + netlist.slack(node, arc)
                programmable += len(arc.pairs) * span
        return (held + programmable) * node.width_bits
    return 0
