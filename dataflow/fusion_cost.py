"""What the sources of an operand slot cost, for all dataflows that use it together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from dataflow.architecture import Plan
from dataflow.dataflow import Dataflow, Point
from dataflow.feed import Feed, LinkCosts, covered, minus
from dataflow.reuse import dot, time_weights

# What a unit's operand can be wired to: ("link", producer, cycles) or ("port", switch or None).
Source = tuple[object, ...]
Need = tuple[object, ...]


@dataclass(frozen=True)
class Wiring:
    """An operand under one choice of its sources, unit by unit.

    Attributes
    ----------
    feed : Feed
    dataflow : Dataflow
    bits : int
        Width of the operand.
    trips : tuple of int
        Trip counts of the time loops at the design's limits, outermost first.
    depths : tuple of int
        Cycles of each delayed link at the design's limits.
    """

    feed: Feed
    dataflow: Dataflow
    bits: int
    trips: Point
    depths: tuple[int, ...]

    @staticmethod
    def of(plan: Plan, feed: Feed) -> Wiring:
        """The wiring of a feed in a plan."""
        trips = plan.dataflow.time_extents(plan.extents)
        weights = time_weights(trips)
        return Wiring(
            feed,
            plan.dataflow,
            plan.nest.tensor(feed.access.tensor).format.bits,
            trips,
            tuple(dot(weights, s.time) + dot(plan.dataflow.skew, s.space) for s in feed.delayed),
        )

    @cached_property
    def main(self) -> dict[Point, Source]:
        """For each unit the neighbour, head of a broadcast, or port that it takes the element from."""
        found: dict[Point, Source] = {}
        switch = self.feed.banking.switch if self.feed.banking.switched else None
        heads: dict[Point, Point] = {}
        for unit, _ in self.feed.parents:
            step = self.feed.parent[unit]
            if step is None:
                found[unit] = ("port", switch)
            elif lag := dot(self.dataflow.skew, step.space):
                found[unit] = ("link", minus(unit, step.space), lag)
            else:
                found[unit] = ("link", self._head(unit, heads), 0)
        return found

    def _head(self, unit: Point, heads: dict[Point, Point]) -> Point:
        if unit not in heads:
            step = self.feed.parent[unit]
            still = step is None or dot(self.dataflow.skew, step.space)
            heads[unit] = unit if still or step is None else self._head(minus(unit, step.space), heads)
        return heads[unit]

    def delayed(self, unit: Point) -> tuple[tuple[int, Point], ...]:
        """Delayed links that reach a unit: number and producer."""
        if self.feed.parent.get(unit, self) is not None:
            return ()
        return tuple(
            (i, producer)
            for i, step in enumerate(self.feed.delayed)
            if self.dataflow.contains(producer := minus(unit, step.space))
        )

    @cached_property
    def reads_per_step(self) -> float:
        """Words read from the banks in a time step, on average over the box of the design's limits."""
        outer = len(self.trips) - self.feed.held
        box = self.trips[:outer]
        shares: dict[tuple[int, ...], float] = {}
        total = 0.0
        for unit in self.feed.roots:
            links = tuple(i for i, _ in self.delayed(unit))
            if links not in shares:
                shares[links] = 1 - covered([self.feed.delayed[i] for i in links], box) / prod(box)
            total += shares[links]
        return total / prod(self.trips[outer:])

    def held(self, unit: Point) -> bool:
        """True if the unit keeps the element in a register."""
        return self.feed.keeps and self.feed.parent.get(unit, self) is None


def needs(wiring: Wiring, units: Sequence[Point], costs: LinkCosts) -> Iterator[tuple[Need, float, int]]:
    """What a wiring needs at some units and, for all units, of banks: (key, cost of a bit, bits).

    Needs of equal key are shared: of several, the one with most bits is paid. All of ``units`` count as the first one.
    """
    bits, feed = wiring.bits, wiring.feed
    unit, size = units[0], len(units)
    if unit not in wiring.main:
        return
    main = wiring.main[unit]
    yield ("main", unit, main), source_cost(main, costs) * size, bits
    for i, producer in wiring.delayed(unit):
        yield ("delayed", unit, i, producer), costs.mux * size, bits
        yield ("fifo", unit, i), costs.fifo * size, bits * wiring.depths[i]
    if wiring.held(unit):
        yield ("held", unit), (costs.register + costs.mux) * size, bits
    yield ("banks",), costs.bank, bits * feed.banking.total
    if feed.banking.switched:
        switch = feed.banking.switch
        digits = sum(switch.digit_bits(r) for r in switch.dimensions)
        yield ("switch", switch), switch_cost(len(switch.grid), digits, costs), bits


def slot_cost(wirings: Sequence[Wiring], costs: LinkCosts) -> float:
    """Cost of a slot that several dataflows use, what they share paid once, in register bits."""
    price: dict[Need, float] = {}
    most: dict[Need, int] = {}
    for wiring in wirings:
        for unit in wiring.main:
            for key, each, bits in needs(wiring, (unit,), costs):
                price[key] = each
                most[key] = max(bits, most.get(key, 0))
    return sum(price[key] * bits for key, bits in most.items())


def source_cost(source: Source, costs: LinkCosts) -> float:
    """Registers of a link and the multiplexer input of any source, for one bit."""
    lag = source[2] if source[0] == "link" else 0
    assert isinstance(lag, int)
    return costs.mux + lag * costs.register


def switch_cost(lanes: int, digit_bits: int, costs: LinkCosts) -> float:
    """Multiplexers of a barrel rotator and the registers behind it, for one bit."""
    return lanes * (digit_bits * costs.mux + costs.register)


def fused_cost(plans: Sequence[Plan], costs: LinkCosts | None = None) -> float:
    """Cost of all operand slots of plans that share an array, in register bits.

    Hardware is paid once, whatever number of dataflows use it; reads of the banks count by their mean over the
    dataflows, of which one runs at a time.
    """
    chosen = costs or LinkCosts()
    slots: dict[int, list[Wiring]] = {}
    for plan in plans:
        for feed in plan.feeds:
            slots.setdefault(feed.slot, []).append(Wiring.of(plan, feed))
    reads = sum(read_cost(w, chosen) for wirings in slots.values() for w in wirings) / len(plans)
    return reads + sum(slot_cost(wirings, chosen) for wirings in slots.values())


def read_cost(wiring: Wiring, costs: LinkCosts) -> float:
    """What the reads of an operand cost while its dataflow runs, in register bits."""
    return costs.read * wiring.bits * wiring.reads_per_step
