"""Carries: where a port's or bank's word lies one row of banks further than that of port offset 0."""

from __future__ import annotations

from itertools import product

from dataflow.banking import Switch
from dataflow.dataflow import Point
from hw.generators import Generator


def port_carry(gen: Generator, offset: Point) -> Point:
    """Per dimension: 1 where the bank digit of a port that never moves wraps."""
    return tuple(int(f + o >= n) for f, o, n in zip(gen.banking.first, offset, gen.banking.counts, strict=True))


def all_carries(switch: Switch) -> tuple[Point, ...]:
    """Every combination of carries that some bank of a switched set may need."""
    options = [(0, 1) if turns or first else (0,) for turns, first in zip(switch.rotating, switch.first, strict=True)]
    return tuple(product(*options))
