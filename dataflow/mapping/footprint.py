"""Which part of a tensor a tile touches, and how many elements all tiles of a loop nest touch together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from math import gcd

from workloads.affine import Affine
from workloads.nest import Access, Nest


@dataclass(frozen=True, slots=True)
class Cut:
    """One loop cut into ``count`` tiles of ``size`` iterations, the last of which may be shorter.

    Attributes
    ----------
    extent : int
        Iterations of the whole loop.
    size : int
        Iterations of every tile but the last.
    """

    extent: int
    size: int

    @property
    def count(self) -> int:
        return -(-self.extent // self.size)

    @property
    def last(self) -> int:
        """Iterations of the last tile."""
        return self.extent - (self.count - 1) * self.size

    @property
    def kinds(self) -> tuple[tuple[int, int], ...]:
        """The distinct sizes of tiles, each with how often it occurs."""
        if self.last == self.size:
            return ((self.size, self.count),)
        return ((self.size, self.count - 1), (self.last, 1))

    def iterations(self, tile: int) -> int:
        """Iterations of the tile of this number."""
        return self.size if tile < self.count - 1 else self.last


def touched(index: Affine, origin: Mapping[str, int], sizes: Mapping[str, int], shape: int) -> int:
    """Coordinates of one tensor dimension that a transfer of a tile moves.

    A transfer moves an arithmetic progression: from the least to the greatest coordinate that the tile reaches inside
    the tensor, in steps of the greatest common divisor of the coefficients of the loops that move.

    Parameters
    ----------
    origin, sizes
        First iteration and number of iterations of the tile, for every loop.
    shape
        Coordinates of the tensor; what lies outside is padding and is not moved.
    """
    low = high = index.constant
    step = 0
    for loop, c in index.terms:
        first = c * origin[loop]
        reach = c * (sizes[loop] - 1)
        low, high = low + first + min(0, reach), high + first + max(0, reach)
        if reach:
            step = gcd(step, c)
    if not step:
        return int(0 <= low < shape)
    below, above = max(0, -(low // step)), max(0, (high - shape) // step + 1)
    return max(0, (high - low) // step + 1 - below - above)


def loop_groups(nest: Nest) -> tuple[tuple[str, ...], ...]:
    """Loops that share a tensor dimension, directly or through others; what a tile touches is a product over groups."""
    groups = [{loop} for loop in nest.loop_names]
    for access in nest.accesses:
        # A loop in two dimensions of a tensor joins them just as two loops in one dimension are joined.
        for index in access.index:
            joined = [g for g in groups if g & set(index.loops)]
            if len(joined) > 1:
                groups = [g for g in groups if g not in joined] + [set().union(*joined)]
    order = {loop: k for k, loop in enumerate(nest.loop_names)}
    return tuple(sorted((tuple(sorted(g, key=order.__getitem__)) for g in groups), key=lambda g: order[g[0]]))


@dataclass(frozen=True, slots=True)
class GroupFootprint:
    """Elements of one tensor, over the dimensions that one group of loops indexes.

    Attributes
    ----------
    total : int
        Sum over all tiles of the group's loops that the access depends on.
    most : int
        Of the largest tile.
    first, last : int
        Of the tile at the origin and of the one at the end.
    """

    total: int
    most: int
    first: int
    last: int


class Footprints:
    """What tiles of one nest touch, remembered: plans and orders ask for the same cuts again and again."""

    def __init__(self, nest: Nest) -> None:
        self.nest = nest
        self.groups = loop_groups(nest)
        self.accesses = (*nest.inputs, nest.output)
        self._dims = {(p, g): _dims(nest, a, g) for p, a in enumerate(self.accesses) for g in self.groups}
        self._own = [frozenset(a.loops) for a in self.accesses]
        self._known: dict[tuple[int, tuple[tuple[str, Cut], ...]], GroupFootprint] = {}

    def of(self, position: int, group: tuple[str, ...], cuts: tuple[Cut, ...]) -> GroupFootprint:
        """Footprint of one access (inputs, then output) over the cuts of one group."""
        own = tuple((loop, cut) for loop, cut in zip(group, cuts, strict=True) if loop in self._own[position])
        key = position, own
        if key not in self._known:
            self._known[key] = _footprint(self._dims[position, group], dict(own))
        return self._known[key]


def group_footprint(nest: Nest, access: Access, cuts: Mapping[str, Cut]) -> GroupFootprint:
    """What the tiles of one group of loops touch of an access, by looking at each."""
    return _footprint(_dims(nest, access, cuts), {loop: cut for loop, cut in cuts.items() if loop in access.loops})


def _footprint(dims: list[tuple[Affine, int]], own: Mapping[str, Cut]) -> GroupFootprint:
    if len(own) == 1 and len(dims) == 1 and (simple := _unclipped(*dims[0], *next(iter(own.items())))):
        return simple
    counts = [
        _tile_elements(dims, own, dict(zip(own, tiles, strict=True)))
        for tiles in product(*(range(cut.count) for cut in own.values()))
    ]
    return GroupFootprint(sum(counts), max(counts), counts[0], counts[-1])


def tile_elements(nest: Nest, access: Access, cuts: Mapping[str, Cut], tile: Mapping[str, int]) -> int:
    """Elements that one tile touches over the dimensions of one group's loops; ``tile`` numbers it, loop by loop."""
    return _tile_elements(_dims(nest, access, cuts), cuts, tile)


