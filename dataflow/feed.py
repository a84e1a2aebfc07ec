"""How an input tensor reaches the functional units: a guarded cover of stationary register, links and ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from dataflow.banking import Banking, bank
from dataflow.dataflow import Dataflow, Point
from dataflow.lattice import determines
from dataflow.reuse import Step, delayed_steps, direct_steps, dot, stationary_loops, time_matrix, time_weights
from workloads.nest import Access, Nest


@dataclass(frozen=True, slots=True)
class LinkCosts:
    """Relative costs of feeding one bit, in units of one register bit; only their ratios steer the choice of links.

    Attributes
    ----------
    register, fifo, mux : float
        A register, a place in a delay, a multiplexer input.
    read : float
        One read of a bank in every time step.
    bank : float
        What a further memory costs beside its words.
    """

    register: float = 1.0
    fifo: float = 0.4
    mux: float = 0.25
    read: float = 8.0
    bank: float = 4.0


@dataclass(frozen=True)
class Feed:
    """Sources of one input operand, in the order in which a functional unit tries them.

    A unit with a predecessor along a direct step always takes the element from there. Every other unit is a root: it
    keeps the element while only ``held`` loops move, else takes the first delayed step whose producer is inside the
    array and the box, else reads its port.

    Attributes
    ----------
    operand : str
        Unique name; the tensor's, numbered where one tensor is read twice.
    slot : int
        Which factor of the functional unit it is, counted from 0.
    direct : tuple of Step
        Direct steps in use, cheapest first.
    delayed : tuple of Step
        Delayed steps of the roots, in order of preference.
    held : int
        Innermost time loops over which the element stays.
    held_steps : int
        Time steps over which it stays, at the design's limits.
    masked : tuple of str
        Loops whose iterations beyond the nest's extent read as 0 here, so that they add nothing to a sum.
    """

    operand: str
    slot: int
    access: Access
    direct: tuple[Step, ...]
    delayed: tuple[Step, ...]
    held: int
    held_steps: int
    banking: Banking
    masked: tuple[str, ...]
    parents: tuple[tuple[Point, Step | None], ...]

    @cached_property
    def parent(self) -> Mapping[Point, Step | None]:
        """For each unit the direct step that feeds it; None for a root."""
        return dict(self.parents)

    @property
    def keeps(self) -> bool:
        """True if roots need a register to keep the element: a bank of a port's own keeps what it read by itself."""
        return self.held_steps > 1 and (self.banking.switched or bool(self.delayed))

    @cached_property
    def roots(self) -> tuple[Point, ...]:
        return tuple(unit for unit, step in self.parents if step is None)


def direct_parents(dataflow: Dataflow, steps: tuple[Step, ...]) -> dict[Point, Step | None]:
    """For each unit the cheapest direct step with a producer inside the array.

    ``steps`` is ordered by lag, then length. Every unit takes the least possible edge and, because each step is
    lexicographically or temporally positive, no cycle arises: this is the minimum-cost arborescence (Chu-Liu/Edmonds)
    without contraction, one decision a direction class.
    """
    units = np.array(dataflow.units)
    chosen = np.full(len(units), -1)
    left = np.arange(len(units))
    for number, step in enumerate(steps):
        producers = units[left] - step.space
        inside = ((producers >= 0) & (producers < dataflow.shape)).all(axis=1)
        chosen[left[inside]] = number
        left = left[~inside]
    return {
        unit: steps[number] if number >= 0 else None
        for unit, number in zip(dataflow.units, chosen.tolist(), strict=True)
    }


def minus(a: Point, b: Point) -> Point:
    """Componentwise difference."""
    return tuple(x - y for x, y in zip(a, b, strict=True))


def plus(a: Point, b: Point) -> Point:
    """Componentwise sum."""
    return tuple(x + y for x, y in zip(a, b, strict=True))


def feed(
    nest: Nest,
    access: Access,
    operand: str,
    slot: int,
    dataflow: Dataflow,
    extents: Mapping[str, int],
    costs: LinkCosts,
) -> Feed:
    """Choose the sources of one operand."""
    parents = direct_parents(dataflow, direct_steps(access, dataflow))
    roots = [unit for unit, step in parents.items() if step is None]
    held = stationary_loops(access, dataflow, extents)
    return Feed(
        operand=operand,
        slot=slot,
        access=access,
        direct=tuple(dict.fromkeys(step for step in parents.values() if step)),
        delayed=_delayed(access, dataflow, extents, roots, held, costs),
        held=held,
        held_steps=prod(dataflow.time_extents(extents)[len(dataflow.order) - held :]),
        banking=bank(access, dataflow, roots, extents),
        masked=maskable(nest, access, dataflow),
        parents=tuple(parents.items()),
    )


def maskable(nest: Nest, access: Access, dataflow: Dataflow) -> tuple[str, ...]:
    """Spatial reduction loops that the element fixes, so that all users of an element agree on their validity.

    None where a zero operand would not leave the reduction as it is: there the functional unit has to be switched off.
    """
    if not nest.ignores_zeros:
        return ()
    rows = access.matrix(nest.loop_names)
    return tuple(
        loop
        for loop, _ in dataflow.space
        if loop in access.loops
        and not determines(nest.output.matrix(nest.loop_names), nest.loop_names.index(loop))
        and determines(rows, nest.loop_names.index(loop))
    )


def _delayed(
    access: Access,
    dataflow: Dataflow,
    extents: Mapping[str, int],
    roots: list[Point],
    held: int,
    costs: LinkCosts,
) -> tuple[Step, ...]:
    """Greedily take the delayed step that saves most reads for its registers, until none pays."""
    time_extents = dataflow.time_extents(extents)
    weights = time_weights(time_extents)
    outer = len(time_extents) - held
    if not any(any(row) for row in time_matrix(access, dataflow)):
        return ()
    box = time_extents[:outer]
    total = 1
    for extent in box:
        total *= extent
    candidates = [s for s in delayed_steps(access, dataflow, extents) if not any(s.time[outer:])]
    chosen: list[Step] = []
    while len(chosen) < MOST_DELAYED:
        best: tuple[float, int, Step] | None = None
        for step in candidates:
            share = sum(dataflow.contains(minus(unit, step.space)) for unit in roots) / len(roots)
            if step in chosen or not share:
                continue
            lag = dot(weights, step.time) + dot(dataflow.skew, step.space)
            fixed = not any(step.time[:-1])
            registers = lag * (costs.register if fixed else costs.fifo)
            saved = (covered([*chosen, step], box) - covered(chosen, box)) / total
            gain = share * (saved * costs.read - registers - costs.mux)
            near = -sum(map(abs, step.space))
            if gain > 0 and (best is None or (gain, near) > best[:2]):
                best = (gain, near, step)
        if best is None:
            break
        chosen.append(best[2])
    return tuple(chosen)


# Each further source is a multiplexer input in every root; three cover a sliding window in two dimensions.
MOST_DELAYED = 3


def covered(steps: list[Step], box: Point) -> int:
    """Time steps at which at least one of the steps has its producer in the box (inclusion-exclusion over boxes)."""
    count = 0
    for subset in range(1, 1 << len(steps)):
        members = [steps[i] for i in range(len(steps)) if subset >> i & 1]
        inside = 1
        for k, extent in enumerate(box):
            low = max(0, *(m.time[k] for m in members)) if members else 0
            high = extent + min(0, *(m.time[k] for m in members))
            inside *= max(0, high - low)
        count += inside if len(members) % 2 else -inside
    return count
