"""What a netlist costs, counted over all points: the line of each pass in the report."""

from __future__ import annotations

from collections import Counter, defaultdict
from math import prod

from hw.netlist import Netlist, Node, PassStatistics
from hw.passes.delay_matching import delay_problem, earliest, labelled, with_labels
from hw.passes.fan_out import largest_fan_out
from hw.units.float_multiply import float_formats, significand_bits


def measure(netlist: Netlist, name: str) -> PassStatistics:
    """Count registers, adders, multipliers and multiplexers; delays not yet matched are taken as early as possible."""
    problem = delay_problem(netlist)
    label = (
        {labelled(node, mode): r for mode, found in enumerate(netlist.labels) for node, r in found}
        if netlist.labels
        else earliest(problem)
    )
    matched = with_labels(netlist, label)
    adders = multipliers = muxes = 0
    registers = problem.register_bits(label)
    for node in netlist.nodes:
        count = len(netlist.region[node.region].points)
        operands, choices = _operands(node)
        registers += _own_registers(matched, node, count, operands)
        muxes += choices * node.width_bits
        if node.op == "reduce" or node.op == "add":
            adders += max(0, operands.total() - count) * node.width_bits
        elif node.op == "multiply":
            widths = [netlist.node[source].width_bits for source in dict.fromkeys(a.source for a in node.args)]
            multipliers += count * widths[0] * (widths[1] if len(widths) > 1 else 1)
        elif node.op == "float_multiply":
            multipliers += count * prod(significand_bits(held) for held in float_formats(node))
        elif node.op == "compute":
            adders += count * node.width_bits
        elif node.op == "select":
            muxes += count * node.width_bits
        elif node.op == "source":
            delayed = sum(n for role, n in operands.items() if role.startswith("delayed"))
            muxes += (delayed + operands["load"]) * node.width_bits
    return PassStatistics(
        name,
        register_bits=registers,
        adder_bits=adders,
        multiplier_bits=multipliers,
        mux_bits=muxes,
        depth_cycles=max(label.values()),
        largest_fan_out=largest_fan_out(matched),
    )


def _operands(node: Node) -> tuple[Counter[str], int]:
    """How many points have each operand, and how many further sources the modes choose from."""
    found: dict[tuple[str, tuple[int, ...]], set[object]] = defaultdict(set)
    for arc in node.args:
        for consumer, producer in arc.pairs:
            found[arc.role, consumer].add((arc.source, producer))
    modes = len({arc.mode for arc in node.args})
    choices = sum(len(sources) - 1 for sources in found.values()) if modes > 1 else 0
    return Counter(role for role, _ in found), choices


def _own_registers(netlist: Netlist, node: Node, count: int, operands: Counter[str]) -> int:
    """Registers inside primitives: pipeline stages, stationary registers, programmable delays."""
    if node.op in ("multiply", "float_multiply", "compute", "add", "rotate", "relay"):
        return count * node.width_bits
    if node.op == "reduce":
        # Every level of a tree, or place of a chain, holds what is still to be added.
        total = 0
        terms, balanced = len(operands), bool(node.parameter("balanced"))
        while terms > 1:
            terms = -(-terms // 2) if balanced else terms - 1
            total += terms
        return count * total * node.width_bits
    if node.op == "source":
        programmable: dict[tuple[str, tuple[int, ...]], int] = defaultdict(int)
        for arc in node.args:
            if arc.fifo:
                span = max(span for _, _, span in netlist.spans(node, arc)) + netlist.slack(node, arc)
                for consumer, _ in arc.pairs:
                    programmable[arc.fifo, consumer] = max(programmable[arc.fifo, consumer], span)
        return (operands["load"] + sum(programmable.values())) * node.width_bits
    return 0
