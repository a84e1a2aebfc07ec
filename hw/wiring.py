"""The top module as text: control, functional units, banks and switches, wired, behind the host port.

Wiring is written directly, because it has no logic worth a hardware language and grows with the array.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from dataflow.dataflow import Point
from hw.design import Design, unit_name
from hw.generators import AddressUnit
from hw.host import HOST_ADDRESS_BITS
from hw.kinds import Kind, Wire
from hw.netlist import Node
from hw.post.plan import PostPlan
from hw.post.wiring import control_ports, memory_ports, post_nets, quantizer_ports
from hw.sources import composite
from hw.units.sequencer import mode_wire
from hw.verilog_text import bit_range, instance

Tap = tuple[str, Point, int]


def top_verilog(design: Design) -> str:
    """Verilog of the top module; its ports are described in docs/reference/host-port.md."""
    return "\n".join(_Wiring(design).lines()) + "\n"


class _Wiring:
    def __init__(self, design: Design) -> None:
        self.design, self.netlist = design, design.netlist
        self.vectors = {n.name: len(self.netlist.region[n.region].points) for n in self.netlist.nodes if composite(n)}
        self.lines_needed: dict[Tap, int] = defaultdict(int)
        delayed = {wire.producer for wire in design.structure.all_wires() if wire.beyond}
        for wire in design.structure.all_wires():
            if wire.producer in delayed:
                tap = (wire.producer, wire.point, wire.tap)
                self.lines_needed[tap] = max(self.lines_needed[tap], wire.beyond)

    def lines(self) -> Iterator[str]:
        host = self.design.host_bits - 1
        yield f"module {self.design.name}("
        yield "  input clk, input rst,"
        yield "  input cfg_we, input [15:0] cfg_addr, input [31:0] cfg_data,"
        yield f"  input [3:0] host_tensor, input [{HOST_ADDRESS_BITS - 1}:0] host_addr, input host_we, input host_re,"
        yield f"  input [{host}:0] host_wdata, output reg [{host}:0] host_rdata,"
        yield "  input start, output busy, output done, output [31:0] cycles"
        yield ");"
        yield from self._nets()
        yield from self._delay_lines()
        yield from self._control()
        for node in self.netlist.nodes:
            if node.op == "launch":
                yield from self._launch(node)
            elif composite(node) and node.op != "control":
                yield from self._switch(node)
        yield from self._points()
        if self.design.post:
            yield from self._post(self.design.post)
        yield from self._host()
        yield "endmodule"

    def _nets(self) -> Iterator[str]:
        for name, places in self.vectors.items():
            yield f"  wire {bit_range(self.netlist.node[name].width_bits * places)}{name}_all;"
        for points in self.design.structure.kinds.values():
            exports = {
                kind: [(f"{bit_range(self.netlist.node[name].width_bits)}{name}", tap) for name, tap in kind.exports]
                for kind in dict.fromkeys(points.values())
            }
            for point, kind in points.items():
                for declared, tap in exports[kind]:
                    yield f"  wire {unit_name(declared, point)}_d{tap};"
        for modes in self.design.structure.mode_sets:
            yield f"  wire {mode_wire(modes)};"
        if self.design.post:
            yield from post_nets(self.design.post, self.design.units[0].address_bits)

    def _origin(self, tap: Tap) -> str:
        """What a wire taps, before any register outside the modules."""
        producer, point, registers = tap
        node = self.netlist.node[producer]
        if producer not in self.vectors:
            return f"{unit_name(producer, point)}_d{registers}"
        return _slice(f"{producer}_all", self.design.place(node, point), node.width_bits, self.vectors[producer])

    def _delay_lines(self) -> Iterator[str]:
        """Registers between modules, shared by all sinks of a tap; the newest value in the lowest bits."""
        for tap, cycles in self.lines_needed.items():
            if not cycles:
                continue
            width = self.netlist.node[tap[0]].width_bits
            line = self._line(tap)
            older = f"{line}[{width * (cycles - 1) - 1}:0], " if cycles > 1 else ""
            yield f"  reg {bit_range(width * cycles)}{line};"
            yield f"  always @(posedge clk) {line} <= {{{older}{self._origin(tap)}}};"

    @staticmethod
    def _line(tap: Tap) -> str:
        return f"{unit_name(tap[0], tap[1])}_line{tap[2]}"

    def _wire(self, wire: Wire) -> str:
        if not wire.beyond and wire.producer not in self.vectors:
            return f"{unit_name(wire.producer, wire.point)}_d{wire.tap}"
        tap = (wire.producer, wire.point, wire.tap)
        if not wire.beyond:
            return self._origin(tap)
        width = self.netlist.node[wire.producer].width_bits
        return _slice(self._line(tap), wire.beyond - 1, width, self.lines_needed[tap])

    def _control(self) -> Iterator[str]:
        ports = {name: name for name in ("clk", "rst", "cfg_we", "cfg_addr", "cfg_data", "start")}
        # Behind the array comes the stage, where there is one, and the host sees both as one run.
        array = "array_" if self.design.post else ""
        ports |= {name: f"{array}{name}" for name in ("busy", "done", "cycles")}
        ports |= {f"c_{n.name}": f"{n.name}_all" for n in self.netlist.nodes if n.op == "control"}
        ports |= {mode_wire(modes): mode_wire(modes) for modes in self.design.structure.mode_sets}
        yield instance(self.design.module("control"), "control", ports)

    def _input(self, node: Node, role: str, place: Point) -> str | None:
        """What a composite node takes at a place; the modes choose where there are several sources."""
        choices = self.design.structure.inputs.get(node.name, {}).get((role, place))
        if not choices:
            return None
        wires = [(modes, wire) for modes, wire in choices if wire]
        if len(choices) == 1:
            return self._wire(wires[0][1])
        width = max(self.netlist.node[wire.producer].width_bits for _, wire in wires)
        masked = (f"({{{width}{{{mode_wire(modes)}}}}} & {self._wire(wire)})" for modes, wire in wires)
        return f"({' | '.join(masked)})"

    def _launch(self, node: Node) -> Iterator[str]:
        words = [
            self._input(node, "value", p) or f"{node.width_bits}'d0" for p in self.netlist.region[node.region].points
        ]
        yield f"  assign {node.name}_all = {_concatenated(words)};"

    def _switch(self, node: Node) -> Iterator[str]:
        grid = self.netlist.region[node.region].points
        roles = dict.fromkeys(arc.role for arc in node.args if arc.role != "lane")
        ports = {role: self._input(node, role, grid[0]) or "0" for role in roles}
        ports["o"] = f"{node.name}_all"
        if node.op == "rotate":
            ports |= {"clk": "clk", "rst": "rst"}
            width = self.netlist.node[node.arcs("lane")[0].source].width_bits
            ports["i"] = _concatenated([self._input(node, "lane", p) or f"{width}'d0" for p in grid])
        yield instance(self.design.composite[node.name], f"{node.name}_switch", ports)

    def _points(self) -> Iterator[str]:
        design = self.design
        for region, points in design.structure.kinds.items():
            unit = design.bank_of.get(region)
            if unit is not None:
                yield f"  wire {region}_chosen = host_tensor == 4'd{unit.tensor_id};"
                yield f"  wire {region}_we = host_we & {region}_chosen;"
                taken = unit.tensor_id == 0 and self.design.post is not None
                yield f"  wire {region}_re = {'post_re | ' if taken else ''}host_re & {region}_chosen;"
            common = {kind: self._common_ports(kind, bank=unit is not None) for kind in dict.fromkeys(points.values())}
            wires = design.structure.wires
            for point, kind in points.items():
                name = unit_name(region, point)
                clock, selections = common[kind]
                ports = clock + [
                    f".{port}({self._wire(wire)})" for port, wire in wires.get((region, point), {}).items()
                ]
                ports += selections
                ports += [f".{node}_d{tap}({unit_name(node, point)}_d{tap})" for node, tap in kind.exports]
                if unit is not None:
                    width = design.bank_bits(unit)
                    yield f"  wire {bit_range(width)}{name}_rdata;"
                    address = f"host_addr[{unit.address_bits - 1}:0]"
                    ports += [
                        f".busy({'array_busy' if design.post else 'busy'})",
                        f".h_we({region}_we)",
                        f".h_re({region}_re)",
                        f".h_addr({f'post_re ? post_addr : {address}' if taken else address})",
                        f".h_wdata({_slice('host_wdata', design.bank_index(unit, point), width, 0)})",
                        f".h_rdata({name}_rdata)",
                    ]
                yield f"  {design.kind_name[kind]} {name} ({', '.join(ports)});"

    @staticmethod
    def _common_ports(kind: Kind, *, bank: bool) -> tuple[list[str], list[str]]:
        """Clock ports and selections by mode, which all points of a kind share."""
        clock = [".clk(clk)", ".rst(rst)"] if kind.clocked or bank else []
        return clock, [f".{mode_wire(modes)}({mode_wire(modes)})" for modes in kind.mode_sets]

    def _bank_words(self, unit: AddressUnit) -> list[str]:
        """What each memory of a set reads for the host, in the order of a row."""
        words = [f"{self.design.bank_bits(unit)}'d0"] * unit.banks
        for point in self.design.structure.kinds[f"{unit.name}_bank"]:
            words[self.design.bank_index(unit, point)] = f"{unit_name(f'{unit.name}_bank', point)}_rdata"
        return words

    def _post(self, post: PostPlan) -> Iterator[str]:
        """The stage: its control, quantizers behind groups of output banks, and the memory of what they make."""
        yield instance(self.design.module("post_control"), "post_control", control_ports(post))
        words = self._bank_words(self.design.units[0])
        each = post.turns * post.banks
        for n in range(post.quantizers):
            ports = {"words": _concatenated(words[n * each : (n + 1) * each]), "word": f"post_word{n}"}
            yield instance(self.design.module("post_quantizer"), f"post_quantizer{n}", quantizer_ports(post) | ports)
        row = _concatenated([f"post_word{n}" for n in range(post.quantizers)])
        yield instance(self.design.module("post_memory"), "post_memory", memory_ports(post) | {"w_data": row})

    def _host(self) -> Iterator[str]:
        """Read data of the bank set that was asked for, one cycle after the banks give it."""
        yield "  reg [3:0] host_chosen;"
        yield "  always @(posedge clk) begin"
        yield "    host_chosen <= host_tensor;"
        yield "    case (host_chosen)"
        rows = {u.tensor_id: (self.design.bank_bits(u) * u.banks, self._bank_words(u)) for u in self.design.units}
        if post := self.design.post:
            rows[post.tensor_id] = (post.row_bits, ["post_rdata"])
        for tensor, (bits, words) in rows.items():
            spare = self.design.host_bits - bits
            row = _concatenated([*words, *([_zeros(spare)] if spare else [])])
            yield f"      4'd{tensor}: host_rdata <= {row};"
        yield "      default: host_rdata <= 0;"
        yield "    endcase"
        yield "  end"


def _slice(name: str, position: int, width: int, places: int) -> str:
    """Word ``position`` of a vector of ``places`` words (0: more than one)."""
    if width * places == 1:
        return name
    low = position * width
    return f"{name}[{low}]" if width == 1 else f"{name}[{low + width - 1}:{low}]"


def _concatenated(words: list[str]) -> str:
    """Words as one vector, the first in the lowest bits."""
    return "{" + ", ".join(reversed(words)) + "}"


def _zeros(width: int) -> str:
    # Verilator takes no literal above 65,536 bits and suspects replications above 8,192.
    whole, rest = divmod(width, 8192)
    return ", ".join(["{8192{1'b0}}"] * whole + [f"{{{rest}{{1'b0}}}}"] * bool(rest))
