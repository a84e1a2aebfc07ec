"""Gating: what has no step or no guard that holds does not switch, at no more hardware than before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hw.conditions import Address, All, ByMode, Condition, Digit, NoneOf, Pointer, Single, Step, Value
from hw.netlist import Arc, Netlist, Node
from workloads.reduction import SUM


def gate(netlist: Netlist) -> Netlist:
    """Keep accumulators and multipliers quiet where nothing of theirs counts.

    A sum begins anew in every cycle without a step, so that an accumulator holds still once its operands do: only the
    control changes. A mask behind a product becomes one in front of it, where it isolates the multiplier and is as
    narrow as the operand. Nothing here adds a register: an enable on every register would cost a multiplexer a bit,
    which saves less than it takes while the array is busy.
    """
    return _isolated(_restarting(netlist))


def _restarting(netlist: Netlist) -> Netlist:
    """Sums begin anew without a step; what they hold then is never read."""
    changed = {
        node.name: replace(
            node, parameters=tuple((k, _or_idle_all(v)) if k == "values" else (k, v) for k, v in node.parameters)
        )
        for node in netlist.nodes
        if node.op == "control" and _roles(netlist, node.name) == {"start"}
    }
    return netlist.with_nodes(changed)


def _roles(netlist: Netlist, source: str) -> set[str]:
    """What the readers of a control value take it for, behind launches as well."""
    found: set[str] = set()
    for node, arc in netlist.arcs():
        if arc.source == source:
            found |= _roles(netlist, node.name) if node.op == "launch" else {arc.role}
    return found


def _or_idle_all(values: object) -> tuple[Value, ...]:
    assert isinstance(values, tuple)
    return tuple(
        ByMode(tuple((mode, or_idle(single)) for mode, single in value.values))
        if isinstance(value, ByMode)
        else or_idle(value)
        for value in values
    )


def or_idle(value: Single) -> Condition:
    """A condition that also holds in every cycle without a step."""
    assert not isinstance(value, Address | Digit | Pointer)
    return NoneOf((All((Step(), NoneOf((value,)))),))


def _isolated(netlist: Netlist) -> Netlist:
    """Move masks that give 0 from products to the first factor of the product."""
    for mask in netlist.nodes:
        if mask.op == "mask" and mask.reduction == SUM:
            product = _masked_product(netlist, mask)
            if product is not None:
                netlist = _moved(netlist, mask, product)
    return netlist


def _masked_product(netlist: Netlist, mask: Node) -> Node | None:
    """The first of the multiplications in a row whose only reader, at the end of the row, is the mask."""
    found: Node | None = None
    reader = mask
    while True:
        arcs = reader.arcs("value" if reader.op in ("mask", "shift") else "a")
        sources = {arc.source for arc in arcs}
        if len(sources) != 1 or any(c != p for arc in arcs for c, p in arc.pairs):
            return found
        node = netlist.node[sources.pop()]
        readers = {n.name for n, arc in netlist.arcs() if arc.source == node.name}
        if node.op not in ("multiply", "shift") or readers != {reader.name} or node.region != mask.region:
            return found
        reader = node
        # A shift by a product's powers is no place for a mask: the product in front of it is.
        found = node if node.op == "multiply" else found


def _moved(netlist: Netlist, mask: Node, product: Node) -> Netlist:
    factors = product.arcs("a")
    width = max(netlist.node[arc.source].width_bits for arc in factors)
    (behind,) = {arc.source for arc in mask.arcs("value")}
    early = replace(
        mask,
        args=(*(replace(arc, role="value") for arc in factors), *mask.arcs("bit")),
        width_bits=width,
    )
    isolated = replace(
        product,
        args=(
            *(replace(a, source=mask.name, pairs=_local(a), time_cycles=0, fifo=None) for a in factors),
            *(a for a in product.args if a.role != "a"),
        ),
    )
    changed: Mapping[str, Node] = {product.name: isolated}
    nodes = []
    for node in netlist.nodes:
        if node.name == mask.name:
            continue
        if node.name == product.name:
            nodes.append(early)
        node = changed.get(node.name, node)
        nodes.append(
            replace(
                node,
                args=tuple(
                    replace(a, source=behind) if a.source == mask.name and node.name != product.name else a
                    for a in node.args
                ),
            )
        )
    return replace(netlist, nodes=tuple(nodes))


def _local(arc: Arc) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    return tuple((consumer, consumer) for consumer, _ in arc.pairs)
