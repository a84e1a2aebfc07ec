"""What a netlist costs, counted over all points: the line of each pass in the report."""

from __future__ import annotations

from collections import Counter, defaultdict
from math import prod

import numpy as np

from hw.netlist import Arc, Integers, Links, Netlist, Node, PassStatistics
from hw.passes.delay_matching import delay_problem, earliest, labelled, with_labels
from hw.passes.fan_out import largest_fan_out
from hw.units.float_add import INNER_BITS
from hw.units.float_multiply import float_formats, significand_bits
from hw.units.float_multiply import inner_bits as float_inner_bits


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
        operands, choices = _operands(netlist, node)
        registers += _own_registers(matched, node, count, operands)
        muxes += choices * node.width_bits
        if node.op == "reduce" or node.op == "add":
            adders += max(0, operands.total() - count) * node.width_bits
        elif node.op == "multiply":
            widths = [netlist.node[source].width_bits for source in dict.fromkeys(a.source for a in node.args)]
            multipliers += count * widths[0] * (widths[1] if len(widths) > 1 else 1)
        elif node.op == "float_multiply":
            multipliers += count * prod(significand_bits(held) for held in float_formats(node))
        elif node.op == "shift":
            powers = [netlist.node[a.source].width_bits for a in node.args if a.role != "value"]
            muxes += count * node.width_bits * max(powers)
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


def _operands(netlist: Netlist, node: Node) -> tuple[Counter[str], int]:
    """How many points have each operand, and how many further sources the modes choose from."""
    by_role: dict[str, list[Arc]] = defaultdict(list)
    for arc in node.args:
        by_role[arc.role].append(arc)
    modes = len({arc.mode for arc in node.args})
    operands: Counter[str] = Counter()
    choices = 0
    for role, arcs in by_role.items():
        links = [netlist.links(node, arc) for arc in arcs]
        present = np.zeros(len(netlist.region[node.region].points), bool)
        for found in links:
            present[found.consumers] = True
        operands[role] = int(present.sum())
        if modes > 1:
            choices += sum(
                _distinct(
                    *(
                        _pairs(netlist, node, found)
                        for arc, found in zip(arcs, links, strict=True)
                        if arc.source == source
                    )
                )
                for source in {arc.source for arc in arcs}
            )
            choices -= operands[role]
    return operands, choices


def _pairs(netlist: Netlist, node: Node, links: Links) -> Integers:
    """A number for each pair, the same for equal pairs."""
    return links.producers * len(netlist.region[node.region].points) + links.consumers


def _distinct(*values: Integers) -> int:
    return len(np.unique(np.concatenate(values)))


def _own_registers(netlist: Netlist, node: Node, count: int, operands: Counter[str]) -> int:
    """Registers inside primitives: pipeline stages, stationary registers, programmable delays."""
    if node.op in ("multiply", "float_multiply", "shift", "compute", "add", "rotate", "relay"):
        inner = 0
        if node.operation_cycles > 1:
            inner = float_inner_bits(float_formats(node)) if node.op == "float_multiply" else INNER_BITS
        return count * (node.width_bits + inner)
    if node.op == "reduce":
        # Every level of a tree, or place of a chain, holds what is still to be added.
        bits = 0
        terms, balanced = len(operands), bool(node.parameter("balanced"))
        while terms > 1:
            pairs, left = divmod(terms, 2) if balanced else (1, terms - 2)
            terms = pairs + left
            bits += terms * node.width_bits
            if node.operation_cycles > 1:
                bits += pairs * INNER_BITS + left * node.width_bits
        return count * bits
    if node.op == "source":
        programmable: dict[str, Integers] = {}
        for arc in node.args:
            if arc.fifo:
                links = netlist.links(node, arc)
                depth = programmable.setdefault(arc.fifo, np.zeros(count, np.int64))
                longest = links.span_cycles.max() + netlist.slack(node, arc)
                depth[links.consumers] = np.maximum(depth[links.consumers], longest)
        return (operands["load"] + sum(int(depth.sum()) for depth in programmable.values())) * node.width_bits
    return 0
