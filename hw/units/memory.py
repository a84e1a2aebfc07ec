"""One bank: a memory with one read and one write port, each shared with the host."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class Bank(wiring.Component):
    """``depth`` words; the array owns the ports while ``busy``, the host otherwise.

    Read data appears one cycle after the enable and stays until the next read. A read beyond the last word, as padded
    iterations ask for, gives word 0: its value does not matter, but it must have one.
    """

    def __init__(self, width: int, depth: int, *, array_writes: bool, array_reads: bool) -> None:
        self.width, self.depth = width, depth
        self.array_writes, self.array_reads = array_writes, array_reads
        bits = max(1, (depth - 1).bit_length())
        members = {
            "busy": In(1),
            "h_we": In(1),
            "h_re": In(1),
            "h_addr": In(bits),
            "h_wdata": In(width),
            "q": Out(width),
        }
        if array_reads:
            members |= {"r_en": In(1), "r_addr": In(bits)}
        if array_writes:
            members |= {"w_en": In(1), "w_addr": In(bits), "w_data": In(width)}
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A memory of one word would have an address of no bits.
        m.submodules.words = words = Memory(shape=self.width, depth=max(2, self.depth), init=[])
        write, read = words.write_port(), words.read_port(domain="sync")
        m.d.comb += self.q.eq(read.data)
        if self.array_writes:
            m.d.comb += [
                write.en.eq(Mux(self.busy, self.w_en, self.h_we)),
                write.addr.eq(Mux(self.busy, self.w_addr, self.h_addr)),
                write.data.eq(Mux(self.busy, self.w_data, self.h_wdata)),
            ]
        else:
            m.d.comb += [write.en.eq(self.h_we), write.addr.eq(self.h_addr), write.data.eq(self.h_wdata)]
        if self.array_reads:
            enable: Value = Mux(self.busy, self.r_en, self.h_re)
            address: Value = Mux(self.busy, self.r_addr, self.h_addr)
        else:
            enable, address = self.h_re, self.h_addr
        if self.depth != 1 << len(address):
            address = Mux(address < self.depth, address, 0)
        m.d.comb += [read.en.eq(enable), read.addr.eq(address)]
        return m
