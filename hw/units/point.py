"""The hardware of one module kind: the nodes of a region at a point."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, ResetSignal, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.kinds import Kind, Operand, Use
from hw.netlist import Node
from hw.units.arithmetic import Wires
from hw.units.decode import decoded, decoded_power, decoded_significand
from hw.units.delay import delay_taps, programmable_delay, registered
from hw.units.float_add import float_sum
from hw.units.float_multiply import float_formats, float_product
from hw.units.float_widen import widened
from hw.units.sequencer import mode_wire
from hw.units.shift import shifted
from workloads.formats import Format
from workloads.functional_unit import FunctionalUnit


class PointModule(wiring.Component):
    """One kind as a module.

    Members are the operands that come from outside (``NODE_ROLE``), the taps that leave (``NODE_dN``) and, where a bank
    stands here, the host's port to it.
    """

    def __init__(self, kind: Kind, bank: tuple[str, int, int] | None) -> None:
        self.kind, self.bank = kind, bank
        members: dict[str, wiring.Member] = {}
        for use in kind.uses:
            for operand in use.operands:
                for choice in operand.choices:
                    if choice.port:
                        members[choice.port] = In(choice.width_bits)
        members |= {mode_wire(modes): In(1) for modes in kind.mode_sets}
        widths = {use.node.name: use.node.width_bits for use in kind.uses}
        for name, registers in kind.exports:
            members[f"{name}_d{registers}"] = Out(widths[name])
        if bank:
            _, width, depth = bank
            bits = max(1, (depth - 1).bit_length())
            members |= {
                "busy": In(1),
                "h_we": In(1),
                "h_re": In(1),
                "h_addr": In(bits),
                "h_wdata": In(width),
                "h_rdata": Out(width),
            }
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Local clock and reset exist even in kinds without registers.
        self.value: dict[str, Signal] = {}
        for use in self.kind.uses:
            node = use.node
            shape = signed(node.width_bits) if node.signed else node.width_bits
            self.value[node.name] = Signal(shape, name=f"v_{node.name}", reset_less=True)
        self.taps = {
            name: delay_taps(m, value, value.shape().width, self.kind.chains.get(name, 0), name)
            for name, value in self.value.items()
        }
        for use in self.kind.uses:
            self._node(m, use)
        for name, registers in self.kind.exports:
            m.d.comb += getattr(self, f"{name}_d{registers}").eq(self.taps[name][registers])
        if self.bank:
            self._bank(m)
        return m

    def _in(self, m: Module, use: Use, operand: Operand) -> Value:
        value = self._chosen(operand)
        if operand.fifo:
            steering = operand.role.replace("delayed", "pointer")
            pointer = self._chosen(next(o for o in use.operands if o.role == steering))
            value = programmable_delay(
                m, value, operand.width_bits, operand.fifo_depth, pointer, f"{use.node.name}_{operand.role}"
            )
        if isinstance(value, Const):
            return value
        return value.as_signed() if operand.signed else value.as_unsigned()

    def _chosen(self, operand: Operand) -> Value:
        """The operand's source in the mode that runs; at most one of several sources is let through."""
        parts = []
        for choice in operand.choices:
            if choice.port:
                value: Value = getattr(self, choice.port)
            elif choice.local:
                value = self.taps[choice.local][choice.registers]
            else:
                value = Const(choice.constant, signed(choice.width_bits) if choice.signed else choice.width_bits)
            # A constant has its sign already, and stays one for those who look.
            if not isinstance(value, Const):
                value = value.as_signed() if choice.signed else value.as_unsigned()
            if len(operand.choices) == 1:
                return value
            if choice.constant or choice.port or choice.local:
                wide = Mux(getattr(self, mode_wire(choice.modes)), value, 0)
                parts.append(
                    Cat(wide, wide[-1].replicate(operand.width_bits) if choice.signed else Const(0, operand.width_bits))
                )
        total = Const(0, operand.width_bits)
        for part in parts:
            total = total | part[: operand.width_bits]
        return total[: operand.width_bits]

    def _node(self, m: Module, use: Use) -> None:
        node, out = use.node, self.value[use.node.name]
        ins = {operand.role: self._in(m, use, operand) for operand in use.operands}
        bits: Value = Const(1)
        deep = node.operation_cycles > 1
        for role, value in ins.items():
            if role.startswith("bit_"):
                bits = bits & value
        match node.op:
            case "source":
                m.d.comb += out.eq(self._source(m, node.name, ins, out))
            case "decode" | "significand" | "power":
                held = node.parameter("format")
                assert isinstance(held, Format)
                part = {"decode": decoded, "significand": decoded_significand, "power": decoded_power}[node.op]
                m.d.comb += out.eq(part(ins["code"], held))
            case "shift":
                powers = [value for role, value in ins.items() if role != "value"]
                m.d.sync += out.eq(shifted(m, ins["value"], powers, node.width_bits, node.name))
            case "multiply":
                constant = dict(node.parameters).get("constant")
                other = ins.get("b", 1) if constant is None else int(str(constant))
                m.d.sync += out.eq(ins["a"] * other)
            case "float_multiply":
                other = ins.get("b", Const(dict(node.parameters).get("constant", 0), 32))
                product = float_product(m, ins["a"], other, float_formats(node), node.name, registers=deep)
                m.d.sync += out.eq(product)
            case "widen":
                m.d.comb += out.eq(widened(m, ins["code"], *float_formats(node), node.name))
            case "compute":
                unit = node.parameter("unit")
                assert isinstance(unit, FunctionalUnit)
                m.d.sync += out.eq(unit.value(Wires(), [ins[role] for role in unit.operands]))
            case "add":
                if node.floating:
                    m.d.sync += out.eq(float_sum(m, ins["a"], ins.get("b", Const(0, 32)), node.name, registers=deep))
                else:
                    m.d.sync += out.eq(_combined(node, ins["a"], ins["b"]) if "b" in ins else ins["a"])
            case "reduce":
                terms = [ins[f"term{n}"] for n in range(len(ins))]
                self._reduce(m, node, terms, out, bool(node.parameter("balanced")), node.latency_cycles)
            case "select":
                m.d.comb += out.eq(Mux(ins["start"], ins.get("first", node.identity), ins["again"]))
            case "mask":
                m.d.comb += out.eq(Mux(bits, ins["value"], node.identity))
            case "all":
                m.d.comb += out.eq(bits)
            case "relay":
                m.d.sync += out.eq(ins["value"])
            case "lane":
                m.d.comb += out.eq(ins["value"])
            case "read" | "write":
                setattr(self, f"{node.op}_ports", ins)
            case _:
                raise AssertionError(node.op)

    def _source(self, m: Module, name: str, ins: dict[str, Value], out: Signal) -> Value:
        value = ins["main"]
        for i in reversed(range(len(ins))):
            if f"from{i}" in ins:
                value = Mux(ins[f"from{i}"], ins[f"delayed{i}"], value)
        if "load" in ins:
            kept = Signal(out.shape(), name=f"{name}_held", reset_less=True)
            value = Mux(ins["load"], value, kept)
            m.d.sync += kept.eq(value)
        return value

    def _reduce(self, m: Module, node: Node, terms: list[Value], out: Signal, balanced: bool, latency: int) -> None:
        """Pipelined reduction; groups shorter than the longest wait at the end."""
        name, deep = node.name, node.operation_cycles > 1
        level = 0
        while len(terms) > 1:
            level += 1
            pairs = [terms[k : k + 2] for k in range(0, len(terms), 2)]
            if not balanced:
                pairs = [terms[:2], *([t] for t in terms[2:])]
            following = []
            for n, pair in enumerate(pairs):
                total = pair[0]
                if len(pair) == 2 and node.floating:
                    total = float_sum(m, pair[0], pair[1], f"{name}_l{level}_{n}", registers=deep)
                elif len(pair) == 2:
                    total = _combined(node, *pair)
                elif deep:
                    total = registered(m, total, f"{name}_l{level}_{n}_later")
                stage = Signal(signed(min(len(total), out.shape().width)), name=f"{name}_l{level}_{n}", reset_less=True)
                m.d.sync += stage.eq(total)
                following.append(stage)
            terms = following
        for extra in range(level * node.operation_cycles, latency):
            stage = Signal(out.shape(), name=f"{name}_l{extra + 1}", reset_less=True)
            m.d.sync += stage.eq(terms[0])
            terms = [stage]
        m.d.comb += out.eq(terms[0])

    def _bank(self, m: Module) -> None:
        assert self.bank
        module, width, _ = self.bank
        q = Signal(width, name="q")
        ports: dict[str, object] = {
            "i_clk": ClockSignal(),
            "i_rst": ResetSignal(),
            "o_q": q,
            **{f"i_{name}": getattr(self, name) for name in ("busy", "h_we", "h_re", "h_addr", "h_wdata")},
        }
        if read := getattr(self, "read_ports", None):
            ports |= {"i_r_en": read["enable"], "i_r_addr": read["address"]}
        if write := getattr(self, "write_ports", None):
            # A narrower sum keeps its sign in a word that other modes need wider.
            data = Signal(width, name="w_data")
            m.d.comb += data.eq(write["data"])
            ports |= {"i_w_en": write["enable"], "i_w_addr": write["address"], "i_w_data": data}
        m.submodules.bank = Instance(module, **ports)
        for use in self.kind.uses:
            if use.node.op == "read":
                m.d.comb += self.value[use.node.name].eq(Cat(q).as_signed() if use.node.signed else q)
        m.d.comb += self.h_rdata.eq(q)


def _combined(node: Node, a: Value, b: Value) -> Value:
    """Two operands of a reduction; what the result cannot hold wraps first, or it would win a comparison."""
    most = node.width_bits
    fitting = [v[:most].as_signed() if len(v) > most else v for v in (a, b)]
    combined: Value = node.reduction.combine(Wires(), *fitting)
    return combined
