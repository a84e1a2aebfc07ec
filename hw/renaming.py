"""Names that depend on what a node does in the array, so that nodes of several dataflows that could be one are one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dataflow.banking import Switch
from hw.netlist import Netlist, Node
from workloads.reduction import SUM


def common_names(netlist: Netlist, switches: dict[str, list[Switch]]) -> Netlist:
    """Rename the nodes and regions of one dataflow.

    ``switches`` numbers the different switches of each bank set; the call adds those it meets.
    """
    plan = netlist.plan
    regions = {f"inside_{loop}": f"inside_{axis}" for axis, (loop, _) in enumerate(plan.dataflow.space)}
    sets = [plan.drain.operand, *(feed.operand for feed in plan.feeds)]
    bankings = [plan.drain.banking, *(feed.banking for feed in plan.feeds)]
    for name, banking in zip(sets, bankings, strict=True):
        if banking.switched:
            known = switches[name]
            if banking.switch not in known:
                known.append(banking.switch)
            number = known.index(banking.switch)
            regions[f"{name}_grid"] = f"{name}_grid{number}"
            regions |= {f"{name}_digit{r}": f"{name}_digit{r}_{number}" for r in banking.switch.dimensions}
    names = {node.name: _name(netlist, node, regions) for node in netlist.nodes}
    return replace(
        netlist,
        regions=tuple(replace(r, name=regions.get(r.name, r.name)) for r in netlist.regions),
        nodes=tuple(
            replace(
                node,
                name=names[node.name],
                region=regions.get(node.region, node.region),
                args=tuple(replace(arc, source=names[arc.source]) for arc in node.args),
            )
            for node in netlist.nodes
        ),
    )


def _name(netlist: Netlist, node: Node, regions: Mapping[str, str]) -> str:
    """The name by place and purpose, and by the reduction where it is no sum."""
    name = _place_name(netlist, node, regions)
    return name if node.reduction == SUM else f"{name}_{node.reduction.name}"


def _place_name(netlist: Netlist, node: Node, regions: Mapping[str, str]) -> str:
    output = netlist.plan.drain.operand
    if node.op == "control":
        return regions.get(node.name, node.name)
    if node.op in ("rotate", "spread"):
        return f"{node.name}_{regions[node.region].rsplit('_', 1)[1]}"
    if node.op in ("mask", "all") and node.region.endswith("_ports"):
        return f"{node.name}_at_port"
    if node.name == "scaled":
        return f"scaled_{str(node.parameter('constant')).replace('-', 'm')}"
    if node.name.startswith("sum"):
        if node.op == "reduce":
            return f"tree{node.name.removeprefix('sum')}"
        return "sum0" if node.region == "fu" else f"chain{node.name.removeprefix('sum')}"
    # A functional unit has one adder, whether sums stay or travel.
    if node.name == f"{output}_sum" and node.region == "fu":
        return "sum0"
    if node.region == "collector" and node.name in (f"{output}_sum", f"{output}_partial"):
        return f"{node.name}_collected"
    return node.name