def _dims(nest: Nest, access: Access, loops: Iterable[str]) -> list[tuple[Affine, int]]:
    shape = nest.tensor(access.tensor).shape
    return [(index, shape[k]) for k, index in enumerate(access.index) if not set(loops).isdisjoint(index.loops)]


def _tile_elements(dims: list[tuple[Affine, int]], cuts: Mapping[str, Cut], tile: Mapping[str, int]) -> int:
    origin = {loop: cuts[loop].size * t for loop, t in tile.items()}
    return _elements(dims, origin, {loop: cuts[loop].iterations(t) for loop, t in tile.items()})


def _unclipped(index: Affine, shape: int, loop: str, cut: Cut) -> GroupFootprint | None:
    """A dimension that one loop indexes alone, entirely inside the tensor: every iteration is an element."""
    low, high = index.bounds({loop: cut.extent})
    return GroupFootprint(cut.extent, cut.size, cut.size, cut.last) if low >= 0 and high < shape else None


def _elements(dims: list[tuple[Affine, int]], origin: Mapping[str, int], sizes: Mapping[str, int]) -> int:
    total = 1
    for index, shape in dims:
        total *= touched(index, origin, sizes, shape)
    return total


def constant_elements(nest: Nest, access: Access) -> int:
    """Elements in the dimensions that no loop indexes: 1, or 0 where the coordinate lies in the padding."""
    shape = nest.tensor(access.tensor).shape
    dims = [(index, shape[k]) for k, index in enumerate(access.index) if not index.loops]
    return _elements(dims, {}, {})


def least_elements(nest: Nest, access: Access) -> int:
    """A number of elements that the nest uses at least, so that every mapping moves as many.

    In each group of loops one loop runs along one dimension and the others stand still; groups are independent. Where a
    group indexes several dimensions of a padded tensor, that line may lie in the padding: nothing is said then.
    """
    tensor = nest.tensor(access.tensor)
    total = constant_elements(nest, access)
    still, alone = dict.fromkeys(nest.loop_names, 0), dict.fromkeys(nest.loop_names, 1)
    for group in loop_groups(nest):
        dims = [k for k, index in enumerate(access.index) if not set(group).isdisjoint(index.loops)]
        if len(dims) > 1 and tensor.padded:
            return 0
        reached = [
            touched(access.index[k], still, {**alone, loop: nest.extents[loop]}, tensor.shape[k])
            for k in dims
            for loop in access.index[k].loops
        ]
        total *= max(reached, default=1)
    return total
