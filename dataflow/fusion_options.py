"""Ways to feed an operand that fusion chooses from."""

from __future__ import annotations

from dataclasses import replace

from dataflow.architecture import Plan
from dataflow.banking import bank
from dataflow.dataflow import Point
from dataflow.feed import Feed, direct_parents, minus, plus
from dataflow.reuse import Step, direct_steps, dot


def feed_options(plan: Plan, feed: Feed) -> tuple[Feed, ...]:
    """The plan's own feed and others: along another axis first, the other way round, without delayed links."""
    found = {_key(feed): feed}
    for steps in _orders(plan, feed):
        parents = direct_parents(plan.dataflow, steps)
        for delayed in dict.fromkeys((feed.delayed, ())):
            option = with_parents(plan, feed, parents, delayed)
            found.setdefault(_key(option), option)
    return tuple(found.values())


def _key(feed: Feed) -> tuple[object, ...]:
    return feed.parents, feed.delayed


def with_parents(
    plan: Plan, feed: Feed, parents: dict[Point, Step | None], delayed: tuple[Step, ...] | None = None
) -> Feed:
    """The same operand with other direct links, and ports where they ask for them."""
    roots = [unit for unit, step in parents.items() if step is None]
    return replace(
        feed,
        direct=tuple(dict.fromkeys(step for step in parents.values() if step)),
        delayed=feed.delayed if delayed is None else delayed,
        banking=bank(feed.access, plan.dataflow, roots, plan.extents),
        parents=tuple(parents.items()),
    )


def _orders(plan: Plan, feed: Feed) -> list[tuple[Step, ...]]:
    """Direct steps in different orders of preference, each of which leaves no cycle."""
    steps = direct_steps(feed.access, plan.dataflow)
    axes = range(len(plan.dataflow.shape))
    orders = []
    for first in axes:
        for backwards in (False, True):
            chosen = [_turned(step) if backwards and not _lag(plan, step) else step for step in steps]
            orders.append(
                tuple(sorted(chosen, key=lambda s: (_lag(plan, s), _length(s), -abs(s.space[first]), s.space)))
            )
    return orders


def _turned(step: Step) -> Step:
    return Step(tuple(-s for s in step.space), step.time)


def _lag(plan: Plan, step: Step) -> int:
    return dot(plan.dataflow.skew, step.space)


def _length(step: Step) -> int:
    return sum(map(abs, step.space))


def breadth_first(plan: Plan, feed: Feed, built: set[tuple[Point, int]]) -> Feed:
    """The feed of LEGO's heuristic: from the ports outwards, units prefer links that an earlier dataflow has built.

    ``built`` holds (direction, cycles) of the links built so far in the slot; the call adds those it needs (LEGO, HPCA
    2025, as far as its description goes: chains are preferred to new links, nearest units come first).
    """
    steps = sorted(direct_steps(feed.access, plan.dataflow), key=lambda s: (_lag(plan, s), _length(s), s.space))
    known = [(step.space, _lag(plan, step)) in built for step in steps]
    # Links that are there already come first, then the cheapest.
    preferred = [step for step, is_known in sorted(zip(steps, known, strict=True), key=lambda pair: not pair[1])]
    place = {unit: number for number, unit in enumerate(plan.dataflow.units)}
    parents: dict[Point, Step | None] = dict.fromkeys(
        unit for unit in place if not any(minus(unit, step.space) in place for step in steps)
    )
    frontier = list(parents)
    while frontier and len(parents) < len(place):
        near = {plus(unit, step.space) for unit in frontier for step in steps}
        frontier = sorted((unit for unit in near if unit in place and unit not in parents), key=place.__getitem__)
        for unit in frontier:
            parents[unit] = next(step for step in preferred if minus(unit, step.space) in parents)
    built |= {(step.space, _lag(plan, step)) for step in parents.values() if step}
    ordered = {unit: parents[unit] for unit in plan.dataflow.units}
    return with_parents(plan, feed, ordered)
