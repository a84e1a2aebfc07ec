"""Width inference: every wire as narrow as exactness allows."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from math import prod

from hw.factoring import most_power, significand_bits
from hw.netlist import Netlist, Node
from workloads.formats import Format
from workloads.functional_unit import Range
from workloads.reduction import SUM

# Between banks and functional unit. A mask there holds an operand; one behind the unit is as wide as the output anyway.
_OPERANDS = ("read", "rotate", "lane", "source", "mask")


def infer_widths(netlist: Netlist) -> Netlist:
    """Narrow every arithmetic node to the range of its values at the design's limits.

    Ranges come from the formats, the functional unit and the reduction. All arithmetic is modulo the output's width, so
    that no node needs more bits than the output. Sums that start from what the banks hold may be anything the output
    can hold. A maximum or minimum needs its identity at the output's own width only where an element may be left
    without a term; elsewhere the extreme of any node's width does.
    """
    plan = netlist.plan
    # A code is as wide as its format.
    if plan.nest.floating:
        return netlist
    ranges: dict[str, Range] = {}
    widths: dict[str, int] = {}
    most = max(
        (n.width_bits for n in netlist.nodes if n.op == "write"),
        default=1,
    )
    terms = (
        prod(extent for loop, extent in plan.extents.items() if loop not in plan.drain.access.loops)
        if plan.drain.start != "memory"
        else prod(plan.extents.values())
    )
    # Sums and products may wrap at any place, and so may their operands; a comparison needs all of them.
    wraps = plan.nest.unit.folds
    for node in _in_order(netlist):
        inputs = [ranges[a.source] for a in node.args if a.source in ranges]
        if node.op in ("control", "spread", "all") or node.width_bits == 1:
            continue
        if node.op == "read":
            bits = node.width_bits
            ranges[node.name] = _full(bits)
        elif node.op == "multiply":
            constant = dict(node.parameters).get("constant")
            # A factor that another dataflow brings is 1 here.
            single = (1 if constant is None else int(str(constant)),) * 2
            other = inputs[1] if len(inputs) > 1 else single
            ranges[node.name] = _product(inputs[0], other)
        elif node.op == "decode":
            held = node.parameter("format")
            assert isinstance(held, Format)
            ranges[node.name] = (-held.most_steps, held.most_steps)
        elif node.op == "significand":
            held = node.parameter("format")
            assert isinstance(held, Format)
            most_significand = (1 << (significand_bits(held) - 1)) - 1
            ranges[node.name] = (-most_significand, most_significand)
        elif node.op == "power":
            held = node.parameter("format")
            assert isinstance(held, Format)
            ranges[node.name] = (0, most_power(held))
            # Without a sign, as wide as the field that it comes from.
            continue
        elif node.op == "shift":
            ranges[node.name] = _product(inputs[0], (1, 1 << sum(high for _, high in inputs[1:])))
        elif node.op == "compute":
            ranges[node.name] = plan.nest.unit.range(inputs)
        elif node.op == "mask":
            ranges[node.name] = _masked_range(netlist, node, inputs[0], most)
        elif node.op in ("add", "reduce", "select"):
            ranges[node.name] = _sum_range(netlist, node, ranges, terms, most)
        else:
            ranges[node.name] = inputs[0]
        widths[node.name] = bits_of(ranges[node.name])
        if wraps or node.op not in _OPERANDS:
            widths[node.name] = min(widths[node.name], most)
    narrowed = {
        n.name: replace(n, width_bits=min(n.width_bits, widths[n.name])) for n in netlist.nodes if n.name in widths
    }
    result = netlist.with_nodes(narrowed)
    output = result.node[f"{plan.drain.operand}_write"]
    # A bank holds what is written, so what is read back is as wide as that.
    back = {
        n.name: replace(n, width_bits=output.width_bits)
        for n in result.nodes
        if n.name.startswith(f"{plan.drain.operand}_read") and n.op in ("read", "rotate", "lane") and n.width_bits > 1
    }
    return result.with_nodes(back)


def bits_of(values: Range) -> int:
    """Bits of the narrowest two's complement that holds a range."""
    low, high = values
    return max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1


def _product(a: Range, b: Range) -> Range:
    corners = [x * y for x in a for y in b]
    return min(corners), max(corners)


def _full(bits: int) -> Range:
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def _compared(values: Range, most: int) -> Range:
    """The range of what enters a maximum or minimum: anything once it wraps."""
    return values if bits_of(values) <= most else _full(most)


def _masked_range(netlist: Netlist, node: Node, values: Range, most: int) -> Range:
    nest = netlist.plan.nest
    reduction = dict(node.parameters).get("by", SUM)
    if reduction == SUM:
        return min(0, values[0]), max(0, values[1])
    low, high = _compared(values, most)
    if nest.dense and not nest.guards:
        return low, high
    identity = nest.reduction.identity(_full(most))
    return min(low, identity), max(high, identity)


def _sum_range(netlist: Netlist, node: Node, ranges: dict[str, Range], terms: int, most: int) -> Range:
    """Range of a partial reduction of at most ``terms`` terms."""
    plan = netlist.plan
    name, stages, reduction = plan.drain.operand, plan.drain.stages, plan.nest.reduction
    collected = node.name in (f"{name}_sum", f"{name}_partial")
    if collected and plan.drain.reads_back:
        return _full(most)
    arriving = netlist.node[f"{name}_sum"].args[0].source if collected else node.args[0].source
    if reduction != SUM:
        return _compared(ranges[arriving], most)
    if collected:
        # Each value that arrives sums up to ``spatial`` terms.
        spatial = prod(max(len(g) for g in s.groups) for s in stages)
        low, high = reduction.bounds(ranges[arriving], -(-terms // spatial))
        low, high = min(0, low), max(0, high)
    else:
        longest = max(len(g) for g in stages[int(node.name.removeprefix("sum"))].groups)
        low, high = reduction.bounds(ranges[arriving], longest)
    term = netlist.node["sum0"].args[0].source if stages else arriving
    whole = ranges[term]
    for earlier in takewhile(lambda n: n.name != node.name, netlist.nodes):
        # What multiplies the result of a tree multiplies each of its terms.
        if earlier.name.startswith("outer"):
            factors = [ranges[arc.source] for arc in earlier.args[1:]]
            by_power = earlier.op == "shift"
            whole = _product(whole, (1, 1 << sum(high for _, high in factors)) if by_power else factors[0])
    least, largest = reduction.bounds(whole, terms)
    return max(low, min(0, least)), min(high, max(0, largest))


def _in_order(netlist: Netlist) -> list[Node]:
    """Nodes so that operands come first, recurrences left aside (lowering appends in that order, selects excepted)."""
    nodes = list(netlist.nodes)
    late = [n for n in nodes if n.op == "select"]
    return [n for n in nodes if n.op != "select"] + late
