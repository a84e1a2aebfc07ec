"""Factors that are cheaper elsewhere or otherwise than as integers in each term: block scales, above all."""

from __future__ import annotations

from itertools import takewhile

from dataflow.architecture import Plan
from dataflow.reuse import Step
from workloads.formats import Format
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


def significand_bits(held: Format) -> int:
    """Bits of a floating-point format's significand with its sign, in two's complement."""
    assert held.encoding is not None
    return held.encoding.mantissa_bits + 2


def most_power(held: Format) -> int:
    """The largest power of two that a significand is multiplied by, in units of the format's smallest step."""
    assert held.encoding is not None
    return max(0, (1 << held.encoding.exponent_bits) - 2)


def shifted_apart(held: Format) -> bool:
    """True for a format whose significand multiplies first, and whose powers of two are one shift of the product.

    A multiplier grows with the product of the widths, a shifter with the product's width times the few bits of the
    exponent. It pays where the number as an integer has more than twice the bits of its significand: an E4M3 scale has
    19 bits, 5 of them significand and sign. E2M1 has 5 and 3.
    """
    if held.encoding is None or held.fraction_bits is None:
        return False
    return held.most_steps.bit_length() + 1 > 2 * significand_bits(held)


def _constant_along(access: Access, step: Step, plan: Plan) -> bool:
    """True if units a step apart read the same element at the same time step."""
    moved = dict(zip((loop for loop, _ in plan.dataflow.space), step.space, strict=True))
    return not any(step.time) and all(
        sum(coefficient * moved.get(loop, 0) for loop, coefficient in index.terms) == 0 for index in access.index
    )
