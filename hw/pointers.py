"""Pointers of programmable delays: values of the control like any other, so that they travel and spread like those."""

from __future__ import annotations

from dataclasses import replace

from hw.builder import ORIGIN
from hw.conditions import ByMode, Pointer, Value
from hw.netlist import Arc, Netlist, Node, Region


def steer_delays(netlist: Netlist) -> Netlist:
    """Give every programmable delay its pointer, in each mode that has the delay.

    The pointer reaches a point as many cycles after the control as the data do. Where there are several modes, a launch
    stands behind it, as behind all that the control drives.
    """
    fifos = dict.fromkeys(arc.fifo for _, arc in netlist.arcs() if arc.fifo)
    if not fifos:
        return netlist
    driver = {fifo: fifo if len(netlist.plans) == 1 else f"{fifo}_go" for fifo in fifos}
    most: dict[str, int] = {}
    modes: dict[str, dict[int, None]] = {fifo: {} for fifo in fifos}
    nodes = []
    for node in netlist.nodes:
        pointers = []
        for arc in node.args:
            if arc.fifo:
                # Such an arc leads from a node to itself, so that labels do not change its length.
                assert arc.source == node.name
                most[arc.fifo] = max(most.get(arc.fifo, 1), *(span for _, _, span in netlist.spans(node, arc)))
                modes[arc.fifo][arc.mode] = None
                role = arc.role.replace("delayed", "pointer")
                pairs = tuple((consumer, ORIGIN) for consumer, _ in arc.pairs)
                pointers.append(Arc(driver[arc.fifo], role, pairs, mode=arc.mode))
        nodes.append(replace(node, args=(*node.args, *pointers)))
    regions = []
    for fifo in fifos:
        width = max(1, (most[fifo] - 1).bit_length())
        value: Value = Pointer(fifo)
        offsets = tuple((0 if mode in modes[fifo] else None,) for mode in netlist.modes)
        regions.append(Region(fifo, (ORIGIN,), offsets))
        if len(netlist.plans) > 1:
            value = ByMode(tuple((mode, Pointer(fifo)) for mode in sorted(modes[fifo])))
            args = tuple(Arc(fifo, "value", ((ORIGIN, ORIGIN),), mode=mode) for mode in sorted(modes[fifo]))
            nodes.append(Node(driver[fifo], fifo, "launch", args, width, 0, False, (("idle", 0),)))
        nodes.append(Node(fifo, fifo, "control", (), width, 0, False, (("values", (value,)),)))
    return replace(netlist, nodes=tuple(nodes), regions=(*netlist.regions, *regions))
