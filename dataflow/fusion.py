"""Several dataflows in one array: operand slots and links chosen jointly by an integer program."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pulp

from dataflow.architecture import Architecture, Plan
from dataflow.dataflow import DataflowError, Point
from dataflow.feed import Feed, LinkCosts
from dataflow.fusion_cost import Need, Wiring, fused_cost, needs, read_cost
from dataflow.fusion_options import breadth_first, feed_options
from workloads.functional_units.product import UNIT as PRODUCT


@dataclass(frozen=True)
class Fusion:
    """An array for several dataflows, and what the choice of its links cost.

    Attributes
    ----------
    cost, heuristic_cost : float
        Links, multiplexers, ports, banks and switches of all operands in register bits: as chosen here, and as a
        breadth-first heuristic chooses, one dataflow after the other.
    """

    architecture: Architecture
    cost: float
    heuristic_cost: float


@dataclass(frozen=True)
class _Option:
    mode: int
    operand: int
    slot: int
    wiring: Wiring


def fuse(architectures: Sequence[Architecture], *, name: str | None = None, costs: LinkCosts | None = None) -> Fusion:
    """Let one array serve the dataflows of several architectures, each at its time.

    Every operand of every dataflow gets a slot of the functional unit and one of several ways to feed it, so that what
    they share (links, ports, banks, switches, delays) is paid once: an integer program over the ways and over groups of
    units that look alike, so that its size does not grow with the array.

    Raises
    ------
    DataflowError
        The dataflows have different numbers of axes, or two have one name for the same nest.
    """
    plans = tuple(plan for architecture in architectures for plan in architecture.plans)
    title = name or "_".join(a.name for a in architectures)
    if faults := tuple(_faults(plans)):
        raise DataflowError(title, faults)
    chosen = costs or LinkCosts()
    heuristic = heuristic_plans(plans)
    joint = _solve(plans, heuristic, chosen)
    named = _named(joint)
    return Fusion(Architecture(title, named), fused_cost(joint, chosen), fused_cost(heuristic, chosen))


def _faults(plans: Sequence[Plan]) -> list[str]:
    axes = {plan.dataflow.name: len(plan.dataflow.shape) for plan in plans}
    faults = []
    if len(set(axes.values())) > 1:
        each = ", ".join(f"{flow!r} has {count}" for flow, count in axes.items())
        faults.append(
            f"dataflows in one array need the same number of axes, but {each}; an axis may have one functional unit"
        )
    seen = set()
    for plan in plans:
        key = plan.nest.name, plan.dataflow.name
        if key in seen:
            faults.append(f"nest {key[0]!r} has two dataflows named {key[1]!r}; give one another name")
        seen.add(key)
    return faults


def heuristic_plans(plans: Sequence[Plan]) -> tuple[Plan, ...]:
    """One dataflow after the other, operands in the order of the nest, links by LEGO's breadth-first preference."""
    built: dict[int, set[tuple[Point, int]]] = defaultdict(set)
    return tuple(
        replace(
            plan,
            feeds=tuple(
                replace(breadth_first(plan, feed, built[slot]), slot=slot) for slot, feed in enumerate(plan.feeds)
            ),
        )
        for plan in plans
    )


def _options(plans: Sequence[Plan], heuristic: Sequence[Plan]) -> list[_Option]:
    slots = max(len(plan.feeds) for plan in plans)
    found = []
    for mode, (plan, other) in enumerate(zip(plans, heuristic, strict=True)):
        # Factors may change places; other operands may not, nor may those of a product that rounds on its way.
        free = plan.nest.unit == PRODUCT and not (plan.nest.floating and slots > 2)
        for operand, feed in enumerate(plan.feeds):
            feeds = {(f.parents, f.delayed): f for f in (*feed_options(plan, feed), other.feeds[operand])}
            for each in feeds.values():
                for slot in range(slots) if free else (operand,):
                    found.append(_Option(mode, operand, slot, Wiring.of(plan, replace(each, slot=slot))))
    return found


