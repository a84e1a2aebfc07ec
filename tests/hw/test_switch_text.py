"""Switches as text: letter by letter what Amaranth makes of their components."""

from __future__ import annotations

from itertools import product
from math import prod

import pytest
from amaranth.back import rtlil
from hypothesis import given
from hypothesis import strategies as st

from dataflow.banking import Switch
from hw.carries import all_carries
from hw.units.switch import Rotator, Spread
from hw.units.switch_text import rotator_text, spread_text


@st.composite
def switches(draw: st.DrawFn) -> Switch:
    """Grids of one to three dimensions; the banks along a rotating one are a power of two, as `bank` takes them."""
    counts, rotating, first = [], [], []
    for _ in range(draw(st.integers(1, 3))):
        turns = draw(st.booleans())
        n = draw(st.sampled_from((2, 4, 8))) if turns else draw(st.integers(1, 5))
        counts.append(n)
        rotating.append(turns)
        first.append(0 if turns else draw(st.integers(0, n - 1)))
    return Switch(tuple(counts), tuple(rotating), tuple(first))


def converted(component: Rotator | Spread) -> str:
    text: str = rtlil.convert(component, name="switch", emit_src=False)
    return text


# Each alone: nothing turns, one bank, the last bank's carry, two rotations behind a constant one.
CASES = (
    Switch((1,), (False,), (0,)),
    Switch((3,), (False,), (2,)),
    Switch((2,), (True,), (0,)),
    Switch((1, 2), (False, True), (0, 0)),
    Switch((3, 5, 4), (False, False, True), (2, 4, 0)),
    Switch((3, 2, 8), (False, True, True), (1, 0, 0)),
)


@pytest.mark.parametrize(("switch", "width", "towards"), list(product(CASES, (1, 5), (False, True))))
def test_rotator(switch: Switch, width: int, towards: bool) -> None:
    told = rotator_text(switch, width, towards_banks=towards, name="switch")
    assert told == converted(Rotator(switch, width, towards_banks=towards))


@pytest.mark.parametrize(("switch", "bits"), list(product(CASES, (1, 5))))
def test_spread(switch: Switch, bits: int) -> None:
    carries = all_carries(switch)
    assert spread_text(switch, bits, carries, name="switch") == converted(Spread(switch, bits, carries))


@given(switches(), st.integers(1, 9), st.booleans())
def test_random_switches(switch: Switch, width: int, towards: bool) -> None:
    if prod(switch.counts) > 64:
        switch = Switch(switch.counts[:1], switch.rotating[:1], switch.first[:1])
    rotator = Rotator(switch, width, towards_banks=towards)
    assert rotator_text(switch, width, towards_banks=towards, name="switch") == converted(rotator)
    carries = all_carries(switch)
    assert spread_text(switch, width, carries, name="switch") == converted(Spread(switch, width, carries))
