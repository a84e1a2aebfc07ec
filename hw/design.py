"""A netlist after all passes with what its hardware needs: kinds, wires, registers, timing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from dataflow.cycles import Timing
from dataflow.dataflow import Point
from hw.generators import Generator
from hw.kinds import Kind, Structure, structure
from hw.netlist import Netlist, Node
from hw.registers import Register, design_registers, fifo_depths


def unit_name(name: str, point: Point) -> str:
    """Instance name of something at a point, such as ``fu_3_5``."""
    return "_".join([name, *(f"m{-p}" if p < 0 else str(p) for p in point)])


@dataclass(frozen=True)
class Design:
    """Everything that emission, manifest and driver read."""

    netlist: Netlist
    generators: tuple[Generator, ...]

    @property
    def name(self) -> str:
        return self.netlist.name

    def module(self, part: str) -> str:
        """Name of one of the design's modules."""
        return f"{self.name}_{part}"

    @cached_property
    def fifos(self) -> dict[str, int]:
        return fifo_depths(self.netlist)

    @cached_property
    def structure(self) -> Structure:
        return structure(self.netlist, self.fifos)

    @cached_property
    def kind_name(self) -> dict[Kind, str]:
        return {kind: self.module(name) for kind, name in self.structure.names().items()}

    @cached_property
    def generator(self) -> Mapping[str, Generator]:
        return {g.name: g for g in self.generators}

    @cached_property
    def bank_of(self) -> dict[str, Generator]:
        """Regions whose points hold a bank."""
        return {f"{g.name}_bank": g for g in self.generators}

    @cached_property
    def registers(self) -> tuple[Register, ...]:
        return design_registers(self.netlist, self.generators)

    @cached_property
    def timing(self) -> Timing:
        """Distances between control, read-back and write."""
        output = self.netlist.plan.drain.access.tensor
        label = self.netlist.label
        write = label[f"{output}_write"]
        read = label.get(f"{output}_read")
        return Timing(write, 0 if read is None else write + 1 - read)

    def bank_bits(self, gen: Generator) -> int:
        """Bits of a word in the banks of a set."""
        node = self.netlist.node.get(f"{gen.name}_write") or self.netlist.node[f"{gen.name}_read"]
        return node.width_bits

    def bank_index(self, gen: Generator, point: Point) -> int:
        """Position of the bank at a point in a host row."""
        if gen.banking.switched:
            return gen.banking.flat(point)
        return gen.banking.flat(gen.banking.port_bank(self._offsets[gen.name][point]))

    @cached_property
    def host_bits(self) -> int:
        """Width of a row at the host port."""
        return max(self.bank_bits(g) * g.banking.total for g in self.generators)

    def place(self, node: Node, point: Point) -> int:
        """Position of a point in the vector that a composite node drives."""
        if node.op == "control":
            return self._positions[node.region][point]
        gen = self.generator[str(node.parameter("generator"))]
        if dict(node.parameters).get("towards") == "ports":
            return gen.banking.flat(self._offsets[gen.name][point])
        return gen.banking.flat(point)

    @cached_property
    def _positions(self) -> dict[str, dict[Point, int]]:
        return {r.name: {p: k for k, p in enumerate(r.points)} for r in self.netlist.regions}

    @cached_property
    def _offsets(self) -> dict[str, dict[Point, Point]]:
        return {g.name: dict(g.banking.ports) for g in self.generators}

    @cached_property
    def composite(self) -> dict[str, str]:
        """Module name of each switch node."""
        return {n.name: self.module(n.name) for n in self.netlist.nodes if n.op in ("rotate", "spread")}