def _groups(options: Sequence[_Option]) -> dict[tuple[object, ...], list[Point]]:
    """Units that look alike: every pair of options agrees or differs in its sources at all units of a group."""
    groups: dict[tuple[object, ...], list[Point]] = defaultdict(list)
    wirings = list({id(o.wiring.feed.parents): o.wiring for o in options}.values())
    for unit in dict.fromkeys(u for w in wirings for u in w.main):
        numbers: dict[object, int] = {}
        pattern: list[object] = []
        for wiring in wirings:
            source = wiring.main.get(unit)
            cycles = source[2] if source and source[0] == "link" else None
            links = tuple((i, numbers.setdefault((i, p), len(numbers))) for i, p in wiring.delayed(unit))
            pattern.append((numbers.setdefault(source, len(numbers)), cycles, links, wiring.held(unit)))
        groups[tuple(pattern)].append(unit)
    return groups


def _solve(plans: Sequence[Plan], heuristic: Sequence[Plan], costs: LinkCosts) -> tuple[Plan, ...]:
    """Minimise `fused_cost` over one option for each operand, at most one operand of a dataflow in a slot."""
    options = _options(plans, heuristic)
    lp = pulp.LpProblem("fusion", pulp.LpMinimize)
    take = [lp.add_variable(f"x{k}", cat=pulp.LpBinary) for k in range(len(options))]
    for mode, plan in enumerate(plans):
        mine = [(k, o) for k, o in enumerate(options) if o.mode == mode]
        for operand in range(len(plan.feeds)):
            lp += pulp.lpSum(take[k] for k, o in mine if o.operand == operand) == 1
        for slot in {o.slot for _, o in mine}:
            used = pulp.lpSum(take[k] for k, o in mine if o.slot == slot)
            # The first factor is where a product begins.
            lp += used == 1 if slot == 0 else used <= 1
    shared = _Shared(lp, take)
    for group in _groups(options).values():
        for k, option in enumerate(options):
            for key, each, bits in needs(option.wiring, group, costs):
                shared.add(k, (option.slot, *key), each, bits)
    # Among equal costs, operands stay in the order of the nest and keep the feed they have alone.
    alone = [
        (take[k], read_cost(o.wiring, costs) / len(plans) + 1e-6 * (k + 1) * abs(o.slot - o.operand))
        for k, o in enumerate(options)
    ]
    lp += pulp.LpAffineExpression([*shared.terms(), *alone])
    status = lp.solve(pulp.HiGHS(msg=False))
    assert pulp.LpStatus[status] == "Optimal", pulp.LpStatus[status]
    feeds: dict[int, list[Feed]] = defaultdict(list)
    for k, option in enumerate(options):
        if round(take[k].value()):
            feeds[option.mode].append(option.wiring.feed)
    return tuple(
        replace(plan, feeds=tuple(sorted(feeds[mode], key=lambda f: f.slot))) for mode, plan in enumerate(plans)
    )


class _Shared:
    """What options need, paid once: a variable at least as large as the need of every option that is taken."""

    def __init__(self, lp: pulp.LpProblem, take: Sequence[pulp.LpVariable]) -> None:
        self.lp, self.take = lp, take
        self.variable: dict[Need, pulp.LpVariable] = {}
        self.price: dict[Need, float] = {}
        self.known: set[tuple[int, Need]] = set()

    def add(self, option: int, key: Need, price: float, amount: int) -> None:
        if (option, key) in self.known:
            return
        self.known.add((option, key))
        if key not in self.variable:
            self.variable[key] = self.lp.add_variable(f"n{len(self.variable)}", lowBound=0)
        self.price[key] = price
        self.lp += pulp.LpAffineExpression([(self.variable[key], 1), (self.take[option], -amount)]) >= 0

    def terms(self) -> list[tuple[pulp.LpVariable, float]]:
        return [(self.variable[key], price) for key, price in self.price.items()]


def _named(plans: Sequence[Plan]) -> tuple[Plan, ...]:
    """Give each slot one name: the tensor's where all dataflows agree."""
    found: Mapping[int, dict[str, None]] = defaultdict(dict)
    for plan in plans:
        found[-1][plan.drain.operand] = None
        for feed in plan.feeds:
            found[feed.slot][feed.operand] = None
    names = {
        slot: next(iter(given)) if len(given) == 1 else ("y" if slot < 0 else f"x{slot}")
        for slot, given in found.items()
    }
    if len(set(names.values())) < len(names):
        names = {slot: "y" if slot < 0 else f"x{slot}" for slot in found}
    return tuple(
        replace(
            plan,
            feeds=tuple(replace(feed, operand=names[feed.slot]) for feed in plan.feeds),
            drain=replace(plan.drain, operand=names[-1]),
        )
        for plan in plans
    )
