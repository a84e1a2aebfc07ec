"""The control of the stage behind the output banks: reads every block twice and stores what became of it."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.post.plan import READ_CYCLES, PostPlan
from hw.registers import Register
from hw.units.delay import delay_taps


class PostControl(wiring.Component):
    """Begins when the array is done, where the register ``post_on`` asks for it, and keeps the design busy.

    Members
    -------
    cfg_we, cfg_addr, cfg_data
        Write one 32-bit word of a register.
    start, array_busy, array_done, array_cycles
        Run control of the array.
    busy, done, cycles
        Run control of the whole design.
    re, addr
        Read a row of output banks.
    select, measure, first, scales, collect
        What the quantizers do, see `hw.units.stream_quantizer`.
    w_en, w_addr
        Write a row of blocks.
    alpha, wanted, inverse0 ..
        Factors, as registers hold them.
    """

    def __init__(self, plan: PostPlan, registers: Sequence[Register], address_bits: int) -> None:
        self.plan, self.registers, self.address_bits = plan, tuple(registers), address_bits
        members: dict[str, wiring.Member] = {
            "cfg_we": In(1),
            "cfg_addr": In(16),
            "cfg_data": In(32),
            "start": In(1),
            "array_busy": In(1),
            "array_done": In(1),
            "array_cycles": In(32),
            "busy": Out(1),
            "done": Out(1),
            "cycles": Out(32),
            "re": Out(1),
            "addr": Out(address_bits),
            "select": Out(plan.select_bits),
            "measure": Out(1),
            "first": Out(1),
            "scales": Out(1),
            "collect": Out(1),
            "w_en": Out(1),
            "w_addr": Out(plan.address_bits),
        }
        members |= {name: Out(32) for name in plan.factors}
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        registers = {reg.name: Signal(reg.bits, name=f"r_{reg.name}") for reg in self.registers}
        for reg in self.registers:
            with m.If(self.cfg_we & (self.cfg_addr == reg.address)):
                m.d.sync += registers[reg.name].eq(self.cfg_data[: reg.bits])
        m.d.comb += [getattr(self, name).eq(registers[f"post_{name}"]) for name in plan.factors]
        pending, finished = Signal(), Signal()
        begin = self.start & ~self.busy
        spent = Signal(32)
        m.d.comb += [
            self.busy.eq(self.array_busy | pending),
            self.done.eq(self.array_done & ~pending),
            self.cycles.eq(self.array_cycles + spent),
        ]
        works = Signal()
        m.d.comb += works.eq(pending & ~self.array_busy)
        with m.If(begin):
            m.d.sync += [pending.eq(registers["post_on"]), spent.eq(0)]
        with m.Elif(works):
            m.d.sync += spent.eq(spent + 1)
            with m.If(finished):
                m.d.sync += pending.eq(0)
        self._blocks(m, begin, works, finished, registers["post_last_block"], registers["post_last_row"])
        return m

    def _blocks(
        self, m: Module, begin: Value, works: Value, finished: Signal, last_block: Value, last_row: Value
    ) -> None:
        """Steps of a block, groups of a quantizer, blocks of a row of banks, rows; and each number's address."""
        plan, size = self.plan, self.plan.made.block
        step, block, row = Signal(range(plan.block_cycles)), Signal.like(last_block), Signal.like(last_row)
        ended, turn = Signal(), Signal(range(max(2, plan.turns)))
        measures, codes, ends, ends_turns, ends_row = (Signal() for _ in range(5))
        m.d.comb += [
            measures.eq(works & ~ended & (step < size)),
            codes.eq(works & ~ended & (step >= plan.block_cycles - size)),
            ends.eq(works & ~ended & (step == plan.block_cycles - 1)),
            ends_turns.eq(turn == plan.turns - 1),
            ends_row.eq(block == last_block),
            self.re.eq(measures | codes),
        ]
        with m.If(begin):
            m.d.sync += [step.eq(0), turn.eq(0), block.eq(0), row.eq(0), ended.eq(0), self.w_addr.eq(0)]
        with m.Elif(ends):
            m.d.sync += [step.eq(0), turn.eq(Mux(ends_turns, 0, turn + 1))]
            with m.If(ends_turns):
                m.d.sync += block.eq(Mux(ends_row, 0, block + 1))
                with m.If(ends_row):
                    m.d.sync += [row.eq(row + 1), ended.eq(row == last_row)]
        with m.Elif(works & ~ended):
            m.d.sync += step.eq(step + 1)
        with m.If(self.w_en):
            m.d.sync += self.w_addr.eq(self.w_addr + 1)

        # Every group begins where the first one did.
        again = (measures & (step == size - 1)) | (ends & ~ends_turns)
        bank = self._address(m, begin, ends, ends_row, again=again)
        late = {
            "select": (turn * plan.banks + bank, len(self.select), 1),
            "measure": (measures, 1, READ_CYCLES),
            "first": (step == 0, 1, READ_CYCLES),
            "scales": (step == size, 1, READ_CYCLES),
            "collect": (codes, 1, plan.collect_cycles),
            "w_en": (ends, 1, plan.tail_cycles),
        }
        for name, (value, bits, cycles) in late.items():
            m.d.comb += getattr(self, name).eq(_delayed(m, value, bits, cycles, name))
        # No other block ends as late as the last word is written.
        m.d.comb += finished.eq(self.w_en & ended)

    def _address(self, m: Module, begin: Value, ends: Value, ends_row: Value, *, again: Value) -> Value:
        """Bank of the number that is read; ``again`` returns to the first one of the block."""
        banks = self.plan.banks
        address, origin = self.addr, Signal(self.address_bits)
        bank, origin_bank = (Signal(range(max(2, banks)), name=name) for name in ("bank", "origin_bank"))
        turns: Value = bank == banks - 1 if banks > 1 else Const(1)
        following, following_bank = Signal.like(address), Signal.like(bank)
        # A row's last elements may leave banks empty.
        turned = turns | (ends & ends_row)
        m.d.comb += [following.eq(address + turned), following_bank.eq(Mux(turned, 0, bank + 1))]
        with m.If(begin):
            m.d.sync += [address.eq(0), origin.eq(0), bank.eq(0), origin_bank.eq(0)]
        with m.Elif(again):
            m.d.sync += [address.eq(origin), bank.eq(origin_bank)]
        with m.Elif(self.re):
            m.d.sync += [address.eq(following), bank.eq(following_bank)]
            with m.If(ends):
                m.d.sync += [origin.eq(following), origin_bank.eq(following_bank)]
        return bank


def _delayed(m: Module, value: Value, bits: int, cycles: int, name: str) -> Value:
    return delay_taps(m, value, bits, cycles, f"{name}_late")[-1]
