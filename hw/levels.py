"""Time loops of the hardware: those of all dataflows laid over each other, innermost on innermost."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.architecture import Plan


def loop_levels(plans: Sequence[Plan]) -> tuple[str, ...]:
    """Names of the hardware's time loops, outermost first: the nest's where there is one dataflow."""
    deepest = max(len(plan.dataflow.order) for plan in plans)
    if len(plans) == 1:
        return plans[0].dataflow.order
    return tuple(f"t{level}" for level in range(deepest))


def levels_outside(plans: Sequence[Plan], plan: Plan) -> int:
    """Loops of the hardware outside the outermost one of a dataflow; they make one trip."""
    return max(len(p.dataflow.order) for p in plans) - len(plan.dataflow.order)
