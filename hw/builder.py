"""Collecting regions and nodes while a plan is lowered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dataflow.architecture import Plan
from dataflow.dataflow import Point
from dataflow.reuse import products, time_weights
from hw.conditions import Value
from hw.generators import Generator
from hw.latencies import LATENCY_CYCLES
from hw.netlist import Arc, Node, Region

ORIGIN: Point = ()


class Builder:
    """The regions, nodes and address generators of a netlist in the making."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.dataflow, self.nest = plan, plan.dataflow, plan.nest
        self.regions: dict[str, Region] = {}
        self.nodes: dict[str, Node] = {}
        self.generators: list[Generator] = []
        self.axis = {loop: k for k, (loop, _) in enumerate(self.dataflow.space)}
        self.levels = len(self.dataflow.order)
        self.output_bits = self.nest.tensor(self.nest.output.tensor).format.bits
        self.weights = time_weights(self.dataflow.time_extents(plan.extents))

    def region(self, name: str, points: Iterable[Point], *, skewed: bool) -> None:
        """``skewed``: the point ``s`` runs ``skew . s`` cycles after the control; otherwise with the control."""
        found = tuple(points)
        cycles = products((self.dataflow.skew,), found) if skewed else [(0,)] * len(found)
        offsets = tuple(cycle for (cycle,) in cycles)
        self.regions[name] = Region(name, found, (offsets,))

    def add(
        self,
        name: str,
        region: str,
        op: str,
        args: Iterable[Arc],
        width: int,
        latency: int | None = None,
        **parameters: object,
    ) -> str:
        cycles = LATENCY_CYCLES.get(op, 0) if latency is None else latency
        signed = op not in ("control", "spread", "all", "power") and width > 1
        self.nodes[name] = Node(name, region, op, tuple(args), width, cycles, signed, tuple(parameters.items()))
        return name

    def control(self, name: str, values: Mapping[Point, Value], width: int = 1) -> str:
        """A value of the control at one or several points of its own region."""
        if name not in self.nodes:
            self.region(name, values, skewed=False)
            self.add(name, name, "control", (), width, values=tuple(values.values()))
        return name

    def from_one(self, source: str, role: str, points: Iterable[Point], at: Point = ORIGIN) -> Arc:
        return Arc(source, role, tuple((p, at) for p in points))

    def local(self, source: str, role: str, points: Iterable[Point]) -> Arc:
        return Arc(source, role, tuple((p, p) for p in points))

    def held_levels(self, held: int) -> tuple[int, ...]:
        return tuple(range(self.levels - held, self.levels))
