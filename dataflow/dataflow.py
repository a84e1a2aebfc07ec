"""The map (time, space) -> iteration point: ``i = T t + S s``, with the control skew ``c``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from workloads.errors import BrickworkError
from workloads.nest import Nest

Point = tuple[int, ...]


class DataflowError(BrickworkError):
    """A dataflow that does not fit its nest; lists every fault."""

    def __init__(self, dataflow: str, faults: tuple[str, ...]) -> None:
        self.dataflow, self.faults = dataflow, faults
        super().__init__("\n".join(f"dataflow {dataflow!r}: {fault}" for fault in faults))


@dataclass(frozen=True)
class Dataflow:
    """Which functional unit runs which iteration in which cycle.

    Loop ``d`` with ``n`` functional units on its axis has iteration ``i_d = n t_d + s_d``; a loop without an axis has
    ``i_d = t_d``. The functional unit at ``s`` runs time ``t`` in cycle ``lambda . t + skew . s``.

    Attributes
    ----------
    space : tuple of (loop, size)
        One entry an axis of the array.
    skew : tuple of int
        Cycles by which control lags from one functional unit to the next, one entry an axis; 0 broadcasts.
    order : tuple of str
        Time loops, outermost first; every loop of the nest once.
    tile : tuple of (loop, size)
        Iterations of a loop that the banks hold in one run; the remaining loops are walked by the driver.
    """

    name: str
    space: tuple[tuple[str, int], ...]
    skew: tuple[int, ...]
    order: tuple[str, ...]
    tile: tuple[tuple[str, int], ...] = ()

    @staticmethod
    def of(
        nest: Nest,
        space: Mapping[str, int],
        *,
        skew: tuple[int, ...] | None = None,
        order: tuple[str, ...] | None = None,
        tile: Mapping[str, int] | None = None,
        name: str | None = None,
    ) -> Dataflow:
        """Build a dataflow for ``nest`` and check it.

        Parameters
        ----------
        space
            Loop name to number of functional units, in axis order.
        skew
            All ones (systolic) when left out.
        order
            The nest's own order when left out.
        tile
            Iterations held at a time, for the loops that are tiled.

        Raises
        ------
        DataflowError
            Lists every rule that is broken.
        """
        dataflow = Dataflow(
            name or "_".join(space),
            tuple(space.items()),
            tuple(skew) if skew is not None else (1,) * len(space),
            tuple(order) if order is not None else nest.loop_names,
            tuple((tile or {}).items()),
        )
        if faults := tuple(_faults(dataflow, nest)):
            raise DataflowError(dataflow.name, faults)
        return dataflow

    @cached_property
    def shape(self) -> Point:
        """Functional units along each axis."""
        return tuple(size for _, size in self.space)

    @cached_property
    def units(self) -> tuple[Point, ...]:
        """Coordinates of every functional unit, row-major."""
        return tuple(product(*(range(size) for size in self.shape)))

    def size(self, loop: str) -> int:
        """Functional units on the loop's axis; 1 for a loop without one."""
        return dict(self.space).get(loop, 1)

    def contains(self, unit: Point) -> bool:
        return all(0 <= s < size for s, size in zip(unit, self.shape, strict=True))

    def skew_cycles(self, unit: Point) -> int:
        """``c . s``: how many cycles after the first functional unit this one runs the same time step."""
        return sum(c * s for c, s in zip(self.skew, unit, strict=True))

    @cached_property
    def most_skew_cycles(self) -> int:
        return sum(c * (size - 1) for c, size in zip(self.skew, self.shape, strict=True))

    def tile_extents(self, extents: Mapping[str, int]) -> dict[str, int]:
        """Extents of the largest tile that a nest of these extents is cut into."""
        held = dict(self.tile)
        return {loop: min(extent, held.get(loop, extent)) for loop, extent in extents.items()}

    def time_extents(self, extents: Mapping[str, int]) -> Point:
        """Trip counts of the time loops, outermost first, for one tile of these extents."""
        return tuple(-(-extents[loop] // self.size(loop)) for loop in self.order)

    def iteration(self, time: Point, unit: Point) -> dict[str, int]:
        """The iteration point ``T t + S s``; it may lie outside the nest where sizes do not divide."""
        at = dict(zip((loop for loop, _ in self.space), unit, strict=True))
        return {loop: self.size(loop) * t + at.get(loop, 0) for loop, t in zip(self.order, time, strict=True)}

    def __str__(self) -> str:
        space = ", ".join(f"{loop}: {size}" for loop, size in self.space)
        text = f"{{space: {{{space}}}, skew: {list(self.skew)}, order: [{', '.join(self.order)}]"
        if self.tile:
            text += f", tile: {{{', '.join(f'{loop}: {size}' for loop, size in self.tile)}}}"
        return text + "}"


def _faults(dataflow: Dataflow, nest: Nest) -> Iterator[str]:
    names = nest.loop_names
    known = f"the loops of nest {nest.name!r} are {', '.join(names)}"
    if not 1 <= len(dataflow.space) <= 3:
        yield f"the array must have 1 to 3 axes, not {len(dataflow.space)}"
    for loop, size in dataflow.space:
        if loop not in names:
            yield f"space names {loop!r}, which is not a loop; {known}"
        if size < 1:
            yield f"space gives loop {loop!r} {size} functional units; expected at least 1"
    if len(dataflow.skew) != len(dataflow.space):
        yield f"skew has {len(dataflow.skew)} entries for {len(dataflow.space)} axes; expected one an axis"
    for cycles in dataflow.skew:
        if cycles < 0:
            yield f"skew must be 0 or more cycles, not {cycles}"
    for loop in dict.fromkeys(dataflow.order):
        if loop not in names:
            yield f"order names {loop!r}, which is not a loop; {known}"
        if dataflow.order.count(loop) > 1:
            yield f"order names loop {loop!r} more than once"
    if missing := [n for n in names if n not in dataflow.order]:
        yield f"order leaves out {', '.join(map(repr, missing))}; expected every loop once"
    sizes = dict(dataflow.space)
    for loop, size in dataflow.tile:
        if loop not in names:
            yield f"tile names {loop!r}, which is not a loop; {known}"
        elif size < 1:
            yield f"tile holds {size} iterations of loop {loop!r}; expected at least 1"
        elif size % sizes.get(loop, 1) and size < nest.extents[loop]:
            yield (
                f"tile holds {size} iterations of loop {loop!r}, which is not a multiple of "
                f"the {sizes[loop]} functional units on its axis"
            )
