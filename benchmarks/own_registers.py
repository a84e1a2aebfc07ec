"""Register bits that a back end needs where no two operands share a delay."""

from __future__ import annotations

from collections import defaultdict

from dataflow import Architecture
from hw.accelerator import generate
from hw.netlist import Netlist
from hw.passes.delay_matching import match_delays_asap
from hw.passes.widths import infer_widths


def bits_without_sharing(architecture: Architecture) -> int:
    """Register bits more than with shared ones, every node starting as early as it can.

    Widths are inferred, since those of the plain back end would count bits that synthesis removes.
    """
    return bits_to_share(generate(architecture, passes=(infer_widths, match_delays_asap)).design.netlist)


def bits_to_share(netlist: Netlist) -> int:
    """Bits of delay behind every driver, an operand at a time, less those of the longest.

    The modes of an operand take turns in its registers.
    """
    needs: dict[tuple[str, int], dict[tuple[str, str, int], int]] = defaultdict(lambda: defaultdict(int))
    for node, arc in netlist.arcs():
        if not arc.pairs or arc.fifo:
            continue
        links, slack = netlist.links(node, arc), netlist.slack(node, arc)
        for producer, consumer, span in zip(links.producers, links.consumers, links.span_cycles, strict=True):
            chains = needs[arc.source, int(producer)]
            operand = (node.name, arc.role, int(consumer))
            chains[operand] = max(chains[operand], int(span) + slack)
    return sum(
        netlist.node[source].width_bits * (sum(chains.values()) - max(chains.values()))
        for (source, _), chains in needs.items()
    )
