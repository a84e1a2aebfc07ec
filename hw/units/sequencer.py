"""The control of the array: time counters, address generators, and every condition computed from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflow.architecture import Plan
from hw.conditions import (
    Address,
    All,
    AtLeast,
    ByMode,
    Condition,
    Digit,
    Flag,
    GuardHolds,
    InRange,
    Inside,
    Last,
    NoneOf,
    Pointer,
    Single,
    Step,
    Zero,
)
from hw.conditions import Value as ControlValue
from hw.generators import AddressUnit
from hw.levels import levels_outside, loop_levels
from hw.netlist import Netlist
from hw.registers import Register, axis_names, guarded_tiles
from hw.units.delay import MOST_TAPS
from workloads.affine import Affine


def mode_wire(modes: Sequence[int]) -> str:
    """Name of the wire that is 1 while one of the modes runs."""
    return "_".join(["in_modes", *map(str, modes)])


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
    in_modes_M_N...
        One of these modes is chosen.
    """

    def __init__(
        self,
        netlist: Netlist,
        units: Sequence[AddressUnit],
        registers: Sequence[Register],
        fifos: Mapping[str, int],
        most_drain_cycles: int,
        choices: Sequence[tuple[int, ...]],
    ) -> None:
        self.netlist, self.units = netlist, {u.name: u for u in units}
        self.registers, self.fifos, self.choices = tuple(registers), dict(fifos), tuple(choices)
        self.most_drain_cycles = most_drain_cycles
        self.levels = loop_levels(netlist.plans)
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
        for modes in self.choices:
            members[mode_wire(modes)] = Out(1)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self.r = {reg.name: Signal(reg.bits, name=f"r_{reg.name}") for reg in self.registers}
        for reg in self.registers:
            for word in range(reg.words):
                low, high = 32 * word, min(32 * word + 32, reg.bits)
                with m.If(self.cfg_we & (self.cfg_addr == reg.address + word)):
                    m.d.sync += self.r[reg.name][low:high].eq(self.cfg_data[: high - low])
        self.known: dict[Single, Signal] = {}
        self._counters(m)
        for unit in self.units.values():
            self._addresses(m, unit)
        self._pointers(m)
        for modes in self.choices:
            m.d.comb += self[mode_wire(modes)].eq(self._chosen(modes))
        for node in self.nodes:
            values = dict(node.parameters)["values"]
            assert isinstance(values, tuple)
            parts = [self._value(m, value) for value in values]
            m.d.comb += self[f"c_{node.name}"].eq(Cat(*parts))
        return m

    def __getitem__(self, name: str) -> Signal:
        return getattr(self, name)

    def _counters(self, m: Module) -> None:
        loops = self.levels
        self.count = [Signal(len(self.r[f"last_{loop}"]), name=f"t_{loop}") for loop in loops]
        self.zero = [Signal(name=f"zero_{loop}") for loop in loops]
        self.last = [Signal(name=f"last_{loop}") for loop in loops]
        # moves[k]: loop k counts up in this step and every loop inside it returns to 0.
        self.moves = [Signal(name=f"moves_{loop}") for loop in loops]
        self.step = Signal()
        running = Signal()
        draining = Signal()
        gap = Signal(16)
        fused = len(self.netlist.plans) > 1
        left = Signal(range(self.most_drain_cycles + 1))
        drain_cycles: Value = self.r["drain"] if fused else Const(self.most_drain_cycles)
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
                    if modes := self._gap_modes(k):
                        with m.If(self._chosen(modes)):
                            m.d.sync += gap.eq(self.r["gap"])
            with m.If(finished):
                m.d.sync += [running.eq(0), left.eq(drain_cycles), draining.eq(1)]
        with m.If(draining):
            m.d.sync += left.eq(left - 1)
            with m.If(left == 1):
                m.d.sync += [draining.eq(0), self.done.eq(1)]
        self.begin = Signal()
        m.d.comb += self.begin.eq((self._settled(m) if fused else self.start) & ~self.busy)
        with m.If(self.begin):
            m.d.sync += [running.eq(1), self.done.eq(0), self.cycles.eq(0), gap.eq(0)]
            m.d.sync += [c.eq(0) for c in self.count]

    def _settled(self, m: Module) -> Value:
        """The start, held back while values of another mode may still be under way in the control's delay lines."""
        settling = Signal(range(self.most_drain_cycles + 1))
        waiting = Signal()
        mode = next(reg for reg in self.registers if reg.name == "mode")
        with m.If(self.cfg_we & (self.cfg_addr == mode.address)):
            m.d.sync += settling.eq(self.most_drain_cycles)
        with m.Elif(settling != 0):
            m.d.sync += settling.eq(settling - 1)
        with m.If(settling == 0):
            m.d.sync += waiting.eq(0)
        with m.Elif(self.start):
            m.d.sync += waiting.eq(1)
        return (self.start | waiting) & (settling == 0)

    def _gap_modes(self, level: int) -> tuple[int, ...]:
        """Modes in which idle cycles follow a step of the loop."""
        plans = self.netlist.plans
        return tuple(
            mode
            for mode, plan in enumerate(plans)
            if plan.drain.gap_level >= 0 and level <= plan.drain.gap_level + levels_outside(plans, plan)
        )

    def _chosen(self, modes: Sequence[int]) -> Value:
        """One of the modes runs."""
        if len(modes) == len(self.netlist.plans):
            return Const(1)
        return Cat(*(self.r["mode"][mode] for mode in modes)).any()

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

    def _addresses(self, m: Module, unit: AddressUnit) -> None:
        name, levels = unit.name, range(len(self.count))
        correction: Value = Const(0)
        for r in unit.rotating:
            bits = unit.low_bits(r)
            low = Signal(bits, name=f"{name}_low{r}")
            delta = self._stepped(m, low, self.r[f"{name}_low{r}"], [self.r[f"{name}_low{r}_by{k}"] for k in levels])
            up = Signal(name=f"{name}_up{r}")
            m.d.comb += up.eq((low + delta)[bits])
            turn = self.r[f"{name}_turn{r}"]
            correction = correction + Mux(up, turn, 0)
            for digit, modes in unit.digit_modes(r).items():
                phase = bits - digit
                over = Signal(name=f"{name}_over{r}_{digit}")
                m.d.comb += over.eq((low[:phase] + delta[:phase])[phase] & self._chosen(modes))
                correction = correction - Mux(over, turn, 0)
            setattr(self, f"low_{name}_{r}", low)
        for r in unit.ranged:
            at = Signal(signed(unit.coordinate_bits), name=f"{name}_at{r}")
            self._stepped(
                m,
                at,
                self.r[f"{name}_at{r}"].as_signed(),
                [self.r[f"{name}_at{r}_by{k}"].as_signed() for k in levels],
            )
            setattr(self, f"at_{name}_{r}", at)
        address = Signal(unit.address_bits, name=f"{name}_address")
        self._stepped(m, address, self.r[f"{name}_start"], [self.r[f"{name}_by{k}"] for k in levels], correction)
        setattr(self, f"address_{name}", address)

    def _pointers(self, m: Module) -> None:
        self.pointer: dict[str, Signal] = {}
        for name, depth in self.fifos.items():
            pointer = self.pointer[name] = Signal(max(1, (depth - 1).bit_length()), name=f"p_{name}")
            if depth <= MOST_TAPS:
                m.d.comb += pointer.eq(self.r[name] - 1)
                continue
            with m.If(self.begin | (pointer + 1 >= self.r[name])):
                m.d.sync += pointer.eq(0)
            with m.Else():
                m.d.sync += pointer.eq(pointer + 1)

    def _value(self, m: Module, value: ControlValue) -> Value:
        match value:
            case ByMode(choices):
                modes: dict[Single, list[int]] = {}
                for mode, single in choices:
                    modes.setdefault(single, []).append(mode)
                if len(modes) == 1:
                    return self._value(m, choices[0][1])
                parts = [Mux(self._chosen(found), self._value(m, single), 0) for single, found in modes.items()]
                total: Value = parts[0]
                for part in parts[1:]:
                    total = total | part
                return total
            case Address(generator, carry):
                unit = self.units[generator]
                total = getattr(self, f"address_{unit.name}")
                for r in unit.turning:
                    if r < len(carry) and carry[r]:
                        total = total + self.r[f"{unit.name}_turn{r}"]
                return self._named(m, value, total, unit.address_bits)
            case Digit(generator, dimension, bits):
                low = getattr(self, f"low_{generator}_{dimension}")
                return low[len(low) - bits :]
            case Pointer(fifo):
                return self.pointer[fifo]
        return self._bit(m, value)

    def _named(self, m: Module, value: Single, built: Value, bits: int) -> Value:
        """A signal for what several control values have in common."""
        if value not in self.known:
            self.known[value] = Signal(bits, name=f"{type(value).__name__.lower()}_{len(self.known)}")
            m.d.comb += self.known[value].eq(built)
        return self.known[value]

    def _bit(self, m: Module, value: Condition) -> Value:
        if isinstance(value, Step | Zero | Last):
            return self._built(m, value)
        return self.known[value] if value in self.known else self._named(m, value, self._built(m, value), 1)

    def _built(self, m: Module, value: Condition) -> Value:
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
                return self.count[level] + (-steps) <= self.r[f"last_{self.levels[level]}"]
            case Flag(register):
                return self.r[register].bool()
            case Inside(level, axis, position):
                return ~self.last[level] | self.r[f"edge_{axis_names(self.netlist.plans)[axis]}"][position]
            case InRange(generator, dimension, offset):
                moved = getattr(self, f"at_{generator}_{dimension}") + offset
                return (moved >= 0) & (moved < self.r[f"{generator}_shape{dimension}"].as_signed())
            case All(terms):
                out: Value = Const(1)
                for term in terms:
                    out = out & self._bit(m, term)
                return out
            case NoneOf(terms):
                out = Const(0)
                for term in terms:
                    out = out | self._bit(m, term)
                return ~out[0]
            case GuardHolds(index, positions, mode):
                return self._guard(self.netlist.plans[mode], index, dict(positions))
        raise AssertionError(value)

    def _guard(self, plan: Plan, index: int, positions: Mapping[str, int]) -> Value:
        guard = plan.nest.guards[index]
        total = self._affine(plan, guard.affine, positions)
        for division, coefficient in guard.divisions:
            inner = self._affine(plan, division.inner, positions)
            quotient = inner // division.divisor if division.operator == "//" else inner % division.divisor
            total = total + coefficient * quotient
        if guard.relation == ">=":
            return total >= 0
        return total == 0 if guard.relation == "==" else total != 0

    def _affine(self, plan: Plan, affine: Affine, positions: Mapping[str, int]) -> Value:
        dataflow, outside = plan.dataflow, levels_outside(self.netlist.plans, plan)
        total: Value = Const(affine.constant, signed(max(2, affine.constant.bit_length() + 1)))
        for loop, coefficient in affine.terms:
            counter = self.count[dataflow.order.index(loop) + outside]
            iteration = counter * dataflow.size(loop) + positions.get(loop, 0)
            if loop in guarded_tiles(plan):
                iteration = iteration + self.r[f"origin_{loop}"]
            total = total + coefficient * iteration
        return total
