"""Links of a fused array: which each dataflow uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dataflow.architecture import Plan
from dataflow.dataflow import Point
from dataflow.feed import minus

# The output has no slot among the operands.
RESULT = -1


@dataclass(frozen=True, slots=True)
class Link:
    """A wire between two functional units.

    Attributes
    ----------
    slot : int
        The operand that it brings, counted from 0, or `RESULT`.
    delayed : bool
        True if the value waits on the way until a later time step.
    """

    slot: int
    source: Point
    target: Point
    delayed: bool = False


def links_of(plan: Plan) -> tuple[Link, ...]:
    """Every link that a dataflow uses, each once, in order of the slots."""
    return tuple(dict.fromkeys(_links(plan)))


def _links(plan: Plan) -> Iterator[Link]:
    for feed in plan.feeds:
        for unit, step in feed.parents:
            if step is not None:
                yield Link(feed.slot, minus(unit, step.space), unit)
                continue
            for late in feed.delayed:
                source = minus(unit, late.space)
                if plan.dataflow.contains(source) and source != unit:
                    yield Link(feed.slot, source, unit, delayed=True)
    for stage in plan.drain.stages:
        for group in stage.groups:
            # Sums pass through the group; its adder tree is drawn as the line that it adds along.
            for source, target in pairwise(group):
                yield Link(RESULT, source, target)


def all_links(plans: Sequence[Plan]) -> tuple[Link, ...]:
    """Every link of an array for several dataflows, each once."""
    return tuple(dict.fromkeys(link for plan in plans for link in links_of(plan)))


def slots_of(plans: Sequence[Plan]) -> tuple[int, ...]:
    """The operand slots of an array, in order."""
    return tuple(sorted({feed.slot for plan in plans for feed in plan.feeds}))
