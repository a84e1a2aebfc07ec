"""How an output tensor leaves the array: spatial reduction, accumulation in place, ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from dataflow.banking import Banking, bank
from dataflow.dataflow import Dataflow, DataflowError, Point
from dataflow.feed import minus, plus
from dataflow.lattice import determines
from dataflow.reuse import Step, direct_steps, dot, products, space_matrix, stationary_loops
from workloads.nest import Access, Nest

Start = Literal["zero", "spilled", "memory"]


@dataclass(frozen=True)
class Stage:
    """One step of the spatial reduction.

    Attributes
    ----------
    step : Step
        Direction in which partial sums travel, from ``s`` to ``s + step.space``.
    lag_cycles : int
        0 for an adder tree; otherwise a chain of partial sums with this lag a hop.
    points : tuple of Point
        Units that hold a partial sum before the stage.
    """

    step: Step
    lag_cycles: int
    points: tuple[Point, ...]

    @property
    def tree(self) -> bool:
        return self.lag_cycles == 0

    @cached_property
    def groups(self) -> tuple[tuple[Point, ...], ...]:
        """Units that are summed together, in order of travel; the last of a group holds the result."""
        members = set(self.points)
        groups = []
        for start in self.points:
            if minus(start, self.step.space) in members:
                continue
            group = [start]
            while (following := plus(group[-1], self.step.space)) in members:
                group.append(following)
            groups.append(tuple(group))
        return tuple(groups)

    @property
    def ends(self) -> tuple[Point, ...]:
        return tuple(sorted(group[-1] for group in self.groups))


@dataclass(frozen=True, slots=True)
class Spill:
    """When partial sums leave the array and come back: what `Drain` says about time.

    The attributes are those of `Drain`.
    """

    held: int
    start: Start
    spilled: tuple[int, ...]
    gap_level: int


def spill_of(nest: Nest, dataflow: Dataflow, extents: Mapping[str, int], *, continues: bool = False) -> Spill:
    """How the order of the loops lets sums stay, or has them leave for the banks."""
    access = nest.output
    held = stationary_loops(access, dataflow, extents)
    outer = len(dataflow.order) - held
    idle = tuple(k for k in range(outer) if dataflow.order[k] not in access.loops)
    tiled = any(loop not in access.loops and nest.extents[loop] > size for loop, size in dataflow.tile)
    start: Start = "memory" if not _plain(nest) else "spilled" if idle or tiled or continues else "zero"
    # Where elements have no plain home, any step of a loop outside the held ones may come back to one.
    gap_level = outer - 1 if start == "memory" else idle[-1] if idle else -1
    return Spill(held, start, idle, gap_level)


def _plain(nest: Nest) -> bool:
    """True if each loop of the output fixes, or leaves alone, where an element lies."""
    rows = nest.output.matrix(nest.loop_names)
    return all(determines(rows, k) or not any(row[k] for row in rows) for k in range(len(nest.loop_names)))


@dataclass(frozen=True)
class Drain:
    """The way of the partial sums of the output tensor.

    Attributes
    ----------
    operand : str
        Unique name; the tensor's.
    stages : tuple of Stage
    collectors : tuple of Point
        Units where the spatial reduction ends and the ports are.
    held : int
        Innermost time loops over which a collector accumulates in place.
    start : {"zero", "spilled", "memory"}
        Where an accumulation starts: always at 0; at 0 the first time and at the spilled partial sum later; always at
        what the banks hold (the driver clears them), because the first visit of an element is no affine condition.
    spilled : tuple of int
        Positions of time loops outside the held ones that visit an element again.
    gap_level : int
        Position of the time loop that may need idle cycles, so that a spilled sum is back before it is read; -1: none.
    guarded : tuple of str
        Spatial loops that fix the element: a port writes only inside their extents.
    """

    operand: str
    access: Access
    stages: tuple[Stage, ...]
    collectors: tuple[Point, ...]
    held: int
    start: Start
    spilled: tuple[int, ...]
    gap_level: int
    banking: Banking
    guarded: tuple[str, ...]

    @property
    def spill(self) -> Spill:
        return Spill(self.held, self.start, self.spilled, self.gap_level)

    @property
    def reads_back(self) -> bool:
        """True if an accumulation may start from what the banks hold."""
        return self.start != "zero"


def drain(nest: Nest, dataflow: Dataflow, extents: Mapping[str, int], *, continues: bool = False) -> Drain:
    """Plan the way of the output; ``continues`` if a run may go on from the sums of an earlier one.

    Raises
    ------
    DataflowError
        Two units end up with partial sums of one element in the same time step.
    """
    access = nest.output
    stages, points = _stages(access, dataflow)
    _check_collectors(access, dataflow, points)
    rows, plain = access.matrix(nest.loop_names), _plain(nest)
    spill = spill_of(nest, dataflow, extents, continues=continues)
    return Drain(
        operand=access.tensor,
        access=access,
        stages=stages,
        collectors=points,
        held=spill.held,
        start=spill.start,
        spilled=spill.spilled,
        gap_level=spill.gap_level,
        banking=bank(access, dataflow, points, extents),
        guarded=tuple(loop for loop, _ in dataflow.space if plain and determines(rows, nest.loop_names.index(loop))),
    )


def _stages(access: Access, dataflow: Dataflow) -> tuple[tuple[Stage, ...], tuple[Point, ...]]:
    """Reduce along one direction after the other until no two remaining units share a direction."""
    steps = direct_steps(access, dataflow)
    points = dataflow.units
    stages: list[Stage] = []
    progress = True
    while progress:
        progress = False
        for step in steps:
            stage = Stage(step, dot(dataflow.skew, step.space), points)
            if len(stage.ends) < len(points):
                stages.append(stage)
                points = stage.ends
                progress = True
                break
    return tuple(stages), points


def _check_collectors(access: Access, dataflow: Dataflow, points: tuple[Point, ...]) -> None:
    seen: dict[Point, Point] = {}
    for unit, element in zip(points, products(space_matrix(access, dataflow), points), strict=True):
        other = seen.setdefault(element, unit)
        if other != unit:
            raise DataflowError(
                dataflow.name,
                (
                    f"units {list(other)} and {list(unit)} both end with a partial sum of the same element of "
                    f"tensor {access.tensor!r} in every time step, and no direction in the array joins them",
                ),
            )
