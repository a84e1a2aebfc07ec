"""Delays: a fixed chain of registers, and a programmable one kept in a few words.

Nothing on the data path is reset: no value is used before it has been written, which the mutation tests watch.
"""

from __future__ import annotations

from amaranth.hdl import Array, Module, Signal, Value


def delay_taps(m: Module, value: Value, width: int, cycles: int, name: str) -> list[Value]:
    """``value`` delayed by 0 .. ``cycles`` cycles."""
    taps: list[Value] = [value]
    for n in range(cycles):
        stage = Signal(width, name=f"{name}_d{n + 1}", reset_less=True)
        m.d.sync += stage.eq(taps[-1])
        taps.append(stage)
    return taps


# Up to here a chain with a choice of taps is smaller than words with an enable each, and moves little more.
MOST_TAPS = 4


def programmable_delay(m: Module, value: Value, width: int, depth: int, pointer: Value, name: str) -> Value:
    """``value`` as many cycles ago as the pointer takes for one round.

    All delays of one length share the pointer; each word is read in the cycle in which it is overwritten. A short delay
    is a chain, and its pointer says which tap to take.
    """
    if depth <= MOST_TAPS:
        taps = delay_taps(m, value, width, depth, name)
        return Array(taps[1:])[pointer]
    words = Array(Signal(width, name=f"{name}_w{n}", reset_less=True) for n in range(depth))
    m.d.sync += words[pointer].eq(value)
    out = Signal(width, name=f"{name}_out")
    m.d.comb += out.eq(words[pointer])
    return out


def registered(m: Module, value: Value, name: str) -> Signal:
    """``value`` a cycle later."""
    stage = Signal(value.shape(), name=name, reset_less=True)
    m.d.sync += stage.eq(value)
    return stage
