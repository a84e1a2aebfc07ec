"""The top module: control, functional units, banks and switches, wired, behind the host port."""

from __future__ import annotations

from collections import defaultdict

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflow.dataflow import Point
from hw.design import Design, unit_name
from hw.kinds import Wire
from hw.netlist import Node
from hw.units.host import HOST_ADDRESS_BITS


class Top(wiring.Component):
    """Everything of a design; see docs/reference/host-port.md for the members."""

    def __init__(self, design: Design) -> None:
        self.design = design
        super().__init__(
            {
                "cfg_we": In(1),
                "cfg_addr": In(16),
                "cfg_data": In(32),
                "host_tensor": In(4),
                "host_addr": In(HOST_ADDRESS_BITS),
                "host_we": In(1),
                "host_re": In(1),
                "host_wdata": In(design.host_bits),
                "host_rdata": Out(design.host_bits),
                "start": In(1),
                "busy": Out(1),
                "done": Out(1),
                "cycles": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        design = self.design
        self.outputs: dict[tuple[str, Point, int], Value] = {}
        self.vectors: dict[str, Signal] = {}
        self._declare(m)
        self._delay_lines(m)
        self._sequencer(m)
        for name, wires in design.structure.wires.items():
            if name[0].startswith("="):
                self._composite(m, design.netlist.node[name[0][1:]], wires)
        self._points(m)
        self._host(m)
        return m

    def _declare(self, m: Module) -> None:
        """One signal for everything that an instance drives."""
        netlist = self.design.netlist
        for node in netlist.nodes:
            if node.op in ("control", "rotate", "spread"):
                count = len(netlist.region[node.region].points)
                if node.op != "control":
                    count = self.design.generator[str(node.parameter("generator"))].banking.total
                self.vectors[node.name] = Signal(node.width_bits * count, name=f"{node.name}_all")
        for region, points in self.design.structure.kinds.items():
            for point, kind in points.items():
                for name, tap in kind.exports:
                    width = netlist.node[name].width_bits
                    self.outputs[name, point, tap] = Signal(width, name=f"{unit_name(name, point)}_d{tap}")

    def _origin(self, wire: Wire) -> Value:
        """What a wire taps, before any register outside the modules."""
        node = self.design.netlist.node[wire.producer]
        if node.name not in self.vectors:
            return self.outputs[wire.producer, wire.point, wire.tap]
        index = self.design.place(node, wire.point)
        return self.vectors[node.name][index * node.width_bits : (index + 1) * node.width_bits]

    def _delay_lines(self, m: Module) -> None:
        """Registers between modules, shared by all sinks of a tap."""
        longest: dict[tuple[str, Point, int], int] = defaultdict(int)
        for wires in self.design.structure.wires.values():
            for wire in wires.values():
                key = (wire.producer, wire.point, wire.tap)
                longest[key] = max(longest[key], wire.beyond)
        self.lines: dict[tuple[str, Point, int], Signal] = {}
        for (producer, point, tap), cycles in longest.items():
            if not cycles:
                continue
            width = self.design.netlist.node[producer].width_bits
            line = Signal(width * cycles, name=f"{unit_name(producer, point)}_line{tap}")
            origin = self._origin(Wire(producer, point, tap, 0))
            m.d.sync += line.eq(Cat(origin, line[: width * (cycles - 1)]))
            self.lines[producer, point, tap] = line

    def _tap(self, wire: Wire) -> Value:
        if not wire.beyond:
            return self._origin(wire)
        width = self.design.netlist.node[wire.producer].width_bits
        line = self.lines[wire.producer, wire.point, wire.tap]
        return line[(wire.beyond - 1) * width : wire.beyond * width]

    def _clocked(self) -> dict[str, object]:
        return {"i_clk": ClockSignal(), "i_rst": ResetSignal()}

    def _sequencer(self, m: Module) -> None:
        ports: dict[str, object] = self._clocked()
        for name in ("cfg_we", "cfg_addr", "cfg_data", "start"):
            ports[f"i_{name}"] = getattr(self, name)
        for name in ("busy", "done", "cycles"):
            ports[f"o_{name}"] = getattr(self, name)
        for node in self.design.netlist.nodes:
            if node.op == "control":
                ports[f"o_c_{node.name}"] = self.vectors[node.name]
        self.pointers = {
            name: Signal(max(1, (depth - 1).bit_length()), name=f"p_{name}")
            for name, depth in self.design.fifos.items()
        }
        for name, pointer in self.pointers.items():
            ports[f"o_p_{name}"] = pointer
        m.submodules.control = Instance(self.design.module("control"), **ports)

    def _composite(self, m: Module, node: Node, wires: dict[str, Wire]) -> None:
        gen = self.design.generator[str(node.parameter("generator"))]
        out = self.vectors[node.name]
        ports: dict[str, object] = {f"i_{r}": self._tap(w) for r, w in wires.items() if "@" not in r}
        ports["o_o"] = out
        if node.op == "rotate":
            ports |= self._clocked()
            width = node.width_bits
            lanes: list[Value] = [Const(0, width)] * gen.banking.total
            if node.parameter("towards") == "banks":
                given = node.parameter("lanes")
                assert isinstance(given, tuple)
                for offset, producer in given:
                    lanes[gen.banking.flat(offset)] = self._tap(wires[_lane(producer)])
            else:
                for k, place in enumerate(gen.banking.grid):
                    lanes[k] = self._tap(wires[_lane(place)])
            ports["i_i"] = Cat(*lanes)
        m.submodules[node.name] = Instance(self.design.composite[node.name], **ports)

    def _points(self, m: Module) -> None:
        design = self.design
        self.read_data: dict[str, dict[int, Signal]] = defaultdict(dict)
        for region, points in design.structure.kinds.items():
            gen = design.bank_of.get(region)
            for point, kind in points.items():
                ports: dict[str, object] = self._clocked() if kind.clocked or gen else {}
                for port, wire in design.structure.wires.get((region, point), {}).items():
                    ports[f"i_{port}"] = self._tap(wire)
                for use in kind.uses:
                    for operand in use.operands:
                        if operand.fifo:
                            ports[f"i_p_{operand.fifo}"] = self.pointers[operand.fifo]
                for name, tap in kind.exports:
                    ports[f"o_{name}_d{tap}"] = self.outputs[name, point, tap]
                if gen is not None:
                    width, index = design.bank_bits(gen), design.bank_index(gen, point)
                    data = Signal(width, name=f"{unit_name(region, point)}_rdata")
                    self.read_data[gen.name][index] = data
                    chosen = self.host_tensor == gen.tensor_id
                    ports |= {
                        "i_busy": self.busy,
                        "i_h_we": self.host_we & chosen,
                        "i_h_re": self.host_re & chosen,
                        "i_h_addr": self.host_addr[: gen.address_bits],
                        "i_h_wdata": self.host_wdata[index * width : (index + 1) * width],
                        "o_h_rdata": data,
                    }
                m.submodules[unit_name(region, point)] = Instance(design.kind_name[kind], **ports)

    def _host(self, m: Module) -> None:
        chosen = Signal(4)
        m.d.sync += chosen.eq(self.host_tensor)
        with m.Switch(chosen):
            for gen in self.design.generators:
                width = self.design.bank_bits(gen)
                found = self.read_data[gen.name]
                row = Cat(*(found.get(k, Const(0, width)) for k in range(gen.banking.total)))
                with m.Case(gen.tensor_id):
                    m.d.sync += self.host_rdata.eq(row)


def _lane(point: Point) -> str:
    return f"lane@{','.join(map(str, point))}"
