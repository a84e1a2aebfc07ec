"""The mappings that a search chooses from: tiles of every loop, and orders of tile loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations, product

from dataflow.architecture import Plan
from dataflow.mapping.footprint import Cut
from dataflow.mapping.mapping import TiledMapping
from workloads.nest import Nest

Cuts = Callable[[int, int], tuple[Cut, ...]]


def even_cuts(extent: int, axis: int) -> tuple[Cut, ...]:
    """For every possible number of tiles the smallest tile that gives it, fewest tiles first.

    Traffic depends on the number of tiles, and room in the buffer on the largest, so a larger tile of the same number
    has no advantage but at borders: where tiles overlap, where padding begins, where a link of the array starts anew.

    Parameters
    ----------
    axis
        A tile is a multiple of it, unless the loop is not cut at all.
    """
    cuts = [Cut(extent, extent)]
    steps = -(-extent // axis)
    size = axis * (steps - 1)
    while size:
        count = -(-extent // size)
        cuts.append(Cut(extent, axis * -(-steps // count)))
        # The largest tile of which more are needed.
        size = cuts[-1].size - axis
    return tuple(cuts)


def all_cuts(extent: int, axis: int) -> tuple[Cut, ...]:
    """Every tile size, largest first."""
    return (Cut(extent, extent), *(Cut(extent, size) for size in range(axis * ((extent - 1) // axis), 0, -axis)))


def served_cuts(
    plan: Plan, nest: Nest, cuts: Mapping[str, tuple[Cut, ...]]
) -> tuple[dict[str, tuple[Cut, ...]], list[str]]:
    """Those cuts that hardware which exists can run, and why where there are none.

    Its runs are no larger than its limits, and where it has no path from the banks back to its sums, a run has to
    finish what it begins.
    """
    name = plan.dataflow.name
    if (plan.nest.loop_names, plan.nest.accesses) != (nest.loop_names, nest.accesses):
        return {}, [f"dataflow {name!r} was built for nest {plan.nest.name!r}, whose loops or body differ"]
    served: dict[str, tuple[Cut, ...]] = {}
    faults = []
    for loop, options in cuts.items():
        most = plan.extents[loop]
        whole = loop in nest.reduction_loops and not plan.drain.reads_back
        served[loop] = tuple(cut for cut in options if cut.size <= most and not (whole and cut.count > 1))
        if not served[loop]:
            why = " and cannot continue earlier sums" if whole else ""
            faults.append(
                f"dataflow {name!r} runs at most {most} iterations of loop {loop!r} at a time{why}, "
                f"so its {nest.extents[loop]} iterations exclude every mapping"
            )
    return served, faults


@dataclass(frozen=True, slots=True)
class TileOrder:
    """An order of tile loops with what it saves at least.

    Attributes
    ----------
    order : tuple of str
        Outermost first.
    moved : tuple of frozenset of str
        For each access of the nest (inputs, then output), the loops that it does not depend on and that nevertheless
        multiply how often its tiles are moved.
    """

    order: tuple[str, ...]
    moved: tuple[frozenset[str], ...]


def tile_orders(nest: Nest) -> tuple[TileOrder, ...]:
    """Orders of which one is best, whatever the tiles.

    A tile stays while only loops move that its access does not depend on, so an order matters through one number an
    access: the length of the innermost run of such loops. Sorted by that length, the run of the a-th access lies within
    the loops on which none of the first a accesses depends. Putting exactly these innermost, for each permutation of
    the accesses, is therefore at least as good for every access at once; orders that save less are left out.
    """
    names = nest.loop_names
    accesses = (*nest.inputs, nest.output)
    free = [frozenset(names) - frozenset(access.loops) for access in accesses]
    found: dict[tuple[frozenset[str], ...], tuple[str, ...]] = {}
    for ranked in permutations(range(len(accesses))):
        common = frozenset(names)
        saved = [frozenset[str]()] * len(accesses)
        blocks: list[frozenset[str]] = []
        for position in ranked:
            common &= free[position]
            saved[position] = common
            blocks.append(common)
        order: list[str] = []
        for block in reversed(blocks):
            order = [n for n in names if n in block and n not in order] + order
        order = [n for n in names if n not in order] + order
        found.setdefault(tuple(f - s for f, s in zip(free, saved, strict=True)), tuple(order))
    return tuple(
        TileOrder(order, moved)
        for moved, order in found.items()
        if not any(other != moved and all(o <= m for o, m in zip(other, moved, strict=True)) for other in found)
    )


def every_mapping(nest: Nest, plan: Plan, cuts: Cuts = even_cuts) -> Iterator[TiledMapping]:
    """All of the space without any cleverness: every cut, every order, both kinds of buffering."""
    flow = plan.dataflow
    choices = [cuts(loop.extent, flow.size(loop.name)) for loop in nest.loops]
    for chosen in product(*choices):
        for order in permutations(nest.loop_names):
            for double_buffered in (False, True):
                yield TiledMapping(nest, plan, tuple(zip(nest.loop_names, chosen, strict=True)), order, double_buffered)
