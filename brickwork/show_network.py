"""What ``show`` prints of a network: layers, other operators, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brickwork import console
from workloads.networks import Layer, Network


def network_table(network: Network) -> dict[str, Any]:
    """A network as JSON types."""
    return {
        "network": network.name,
        "inputs": network.inputs,
        "macs": network.macs,
        "parameters": network.parameters,
        "layers": [
            {
                "name": layer.name,
                "operator": layer.operator,
                "times": layer.repeat,
                "macs": layer.repeat * _macs(layer),
                "parameters": layer.repeat * layer.parameters,
            }
            for layer in network.layers
        ],
        "other_parameters": dict(network.other_parameters),
        "other_operators": [
            {"operator": o.operator, "times": o.count, "elements": o.elements, "bytes": o.traffic_bytes}
            for o in network.other_operators
        ],
        "unsupported": [
            {"operator": u.operator, "times": u.count, "where": list(u.where), "may_multiply": u.multiplies}
            for u in network.unsupported
        ],
    }


def print_network(network: Network) -> None:
    """The same as text."""
    rows = [
        (
            layer.name,
            layer.operator,
            f"{layer.repeat}",
            f"{layer.repeat * _macs(layer):,}",
            f"{layer.repeat * layer.parameters:,}",
        )
        for layer in network.layers
    ]
    _line(f"{network.name}, {network.inputs}: {network.macs:,} products, {network.parameters:,} parameters")
    _table(("layer", "operator", "times", "products", "parameters"), rows, left=2)
    for kind, count in network.other_parameters:
        _line(f"parameters outside the layers: {kind} {count:,}")
    if network.other_operators:
        _line("")
        others = [
            (o.operator, f"{o.count}", f"{o.elements:,}", f"{o.traffic_bytes:,}") for o in network.other_operators
        ]
        _table(("without products", "times", "elements", "bytes"), others, left=1)
    for each in network.unsupported:
        weight = "it may multiply, so totals are too small" if each.multiplies else "it does not multiply"
        _line(f"left out: {each.operator}, {each.count} times, in {', '.join(each.where[:3])}; {weight}")


def _macs(layer: Layer) -> int:
    return layer.nest().points


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, left: int) -> None:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = (
            text.ljust(width) if column < left else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        _line("  ".join(cells).rstrip())


def _line(text: str) -> None:
    console.out.print(text, markup=False)
