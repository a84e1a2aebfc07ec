"""Switches between ports and rotating banks: barrel rotators, and the address of every bank."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflow.banking import Switch
from dataflow.dataflow import Point


def turned(words: Value, width: int, counts: Point, dimension: int, shift: int) -> Value:
    """A grid of words, row-major, turned along one dimension: place ``p`` receives word ``(p + shift) mod n``."""
    inner = prod(counts[dimension + 1 :]) * width
    block = counts[dimension] * inner
    cut = shift % counts[dimension] * inner
    parts = []
    for base in range(0, prod(counts) * width, block):
        parts += [words[base + cut : base + block], words[base : base + cut]]
    return Cat(*(part for part in parts if len(part)))


class Rotator(wiring.Component):
    """One registered rotation of all lanes.

    Members ``i`` and ``o`` are the lanes and the places in row-major order; ``digitR`` is the bank digit of
    dimension R. Dimensions that do not rotate have a constant digit.
    """

    def __init__(self, switch: Switch, width: int, *, towards_banks: bool) -> None:
        self.switch, self.width, self.towards_banks = switch, width, towards_banks
        total = len(switch.grid) * width
        members: dict[str, wiring.Member] = {"i": In(total), "o": Out(total)}
        for r in switch.dimensions:
            members[f"digit{r}"] = In(switch.digit_bits(r))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        switch, w = self.switch, self.width
        # Towards the ports, place o receives bank (q + o) mod n; towards the banks, bank b place (b - q) mod n.
        sign = -1 if self.towards_banks else 1
        words: Value = self.i
        for r, first in enumerate(switch.first):
            if first and not switch.rotating[r]:
                words = turned(words, w, switch.counts, r, sign * first)
        for r in switch.dimensions:
            digit = getattr(self, f"digit{r}")
            for bit in range(len(digit)):
                stage = Signal(len(self.i), name=f"turn{r}_{bit}")
                m.d.comb += stage.eq(Mux(digit[bit], turned(words, w, switch.counts, r, sign * (1 << bit)), words))
                words = stage
        m.d.sync += self.o.eq(words)
        return m


class Spread(wiring.Component):
    """The in-bank address of every bank: banks behind the bank digit hold the next row.

    Members ``carryJ`` are the addresses for each combination of carries, ``o`` all banks' addresses, row-major.
    """

    def __init__(self, switch: Switch, address_bits: int, carries: Sequence[Point]) -> None:
        self.switch, self.carries = switch, tuple(carries)
        members: dict[str, wiring.Member] = {"o": Out(address_bits * len(switch.grid))}
        for j in range(len(self.carries)):
            members[f"carry{j}"] = In(address_bits)
        for r in switch.dimensions:
            members[f"digit{r}"] = In(switch.digit_bits(r))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        switch = self.switch
        behind: dict[tuple[int, int], Value] = {}
        for r in switch.dimensions:
            for b in range(switch.counts[r]):
                bit = Signal(name=f"behind{r}_{b}")
                # No digit exceeds the last bank.
                m.d.comb += bit.eq(getattr(self, f"digit{r}") > b if b + 1 < switch.counts[r] else 0)
                behind[r, b] = bit
        addresses = []
        for place in switch.grid:
            fixed = [
                None if turns else int(b < f) for b, f, turns in zip(place, switch.first, switch.rotating, strict=True)
            ]
            choices = [c for c in self.carries if all(x is None or x == y for x, y in zip(fixed, c, strict=True))]
            value: Value = getattr(self, f"carry{self.carries.index(choices[0])}")
            for carry in choices[1:]:
                test: Value = Const(1)
                for r in switch.dimensions:
                    bit = behind[r, place[r]]
                    test = test & (bit if carry[r] else ~bit)
                value = Mux(test, getattr(self, f"carry{self.carries.index(carry)}"), value)
            addresses.append(value)
        m.d.comb += self.o.eq(Cat(*addresses))
        return m
