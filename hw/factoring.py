"""Factors that all terms of an adder tree share: block scales, above all."""

from __future__ import annotations

from itertools import takewhile

from dataflow.architecture import Plan
from dataflow.reuse import Step
from workloads.functional_units.product import UNIT as PRODUCT
from workloads.nest import Access
from workloads.reduction import SUM


def deferred_factors(plan: Plan) -> dict[int, int]:
    """Slots of factors that are the same for all terms of adder trees, with the last such tree.

    A product distributes over a sum, so such a factor multiplies the tree's result instead of each term: one
    multiplication in place of many. The first factor that no tree shares, or else the first of all, stays inside.
    """
    nest = plan.nest
    # A rounded product does not distribute over a rounded sum.
    if nest.unit != PRODUCT or nest.reduction != SUM or nest.floating:
        return {}
    trees = list(takewhile(lambda stage: stage.tree, plan.drain.stages))
    found: dict[int, int] = {}
    for feed in plan.feeds:
        constant = [_constant_along(feed.access, stage.step, plan) for stage in trees]
        shared = sum(1 for _ in takewhile(bool, constant))
        if shared:
            found[feed.slot] = shared - 1
    if len(found) == len(plan.feeds):
        del found[min(found)]
    return found


def _constant_along(access: Access, step: Step, plan: Plan) -> bool:
    """True if units a step apart read the same element at the same time step."""
    moved = dict(zip((loop for loop, _ in plan.dataflow.space), step.space, strict=True))
    return not any(step.time) and all(
        sum(coefficient * moved.get(loop, 0) for loop, coefficient in index.terms) == 0 for index in access.index
    )
