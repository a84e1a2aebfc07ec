"""Switches between ports and rotating banks: barrel rotators, and the address of every bank."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dataflow.banking import Switch
from dataflow.dataflow import Point


def rotate(
    words: dict[Point, Value], counts: Point, digits: dict[int, Value], *, towards_banks: bool
) -> dict[Point, Value]:
    """Rotate a grid of words along every rotating dimension by its digit, one multiplexer a bit of the digit.

    Towards the ports, place ``o`` receives bank ``(q + o) mod n``; towards the banks, bank ``b`` receives place
    ``(b - q) mod n``.
    """
    for r, digit in digits.items():
        for bit in range(len(digit)):
            shift = (1 << bit) * (-1 if towards_banks else 1)
            moved = {}
            for place, word in words.items():
                other = (*place[:r], (place[r] + shift) % counts[r], *place[r + 1 :])
                moved[place] = Mux(digit[bit], words[other], word)
            words = moved
    return words


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
        words: dict[Point, Value] = {p: self.i[k * w : k * w + w] for k, p in enumerate(switch.grid)}
        words = _turn(words, switch.counts, switch.first, switch.rotating, towards_banks=self.towards_banks)
        digits = {r: getattr(self, f"digit{r}") for r in switch.dimensions}
        for r, digit in digits.items():
            for bit in range(len(digit)):
                words = rotate(words, switch.counts, {r: _one_bit(digit, bit)}, towards_banks=self.towards_banks)
                words = _named(m, words, f"turn{r}_{bit}", w)
        m.d.sync += self.o.eq(Cat(*(words[p] for p in switch.grid)))
        return m


def _one_bit(digit: Value, bit: int) -> Value:
    """A digit that rotates by ``2 ** bit`` or not at all."""
    return Cat(Const(0, bit), digit[bit]) if bit else digit[0:1]


def _named(m: Module, words: dict[Point, Value], name: str, width: int) -> dict[Point, Value]:
    """Give a stage one vector signal, so that text grows with the stages and not with their product."""
    stage = Signal(width * len(words), name=name)
    m.d.comb += stage.eq(Cat(*words.values()))
    return {p: stage[k * width : k * width + width] for k, p in enumerate(words)}


def _turn(
    words: dict[Point, Value], counts: Point, first: Point, rotating: Sequence[bool], *, towards_banks: bool
) -> dict[Point, Value]:
    """The constant part of the rotation, in dimensions whose bank digit never changes."""

    def other(place: Point) -> Point:
        return tuple(
            p if turns else (p - f if towards_banks else p + f) % n
            for p, f, n, turns in zip(place, first, counts, rotating, strict=True)
        )

    return {place: words[other(place)] for place in words}


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
                None if turns else int(b < f)
                for b, f, turns in zip(place, switch.first, switch.rotating, strict=True)
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
