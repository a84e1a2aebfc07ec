"""Banks: how a tensor is spread over memories so that all ports are served in every cycle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import gcd, prod

from dataflow.dataflow import Dataflow, DataflowError, Point
from dataflow.reuse import products, space_matrix, time_matrix
from workloads.nest import Access


@dataclass(frozen=True, slots=True)
class Switch:
    """What a switch between ports and banks does, whatever tensor it serves.

    Attributes
    ----------
    counts : tuple of int
        Banks along each tensor dimension.
    rotating : tuple of bool
        Dimensions along which ports move over the banks, by a digit that changes with time.
    first : tuple of int
        Constant rotation in the dimensions that do not.
    """

    counts: Point
    rotating: tuple[bool, ...]
    first: Point

    @property
    def grid(self) -> tuple[Point, ...]:
        """Bank indices, row-major."""
        return tuple(product(*(range(n) for n in self.counts)))

    @property
    def dimensions(self) -> tuple[int, ...]:
        """The rotating dimensions."""
        return tuple(r for r, turns in enumerate(self.rotating) if turns)

    def digit_bits(self, dimension: int) -> int:
        """Bits of the bank digit."""
        return (self.counts[dimension] - 1).bit_length()


@dataclass(frozen=True)
class Banking:
    """Element ``d`` lives in bank ``(d_r / g_r) mod n_r`` (each dimension r), at in-bank coordinate
    ``(d_r / (g_r n_r)) g_r + d_r mod g_r``.

    Attributes
    ----------
    counts : tuple of int
        ``n``, banks along each tensor dimension.
    granularity : tuple of int
        ``g``, neighbouring elements that share a bank.
    rotating : tuple of bool
        Dimensions along which the ports move over the banks with time, through a switch.
    origin : tuple of int
        The least element that any port reaches at time 0.
    ports : tuple of (unit, bank offset)
        The functional units with a port, and their offset in banks from ``origin``.
    """

    counts: Point
    granularity: Point
    rotating: tuple[bool, ...]
    origin: Point
    ports: tuple[tuple[Point, Point], ...]

    @property
    def total(self) -> int:
        return prod(self.counts)

    @cached_property
    def switched(self) -> bool:
        """True if ports move over banks, so that all ports are served at the same time step and skewed afterwards."""
        return any(self.rotating) or len({offset for _, offset in self.ports}) < len(self.ports)

    @cached_property
    def grid(self) -> tuple[Point, ...]:
        """Bank indices, row-major: the order of banks in a host row."""
        return tuple(product(*(range(n) for n in self.counts)))

    @cached_property
    def first(self) -> Point:
        """Bank digit of ``origin``: where port offset 0 finds its bank at time 0."""
        return tuple((o // g) % n for o, g, n in zip(self.origin, self.granularity, self.counts, strict=True))

    @property
    def switch(self) -> Switch:
        still = tuple(0 if turns else f for f, turns in zip(self.first, self.rotating, strict=True))
        return Switch(self.counts, self.rotating, still)

    def bank(self, element: Point) -> Point:
        return tuple((d // g) % n for d, g, n in zip(element, self.granularity, self.counts, strict=True))

    def flat(self, bank: Point) -> int:
        """Position of a bank in a host row."""
        index = 0
        for b, n in zip(bank, self.counts, strict=True):
            index = index * n + b
        return index

    def port_bank(self, offset: Point) -> Point:
        """The bank of a port that never moves."""
        return tuple((f + o) % n for f, o, n in zip(self.first, offset, self.counts, strict=True))

    def __str__(self) -> str:
        kind = "switched" if self.switched else "wired"
        return f"{' x '.join(map(str, self.counts))} banks, {len(self.ports)} ports, {kind}"


def bank(access: Access, dataflow: Dataflow, units: Sequence[Point], extents: Mapping[str, int]) -> Banking:
    """Spread a tensor over the fewest banks that serve ``units`` without conflict at every time step.

    Per tensor dimension, with port offsets ``o(s) = A S s``: ``g`` is the greatest common divisor of their differences
    and ``n = max difference / g + 1`` (after LEGO, HPCA 2025). Two ports with different elements then differ in some
    dimension by a multiple of ``g`` below ``g n``, so their banks differ whatever the time step: the proof needs no
    sampling. Where the time loops move by multiples of ``g n`` only, every port keeps its bank. Elsewhere ports rotate,
    and ``g`` and ``n`` are taken as powers of two, so that division by them is a choice of wires.
    """
    rows, moves = space_matrix(access, dataflow), time_matrix(access, dataflow)
    still = dataflow.time_extents(extents)
    offsets = dict(zip(units, products(rows, units), strict=True))
    counts, granularity, rotating, origin = [], [], [], []
    for r, index in enumerate(access.index):
        values = sorted({o[r] for o in offsets.values()})
        g = gcd(*(v - values[0] for v in values)) or 1
        n = (values[-1] - values[0]) // g + 1
        turns = n > 1 and any(m % (g * n) for m, extent in zip(moves[r], still, strict=True) if extent > 1)
        if turns:
            g = g & -g
            n = 1 << ((values[-1] - values[0]) // g).bit_length()
        counts.append(n)
        granularity.append(g)
        rotating.append(turns)
        origin.append(index.constant + values[0])
    constants = [index.constant for index in access.index]
    ports = tuple(
        (s, tuple((c + o[r] - origin[r]) // granularity[r] for r, c in enumerate(constants)))
        for s, o in sorted(offsets.items())
    )
    return Banking(tuple(counts), tuple(granularity), tuple(rotating), tuple(origin), ports)


def find_conflict(banking: Banking, access: Access, dataflow: Dataflow, time: Point) -> tuple[Point, Point] | None:
    """Two functional units whose ports need different elements of one bank at this time step, found by looking."""
    holder: dict[Point, tuple[Point, Point]] = {}
    for unit, _ in banking.ports:
        element = access.element(dataflow.iteration(time, unit))
        seen = holder.setdefault(banking.bank(element), (unit, element))
        if seen[1] != element:
            return seen[0], unit
    return None


def check_limit(banking: Banking, access: Access, dataflow: Dataflow, most_banks: int) -> None:
    """Refuse a banking that needs more memories than allowed.

    Raises
    ------
    DataflowError
        Names the tensor and the two functional units whose distance asks for the banks.
    """
    if banking.total > most_banks:
        far = max(banking.ports, key=lambda port: port[1])
        near = min(banking.ports, key=lambda port: port[1])
        raise DataflowError(
            dataflow.name,
            (
                f"tensor {access.tensor!r} needs {banking.total} banks so that units {list(near[0])} and "
                f"{list(far[0])} never meet in one; at most {most_banks} are allowed",
            ),
        )
