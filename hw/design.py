"""A netlist after all passes with what its hardware needs: kinds, wires, registers, timing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from dataflow.cycles import Timing
from dataflow.dataflow import Point
from dataflow.recurrence import Recurrence, recurrences
from hw.generators import AddressUnit, Generator
from hw.kinds import Kind, Structure, structure
from hw.layout import window
from hw.netlist import Netlist, Node
from hw.post.plan import PostPlan
from hw.post.stage import Quantize
from hw.registers import Register, design_registers, fifo_depths, numbered


def unit_name(name: str, point: Point) -> str:
    """Instance name of something at a point, such as ``fu_3_5``."""
    return name + _suffix(point)


# Points of the largest arrays, each of which is named a dozen times.
@lru_cache(maxsize=1 << 16)
def _suffix(point: Point) -> str:
    return "".join(f"_m{-p}" if p < 0 else f"_{p}" for p in point)


@dataclass(frozen=True)
class Design:
    """Everything that emission, manifest and driver read.

    Attributes
    ----------
    generators : tuple of tuple of Generator
        By mode: the addresses of each bank set in use.
    placements : tuple of mapping
        By mode and bank set: the memory that serves as each bank; in order where left out.
    stage : Quantize or None
        What results pass after a run; only with a single mode.
    """

    netlist: Netlist
    generators: tuple[tuple[Generator, ...], ...]
    placements: tuple[Mapping[str, tuple[int, ...]], ...] = ({},)
    stage: Quantize | None = None

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
    def units(self) -> tuple[AddressUnit, ...]:
        """The address generator of each bank set, in order of the sets' numbers."""
        numbers = sorted({(g.tensor_id, g.name) for found in self.generators for g in found})
        return tuple(
            AddressUnit(tuple(next((g for g in found if g.name == name), None) for found in self.generators))
            for _, name in numbers
        )

    @cached_property
    def unit(self) -> Mapping[str, AddressUnit]:
        return {u.name: u for u in self.units}

    @cached_property
    def bank_of(self) -> dict[str, AddressUnit]:
        """Regions whose points hold a bank."""
        return {f"{u.name}_bank": u for u in self.units}

    @cached_property
    def control_registers(self) -> tuple[Register, ...]:
        """Registers of the array."""
        return design_registers(self.netlist, self.units, self.most_drain_cycles)

    @cached_property
    def post_registers(self) -> tuple[Register, ...]:
        """Registers of the stage behind the output banks."""
        last = self.control_registers[-1]
        return numbered(self.post.fields, last.address + last.words) if self.post else ()

    @property
    def registers(self) -> tuple[Register, ...]:
        return (*self.control_registers, *self.post_registers)

    @cached_property
    def post(self) -> PostPlan | None:
        """The stage with what it needs in this design."""
        if self.stage is None:
            return None
        plan, output = self.netlist.plan, self.units[0]
        (gen,) = output.members
        assert gen is not None
        nest = plan.nest
        return PostPlan(
            self.stage,
            nest.tensor(nest.output.tensor).format,
            0 if nest.floating else nest.fraction_bits or 0,
            self.bank_bits(output),
            gen.banking,
            window(gen.access, nest, plan.extents, None),
            1 + max(u.tensor_id for u in self.units),
        )

    @property
    def post_modules(self) -> tuple[str, ...]:
        """Names of the stage's modules, its memory apart."""
        return (self.module("post_control"), self.module("post_quantizer")) if self.post else ()

    @property
    def memory_bits(self) -> Mapping[str, int]:
        """Bits of all memories of each memory module."""
        found = {self.module(f"{u.name}_memory"): u.banks * u.depth * self.bank_bits(u) for u in self.units}
        if self.post:
            found[self.module("post_memory")] = self.post.row_bits * self.post.depth
        return found

    @cached_property
    def timings(self) -> tuple[Timing, ...]:
        """By mode, distances between control, read-back and write."""
        found = []
        for plan, label in zip(self.netlist.plans, self.netlist.label, strict=True):
            write = label[f"{plan.drain.operand}_write"]
            read = label.get(f"{plan.drain.operand}_read")
            summed = self.netlist.node.get(f"{plan.drain.operand}_sum")
            found.append(Timing(write, 0 if read is None else write + 1 - read, summed.latency_cycles if summed else 1))
        return tuple(found)

    def recurrences(self, mode: int, extents: Mapping[str, int] | None = None) -> tuple[Recurrence, ...]:
        """What sums of the output have to wait for in a run of these extents; of the limits when left out."""
        plan = self.netlist.plans[mode]
        return recurrences(plan, extents or plan.extents, self.timings[mode])

    def drain_cycles(self, mode: int) -> int:
        """Cycles from the last time step to the write of its result."""
        return self.netlist.plans[mode].dataflow.most_skew_cycles + self.timings[mode].write_cycles

    @cached_property
    def most_drain_cycles(self) -> int:
        return max(self.drain_cycles(mode) for mode in self.netlist.modes)

    def bank_bits(self, unit: AddressUnit | Generator) -> int:
        """Bits of a word in the banks of a set."""
        node = self.netlist.node.get(f"{unit.name}_write") or self.netlist.node[f"{unit.name}_read"]
        return node.width_bits

    def placement(self, mode: int, gen: Generator) -> tuple[int, ...]:
        """The memory that serves as each bank, in the banks' row-major order."""
        return self.placements[mode].get(gen.name, tuple(range(gen.banking.total)))

    def bank_index(self, unit: AddressUnit, point: Point) -> int:
        """Position of the bank at a point in a host row."""
        if len(self.netlist.plans) > 1:
            return point[0]
        (gen,) = unit.members
        assert gen is not None
        if gen.banking.switched:
            return gen.banking.flat(point)
        return gen.banking.flat(gen.banking.port_bank(self._port_offsets[gen.name][point]))

    @cached_property
    def _port_offsets(self) -> dict[str, dict[Point, Point]]:
        return {gen.name: dict(gen.banking.ports) for generators in self.generators for gen in generators}

    @cached_property
    def host_bits(self) -> int:
        """Width of a row at the host port."""
        return max([self.bank_bits(u) * u.banks for u in self.units] + ([self.post.row_bits] if self.post else []))

    def place(self, node: Node, point: Point) -> int:
        """Position of a point in the vector that a composite node drives."""
        return self._positions[node.region][point]

    @cached_property
    def _positions(self) -> dict[str, dict[Point, int]]:
        return {r.name: {p: k for k, p in enumerate(r.points)} for r in self.netlist.regions}

    @cached_property
    def composite(self) -> dict[str, str]:
        """Module name of each switch node."""
        return {n.name: self.module(n.name) for n in self.netlist.nodes if n.op in ("rotate", "spread")}
