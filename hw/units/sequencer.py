"""The control of the array: time counters, address generators, and every condition computed from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.conditions import (
    Address,
    All,
    AtLeast,
    Digit,
    Flag,
    GuardHolds,
    InRange,
    Inside,
    Last,
    NoneOf,
    Step,
    Zero,
)
from hw.conditions import Value as ControlValue
from hw.generators import Generator
from hw.netlist import Netlist
from hw.registers import Register, guarded_tiles, turning
from workloads.affine import Affine


class Sequencer(wiring.Component):
    """Counts through the time loops of one run and drives the array's control.

    Members
    -------
    cfg_we, cfg_addr, cfg_data
        Write one 32-bit word of a register.
    start, busy, done, cycles
        Run control; ``cycles`` counts the busy cycles of the last run.
    c_NAME
        Concatenated values of the control node NAME, one a point of its region.
    p_NAME
        Write pointer of the programmable delay NAME.
    """

    def __init__(
        self,
        netlist: Netlist,
        generators: Sequence[Generator],
        registers: Sequence[Register],
        fifos: Mapping[str, int],
        write_cycles: int,
    ) -> None:
        self.netlist, self.generators = netlist, {g.name: g for g in generators}
        self.registers, self.fifos = tuple(registers), dict(fifos)
        self.write_cycles = write_cycles
        self.nodes = tuple(n for n in netlist.nodes if n.op == "control")
        members: dict[str, wiring.Member] = {
            "cfg_we": In(1),
            "cfg_addr": In(16),
            "cfg_data": In(32),
            "start": In(1),
            "busy": Out(1),
            "done": Out(1),
            "cycles": Out(32),
        }
        for node in self.nodes:
            members[f"c_{node.name}"] = Out(node.width_bits * len(netlist.region[node.region].points))
        for name, depth in self.fifos.items():
            members[f"p_{name}"] = Out(max(1, (depth - 1).bit_length()))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self.r = {reg.name: Signal(reg.bits, name=f"r_{reg.name}") for reg in self.registers}
        for reg in self.registers:
            for word in range(reg.words):
                low, high = 32 * word, min(32 * word + 32, reg.bits)
                with m.If(self.cfg_we & (self.cfg_addr == reg.address + word)):
                    m.d.sync += self.r[reg.name][low:high].eq(self.cfg_data[: high - low])
        self._counters(m)
        for gen in self.generators.values():
            self._generator(m, gen)
        self._pointers(m)
        for node in self.nodes:
            values = dict(node.parameters)["values"]
            assert isinstance(values, tuple)
            parts = [self._value(m, node.name, value) for value in values]
            m.d.comb += self[f"c_{node.name}"].eq(Cat(*parts))
        return m

    def __getitem__(self, name: str) -> Signal:
        return getattr(self, name)

    def _counters(self, m: Module) -> None:
        plan = self.netlist.plan
        loops = plan.dataflow.order
        self.count = [Signal(len(self.r[f"last_{loop}"]), name=f"t_{loop}") for loop in loops]
        self.zero = [Signal(name=f"zero_{loop}") for loop in loops]
        self.last = [Signal(name=f"last_{loop}") for loop in loops]
        # moves[k]: loop k counts up in this step and every loop inside it returns to 0.
        self.moves = [Signal(name=f"moves_{loop}") for loop in loops]
        self.step = Signal()
        running, draining = Signal(), Signal()
        gap = Signal(16)
        drain_cycles = plan.dataflow.most_skew_cycles + self.write_cycles
        left = Signal(range(drain_cycles + 1))
        inner: Value = Const(1)
        for k in range(len(loops) - 1, -1, -1):
            m.d.comb += [
                self.zero[k].eq(self.count[k] == 0),
                self.last[k].eq(self.count[k] == self.r[f"last_{loops[k]}"]),
                self.moves[k].eq(inner & ~self.last[k]),
            ]
            following = Signal(name=f"wraps_{loops[k]}")
            m.d.comb += following.eq(inner & self.last[k])
            inner = following
        finished = inner
        m.d.comb += [self.step.eq(running & (gap == 0)), self.busy.eq(running | draining)]
        with m.If(self.busy):
            m.d.sync += self.cycles.eq(self.cycles + 1)
        with m.If(gap != 0):
            m.d.sync += gap.eq(gap - 1)
        with m.If(self.step):
            for k in range(len(loops)):
                with m.If(self.moves[k]):
                    m.d.sync += [
                        self.count[k].eq(self.count[k] + 1),
                        *(self.count[j].eq(0) for j in range(k + 1, len(loops))),
                    ]
                    if k <= plan.drain.gap_level:
                        m.d.sync += gap.eq(self.r["gap"])
            with m.If(finished):
                m.d.sync += [running.eq(0), left.eq(drain_cycles)]
                m.d.sync += draining.eq(drain_cycles != 0)
                if not drain_cycles:
                    m.d.sync += self.done.eq(1)
        with m.If(draining):
            m.d.sync += left.eq(left - 1)
            with m.If(left == 1):
                m.d.sync += [draining.eq(0), self.done.eq(1)]
        self.begin = Signal()
        m.d.comb += self.begin.eq(self.start & ~self.busy)
        with m.If(self.begin):
            m.d.sync += [running.eq(1), self.done.eq(0), self.cycles.eq(0), gap.eq(0)]
            m.d.sync += [c.eq(0) for c in self.count]

    def _stepped(
        self, m: Module, state: Signal, start: Value, deltas: Sequence[Value], extra: Value | None = None
    ) -> Signal:
        """Add the delta of the loop that moves; returns the delta taken."""
        delta = Signal(state.shape(), name=f"{state.name}_delta")
        for k, value in enumerate(deltas):
            with m.If(self.moves[k]):
                m.d.comb += delta.eq(value)
        with m.If(self.begin):
            m.d.sync += state.eq(start)
        with m.Elif(self.step):
            m.d.sync += state.eq(state + delta + (extra if extra is not None else 0))
        return delta

    def _generator(self, m: Module, gen: Generator) -> None:
        name, levels = gen.name, range(len(self.count))
        correction: Value = Const(0)
        for r in gen.rotating:
            phase = gen.phase_bits(r)
            bits = gen.digit_bits(r) + phase
            low = Signal(bits, name=f"{name}_low{r}")
            delta = self._stepped(m, low, self.r[f"{name}_low{r}"], [self.r[f"{name}_low{r}_by{k}"] for k in levels])
            up = Signal(name=f"{name}_up{r}")
            m.d.comb += up.eq((low + delta)[bits])
            turn = self.r[f"{name}_turn{r}"]
            correction = correction + Mux(up, turn, 0)
            if phase:
                over = Signal(name=f"{name}_over{r}")
                m.d.comb += over.eq((low[:phase] + delta[:phase])[phase])
                correction = correction - Mux(over, turn, 0)
            setattr(self, f"digit_{name}_{r}", low[phase:])
        for r in gen.ranged:
            at = Signal(signed(gen.coordinate_bits), name=f"{name}_at{r}")
            self._stepped(
                m,
                at,
                self.r[f"{name}_at{r}"].as_signed(),
                [self.r[f"{name}_at{r}_by{k}"].as_signed() for k in levels],
            )
            setattr(self, f"at_{name}_{r}", at)
        address = Signal(gen.address_bits, name=f"{name}_address")
        self._stepped(m, address, self.r[f"{name}_start"], [self.r[f"{name}_by{k}"] for k in levels], correction)
        setattr(self, f"address_{name}", address)

    def _pointers(self, m: Module) -> None:
        for name in self.fifos:
            pointer = self[f"p_{name}"]
            with m.If(self.begin | (pointer + 1 >= self.r[name])):
                m.d.sync += pointer.eq(0)
            with m.Else():
                m.d.sync += pointer.eq(pointer + 1)

    def _value(self, m: Module, name: str, value: ControlValue) -> Value:
        if isinstance(value, Address):
            gen = self.generators[value.generator]
            total = getattr(self, f"address_{gen.name}")
            for r in turning(gen):
                if value.carry[r]:
                    total = total + self.r[f"{gen.name}_turn{r}"]
            out = Signal(gen.address_bits, name=f"{name}_{''.join(map(str, value.carry))}")
            m.d.comb += out.eq(total)
            return out
        if isinstance(value, Digit):
            return getattr(self, f"digit_{value.generator}_{value.dimension}")
        return self._bit(value)

    def _bit(self, value: ControlValue) -> Value:
        match value:
            case Step():
                return self.step
            case Zero(level):
                return self.zero[level]
            case Last(level):
                return self.last[level]
            case AtLeast(level, steps):
                if steps > 0:
                    return self.count[level] >= steps
                return self.count[level] + (-steps) <= self.r[f"last_{self.netlist.plan.dataflow.order[level]}"]
            case Flag(register):
                return self.r[register].bool()
            case Inside(loop, position):
                level = self.netlist.plan.dataflow.order.index(loop)
                return ~self.last[level] | self.r[f"edge_{loop}"][position]
            case InRange(generator, dimension, offset):
                moved = getattr(self, f"at_{generator}_{dimension}") + offset
                return (moved >= 0) & (moved < self.r[f"{generator}_shape{dimension}"].as_signed())
            case All(terms):
                out: Value = Const(1)
                for term in terms:
                    out = out & self._bit(term)
                return out
            case NoneOf(terms):
                out = Const(0)
                for term in terms:
                    out = out | self._bit(term)
                return ~out[0]
            case GuardHolds(index, positions):
                return self._guard(index, dict(positions))
        raise AssertionError(value)

    def _guard(self, index: int, positions: Mapping[str, int]) -> Value:
        guard = self.netlist.plan.nest.guards[index]
        total = self._affine(guard.affine, positions)
        for division, coefficient in guard.divisions:
            inner = self._affine(division.inner, positions)
            quotient = inner // division.divisor if division.operator == "//" else inner % division.divisor
            total = total + coefficient * quotient
        if guard.relation == ">=":
            return total >= 0
        return total == 0 if guard.relation == "==" else total != 0

    def _affine(self, affine: Affine, positions: Mapping[str, int]) -> Value:
        dataflow = self.netlist.plan.dataflow
        total: Value = Const(affine.constant, signed(max(2, affine.constant.bit_length() + 1)))
        for loop, coefficient in affine.terms:
            counter = self.count[dataflow.order.index(loop)]
            iteration = counter * dataflow.size(loop) + positions.get(loop, 0)
            if loop in guarded_tiles(self.netlist.plan):
                iteration = iteration + self.r[f"origin_{loop}"]
            total = total + coefficient * iteration
        return total
