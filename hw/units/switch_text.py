"""Switches as RTLIL text: what Amaranth writes for `Rotator` and `Spread`, without a net for every bit.

A switch is wires and multiplexers, and grows with the banks: converted bit by bit, a large one took longer than the
rest of its design. The components stay the definition; the tests compare the texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dataflow.banking import Switch
from dataflow.dataflow import Point
from hw.netlist import Integers


def rotator_text(switch: Switch, width: int, *, towards_banks: bool, name: str) -> str:
    """RTLIL of a `hw.units.switch.Rotator`."""
    total = len(switch.grid) * width
    sign = -1 if towards_banks else 1
    stages = [(r, bit) for r in switch.dimensions for bit in range(switch.digit_bits(r))]
    ports = [("i", total), *((f"digit{r}", switch.digit_bits(r)) for r in switch.dimensions), ("clk", 1), ("rst", 1)]
    zero = f"{total}'{'0' * total}"
    wires = [
        *(f"wire width {total} \\turn{r}_{bit}" for r, bit in stages),
        *_inputs(ports),
        f"attribute \\init {zero}\n  wire width {total} output {len(ports)}  \\o",
        f"wire width {total} $1",
    ]
    source, words = "i", np.arange(len(switch.grid)).reshape(switch.counts)
    for r, first in enumerate(switch.first):
        if first and not switch.rotating[r]:
            words = np.roll(words, -sign * first, r)
    cells = []
    for r, bit in stages:
        turned = _words(source, np.roll(words, -sign * (1 << bit), r), width)
        select = _bits(f"\\digit{r}", bit, bit + 1)
        cells.append(_multiplexer(total, select, _words(source, words, width), turned, f"\\turn{r}_{bit}"))
        source, words = f"turn{r}_{bit}", np.arange(len(switch.grid)).reshape(switch.counts)
    following = _bits("$1", 0, total)
    process = (
        "process",
        f"    assign {following} {_words(source, words, width)}\n    switch \\rst [0]\n      case 1'1\n"
        f"        assign {following} {zero}\n    end\n",
    )
    register = (
        "cell $dff",
        f"    parameter \\WIDTH {total}\n    parameter \\CLK_POLARITY 1\n"
        f"    connect \\D {following}\n    connect \\CLK \\clk [0]\n    connect \\Q \\o\n",
    )
    return _module(name, wires, [*cells, process, register], 1, ())


def spread_text(switch: Switch, address_bits: int, carries: Sequence[Point], *, name: str) -> str:
    """RTLIL of a `hw.units.switch.Spread`."""
    behind = [(r, b) for r in switch.dimensions for b in range(switch.counts[r])]
    ports = [(f"carry{j}", address_bits) for j in range(len(carries))]
    ports += [(f"digit{r}", switch.digit_bits(r)) for r in switch.dimensions]
    chosen = _Addresses(switch, address_bits, carries)
    addresses = [chosen.address(place) for place in switch.grid]
    wires = [
        *(f"wire width 1 \\behind{r}_{b}" for r, b in behind),
        *_inputs(ports),
        f"wire width {address_bits * len(addresses)} output {len(ports)}  \\o",
        *(f"wire width {bits} ${n}" for n, bits in enumerate(chosen.widths, 1)),
    ]
    beyond = []
    ties = []
    for r, b in behind:
        if b + 1 == switch.counts[r]:
            ties.append(f"connect \\behind{r}_{b} 1'0")
            continue
        digit, digit_bits = _bits(f"\\digit{r}", 0, switch.digit_bits(r)), switch.digit_bits(r)
        # Amaranth writes 0 as a value of no bits.
        than = f"{b.bit_length()}'{b:b}" if b else "{  }"
        beyond.append(_binary("gt", (digit_bits, b.bit_length()), digit, than, f"\\behind{r}_{b}"))
    # The first bank's address takes the lowest bits.
    joined = " ".join(reversed(addresses))
    ties.append(f"connect \\o {joined if len(addresses) == 1 else f'{{ {joined} }}'}")
    return _module(name, wires, [*beyond, *chosen.cells], len(chosen.widths), ties)


# What a cell is, and its lines.
Cell = tuple[str, str]


class _Addresses:
    """Cells that choose the address of each bank, and the widths of the wires that they drive."""

    def __init__(self, switch: Switch, address_bits: int, carries: Sequence[Point]) -> None:
        self.switch, self.address_bits, self.carries = switch, address_bits, carries
        self.widths: list[int] = []
        self.cells: list[Cell] = []

    def address(self, place: Point) -> str:
        """The address of the bank at a place: that of the first carry, unless the test of a later one holds."""
        fixed = [
            None if turns else int(b < f)
            for b, f, turns in zip(place, self.switch.first, self.switch.rotating, strict=True)
        ]
        first, *others = (
            j
            for j, carry in enumerate(self.carries)
            if all(x is None or x == y for x, y in zip(fixed, carry, strict=True))
        )
        # Amaranth comes first to the outermost choice, which is the last.
        tests = {j: self._test(place, self.carries[j]) for j in reversed(others)}
        value = self._carry(first)
        for j in others:
            out = self._wire(self.address_bits)
            self.cells.append(_multiplexer(self.address_bits, tests[j], value, self._carry(j), out))
            value = _bits(out, 0, self.address_bits)
        return value

    def _carry(self, j: int) -> str:
        return _bits(f"\\carry{j}", 0, self.address_bits)

    def _test(self, place: Point, carry: Point) -> str:
        """Whether the bank lies behind the digit in exactly the dimensions of the carry."""
        test = "1'1"
        for r in self.switch.dimensions:
            b = place[r]
            bit = f"\\behind{r}_{b} [0]" if b + 1 < self.switch.counts[r] else "1'0"
            if not carry[r]:
                out = self._wire(1)
                self.cells.append(_inverse(bit, out))
                bit = f"{out} [0]"
            out = self._wire(1)
            self.cells.append(_binary("and", (1, 1), test, bit, out))
            test = f"{out} [0]"
        return test

    def _wire(self, bits: int) -> str:
        self.widths.append(bits)
        return f"${len(self.widths)}"


def _inputs(ports: Sequence[tuple[str, int]]) -> list[str]:
    return [f"wire width {bits} input {k}  \\{port}" for k, (port, bits) in enumerate(ports)]


def _bits(wire: str, first: int, beyond: int) -> str:
    return f"{wire} [{first}]" if beyond - first == 1 else f"{wire} [{beyond - 1}:{first}]"


def _words(wire: str, words: Integers, width: int) -> str:
    """Words of a wire one behind the other, the first in the lowest bits; neighbours that follow are one slice."""
    flat = words.reshape(-1)
    cuts = np.flatnonzero(np.diff(flat) != 1) + 1
    begins, ends = flat[np.concatenate(([0], cuts))], flat[np.concatenate((cuts - 1, [len(flat) - 1]))] + 1
    slices = [
        _bits(f"\\{wire}", first * width, beyond * width)
        for first, beyond in zip(begins.tolist(), ends.tolist(), strict=True)
    ]
    return slices[0] if len(slices) == 1 else f"{{ {' '.join(reversed(slices))} }}"


def _multiplexer(width: int, select: str, low: str, high: str, out: str) -> Cell:
    return (
        "cell $mux",
        f"    parameter \\WIDTH {width}\n    connect \\S {select}\n    connect \\A {low}\n    connect \\B {high}\n"
        f"    connect \\Y {out}\n",
    )


def _binary(operator: str, widths: tuple[int, int], a: str, b: str, out: str) -> Cell:
    return (
        f"cell ${operator}",
        "    parameter \\A_SIGNED 0\n    parameter \\B_SIGNED 0\n"
        f"    parameter \\A_WIDTH {widths[0]}\n    parameter \\B_WIDTH {widths[1]}\n    parameter \\Y_WIDTH 1\n"
        f"    connect \\A {a}\n    connect \\B {b}\n    connect \\Y {out}\n",
    )


def _inverse(a: str, out: str) -> Cell:
    return (
        "cell $not",
        "    parameter \\A_SIGNED 0\n    parameter \\A_WIDTH 1\n    parameter \\Y_WIDTH 1\n"
        f"    connect \\A {a}\n    connect \\Y {out}\n",
    )


def _module(name: str, wires: Sequence[str], cells: Sequence[Cell], numbered: int, ties: Sequence[str]) -> str:
    """A module whose cells have the numbers behind those of its ``numbered`` wires."""
    lines = [f'attribute \\generator "Amaranth"\nattribute \\top 1\nmodule \\{name}\n\n']
    lines += (f"  {wire}\n\n" for wire in wires)
    lines += (f"  {what} ${n}\n{body}  end\n\n" for n, (what, body) in enumerate(cells, numbered + 1))
    lines += (f"{tie}\n" for tie in ties)
    if ties:
        lines.append("\n")
    lines.append("end\n\n")
    return "".join(lines)
