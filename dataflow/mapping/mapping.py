"""A mapping: how one nest is cut into tiles, in which order they run, and on which dataflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from dataflow.architecture import Plan
from dataflow.dataflow import Dataflow
from dataflow.mapping.footprint import Cut
from workloads.errors import BrickworkError
from workloads.nest import Nest


class MappingError(BrickworkError):
    """A mapping that does not fit its nest or array, or none that would; lists every reason."""

    def __init__(self, nest: str, faults: tuple[str, ...]) -> None:
        self.nest, self.faults = nest, faults
        super().__init__("\n".join(f"nest {nest!r}: {fault}" for fault in faults))


@dataclass(frozen=True)
class TiledMapping:
    """Tiles of one nest, walked in order; the array runs one tile at a time from the on-chip buffer.

    Attributes
    ----------
    plan : Plan
        The array and its dataflow; its time loops run inside a tile.
    cuts : tuple of (loop, Cut)
        Tiles of every loop, in the nest's order.
    order : tuple of str
        Tile loops, outermost first.
    double_buffered : bool
        Two copies of every tile, so that transfers and the array work at the same time.

    Raises
    ------
    MappingError
        Lists every rule that is broken.
    """

    nest: Nest
    plan: Plan
    cuts: tuple[tuple[str, Cut], ...]
    order: tuple[str, ...]
    double_buffered: bool

    def __post_init__(self) -> None:
        if faults := tuple(_faults(self)):
            raise MappingError(self.nest.name, faults)

    @staticmethod
    def of(
        nest: Nest,
        plan: Plan,
        tiles: Mapping[str, int],
        *,
        order: tuple[str, ...] | None = None,
        double_buffered: bool = True,
    ) -> TiledMapping:
        """Build a mapping; loops that ``tiles`` leaves out are not cut, ``order`` is the nest's own when left out."""
        cuts = tuple((loop, Cut(extent, min(extent, tiles.get(loop, extent)))) for loop, extent in nest.extents.items())
        return TiledMapping(nest, plan, cuts, order or nest.loop_names, double_buffered)

    @cached_property
    def cut(self) -> Mapping[str, Cut]:
        return dict(self.cuts)

    @property
    def runs(self) -> int:
        """How often the array starts."""
        total = 1
        for _, cut in self.cuts:
            total *= cut.count
        return total

    @property
    def dataflow(self) -> Dataflow:
        """The array's dataflow with the tiles of this mapping, from which hardware is generated or simulated."""
        tile = tuple((loop, cut.size) for loop, cut in self.cuts if cut.count > 1)
        return replace(self.plan.dataflow, tile=tile)

    def __str__(self) -> str:
        """The loop nest: tile loops, the line between memories, then the array's time loops and axes."""
        return "\n".join(_lines(self))


def _lines(mapping: TiledMapping) -> Iterator[str]:
    depth = 0
    flow = mapping.plan.dataflow
    yield "off-chip memory" + (", transfers overlap with the array" if mapping.double_buffered else "")
    for loop in mapping.order:
        cut = mapping.cut[loop]
        if cut.count > 1:
            depth += 1
            rest = f", the last of {cut.last}" if cut.last != cut.size else ""
            yield f"{'  ' * depth}for {loop} in {cut.count} tiles of {cut.size}{rest}"
    yield f"{'  ' * depth}buffer"
    trips = flow.time_extents({loop: cut.size for loop, cut in mapping.cuts})
    for loop, trip in zip(flow.order, trips, strict=True):
        if trip > 1:
            depth += 1
            step = f" step {flow.size(loop)}" if flow.size(loop) > 1 else ""
            yield f"{'  ' * depth}for {loop} in {trip}{step}"
    depth += 1
    axes = ", ".join(f"{loop} over {size}" for loop, size in flow.space)
    yield f"{'  ' * depth}parallel {axes}: {mapping.nest.output} += {', '.join(map(str, mapping.nest.inputs))}"


def _faults(mapping: TiledMapping) -> Iterator[str]:
    nest, flow = mapping.nest, mapping.plan.dataflow
    if sorted(mapping.order) != sorted(nest.loop_names):
        yield f"the tile loops are {', '.join(mapping.order)}; expected each of {', '.join(nest.loop_names)} once"
    if tuple(loop for loop, _ in mapping.cuts) != nest.loop_names:
        yield "the cuts do not name the nest's loops in its own order"
        return
    for loop, cut in mapping.cuts:
        axis = flow.size(loop)
        if cut.extent != nest.extents[loop] or not 1 <= cut.size <= cut.extent:
            yield f"loop {loop!r}: a tile holds {cut.size} iterations; expected 1 to {nest.extents[loop]}"
        elif cut.count > 1 and cut.size % axis:
            yield (
                f"loop {loop!r}: a tile holds {cut.size} iterations, which is not a multiple of the {axis} functional "
                "units on its axis"
            )
