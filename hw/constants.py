"""Control values at the design's limits: those that never change, and one form for all that are equal."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.architecture import Plan
from hw.conditions import Address, All, AtLeast, ByMode, Condition, Digit, Last, NoneOf, Pointer, Single, Value, Zero
from hw.levels import levels_outside

TRUE = All(())
FALSE = NoneOf((TRUE,))


def simplified(value: Value, plans: Sequence[Plan]) -> Value:
    """An equal value without what is constant in any run that the design allows.

    A time loop that makes one trip at the design's limits makes one in every run, so that its counter is always at its
    first and last value. Equal conjunctions come out as equal objects, whatever the order of their terms.
    """
    if isinstance(value, ByMode):
        return ByMode(tuple((mode, _single(single, trips(plans, mode))) for mode, single in value.values))
    return _single(value, trips(plans, 0))


def is_true(value: Value) -> bool:
    """True if a simplified value is 1 in every mode that has it."""
    if isinstance(value, ByMode):
        return all(single == TRUE for _, single in value.values)
    return value == TRUE


def trips(plans: Sequence[Plan], mode: int) -> tuple[int, ...]:
    """Most trips of each of the hardware's time loops in a mode."""
    plan = plans[mode]
    return (*(1,) * levels_outside(plans, plan), *plan.dataflow.time_extents(plan.extents))


def _single(value: Single, most: tuple[int, ...]) -> Single:
    return value if isinstance(value, Address | Digit | Pointer) else _condition(value, most)


def _condition(value: Condition, most: tuple[int, ...]) -> Condition:
    match value:
        case Zero(level) | Last(level) if most[level] == 1:
            return TRUE
        case AtLeast(level, steps) if abs(steps) >= most[level]:
            return FALSE
        case All(terms):
            return _conjunction(terms, most)
        case NoneOf(terms):
            return _none(terms, most)
    return value


def _conjunction(terms: tuple[Condition, ...], most: tuple[int, ...]) -> Condition:
    found: set[Condition] = set()
    for term in terms:
        simple = _condition(term, most)
        found |= set(simple.terms) if isinstance(simple, All) else {simple}
    if FALSE in found:
        return FALSE
    return found.pop() if len(found) == 1 else All(tuple(sorted(found, key=repr)))


def _none(terms: tuple[Condition, ...], most: tuple[int, ...]) -> Condition:
    found = {_condition(term, most) for term in terms} - {FALSE}
    if TRUE in found:
        return FALSE
    if not found:
        return TRUE
    if len(found) == 1 and isinstance(only := next(iter(found)), NoneOf) and len(only.terms) == 1:
        return only.terms[0]
    return NoneOf(tuple(sorted(found, key=repr)))
