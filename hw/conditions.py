"""Values that the control computes from the time counters, as data: what each one is, not how it is built."""

from __future__ import annotations

from dataclasses import dataclass, replace

Level = int


@dataclass(frozen=True, slots=True)
class Step:
    """A time step is issued in this cycle."""


@dataclass(frozen=True, slots=True)
class Zero:
    """The counter of a time loop is 0."""

    level: Level


@dataclass(frozen=True, slots=True)
class Last:
    """The counter of a time loop is at its last value."""

    level: Level


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The counter has made ``steps`` steps since the loop began (positive) or has them to go (negative)."""

    level: Level
    steps: int


@dataclass(frozen=True, slots=True)
class Flag:
    """A one-bit run-time register."""

    register: str


@dataclass(frozen=True, slots=True)
class Inside:
    """The iteration at a position of an array axis lies below the extent of the axis' loop."""

    level: Level
    axis: int
    position: int


@dataclass(frozen=True, slots=True)
class InRange:
    """A coordinate of the address generator plus ``offset`` lies inside the tensor."""

    generator: str
    dimension: int
    offset: int


@dataclass(frozen=True, slots=True)
class GuardHolds:
    """A guard of the nest, for functional units at these positions of their loops."""

    index: int
    positions: tuple[tuple[str, int], ...]
    mode: int = 0


@dataclass(frozen=True, slots=True)
class All:
    """Every term holds."""

    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """No term holds."""

    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Address:
    """In-bank address of an address generator, for banks that are one row further along the carried dimensions."""

    generator: str
    carry: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Digit:
    """Bank digit of an address generator in a rotating dimension: where port offset 0 finds its bank."""

    generator: str
    dimension: int
    bits: int


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where a programmable delay reads and writes, or the tap of a short one."""

    fifo: str


Condition = Step | Zero | Last | AtLeast | Flag | Inside | InRange | GuardHolds | All | NoneOf
Single = Condition | Address | Digit | Pointer


@dataclass(frozen=True, slots=True)
class ByMode:
    """A value for each mode; modes that are left out do not care."""

    values: tuple[tuple[int, Single], ...]


Value = Single | ByMode


def aligned(value: Single, levels_outside: int, mode: int) -> Single:
    """The same value where further time loops stand outside those it names, and in another mode."""
    match value:
        case Zero() | Last() | AtLeast() | Inside():
            return replace(value, level=value.level + levels_outside)
        case All(terms) | NoneOf(terms):
            return replace(value, terms=tuple(aligned(t, levels_outside, mode) for t in terms))  # type: ignore[misc]
        case GuardHolds():
            return replace(value, mode=mode)
    return value
