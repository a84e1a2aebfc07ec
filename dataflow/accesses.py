"""Exact access counts of one run of the array, in closed form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod

from dataflow.architecture import Plan
from dataflow.dataflow import Point
from dataflow.feed import Feed, covered, minus
from dataflow.reuse import dot, time_weights


@dataclass(frozen=True, slots=True)
class FeedAccesses:
    """Where the operands of one input come from, counted over functional units and time steps.

    Attributes
    ----------
    reads : int
        From a bank through a port.
    delayed : int
        Over a delayed link.
    stationary : int
        Kept in the functional unit.
    direct : int
        From a neighbour, or broadcast, in the same time step.
    """

    reads: int
    delayed: int
    stationary: int
    direct: int


@dataclass(frozen=True, slots=True)
class DrainAccesses:
    """What happens to partial sums.

    Attributes
    ----------
    emits : int
        Accumulations that end at a collector; those inside the nest are written.
    reads_back : int
        Accumulations that start from what a bank holds.
    in_place : int
        Additions to a sum kept at its collector.
    spatial : int
        Additions on the way to a collector.
    """

    emits: int
    reads_back: int
    in_place: int
    spatial: int


@dataclass(frozen=True, slots=True)
class Accesses:
    """Counts of one run; ``macs`` are points of the box, ``idle`` unit steps outside it."""

    feeds: tuple[FeedAccesses, ...]
    drain: DrainAccesses
    macs: int
    idle: int


def usable_links(feed: Feed, plan: Plan, extents: Mapping[str, int]) -> tuple[int, ...]:
    """Positions of the delayed steps whose delay is at least one cycle at these extents (idle cycles not counted)."""
    dataflow = plan.dataflow
    weights = time_weights(dataflow.time_extents(extents))
    return tuple(
        i for i, step in enumerate(feed.delayed) if dot(weights, step.time) + dot(dataflow.skew, step.space) >= 1
    )


def count_accesses(
    plan: Plan, extents: Mapping[str, int], usable: Mapping[str, Collection[int]] | None = None
) -> Accesses:
    """Count every access of one run.

    Parameters
    ----------
    usable
        For each operand the delayed steps that are switched on; those that ``usable_links`` names when left out.
    """
    dataflow, drain = plan.dataflow, plan.drain
    trips = dataflow.time_extents(extents)
    steps, units = prod(trips), len(dataflow.units)
    feeds = []
    for feed in plan.feeds:
        on = usable[feed.operand] if usable is not None else usable_links(feed, plan, extents)
        feeds.append(_feed_accesses(feed, plan, trips, on))
    outer = trips[: len(trips) - drain.held]
    visits = prod(outer)
    first = prod(1 if k in drain.spilled else trip for k, trip in enumerate(outer))
    back = {"zero": 0, "spilled": visits - first, "memory": visits}[drain.start]
    spatial = sum(len(group) - 1 for stage in drain.stages for group in stage.groups)
    collectors = len(drain.collectors)
    macs = prod(extents[loop] for loop in dataflow.order)
    return Accesses(
        tuple(feeds),
        DrainAccesses(visits * collectors, back * collectors, (steps - visits) * collectors, steps * spatial),
        macs,
        steps * units - macs,
    )


def _feed_accesses(feed: Feed, plan: Plan, trips: Point, usable: Collection[int]) -> FeedAccesses:
    dataflow = plan.dataflow
    steps = prod(trips)
    outer = trips[: len(trips) - feed.held]
    loads = prod(outer)
    # Roots with the same links behave alike.
    alike = Counter(
        tuple(i for i in usable if dataflow.contains(minus(unit, feed.delayed[i].space))) for unit in feed.roots
    )
    delayed = sum(count * covered([feed.delayed[i] for i in links], outer) for links, count in alike.items())
    roots = len(feed.roots)
    return FeedAccesses(
        reads=roots * loads - delayed,
        delayed=delayed,
        stationary=roots * (steps - loads),
        direct=(len(dataflow.units) - roots) * steps,
    )
