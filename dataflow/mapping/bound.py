"""Lower bounds of all quantities that decide between mappings, for many mappings at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

from dataflow.architecture import Plan
from dataflow.feed import Feed, minus
from dataflow.mapping.footprint import Cut, GroupFootprint, constant_elements, group_footprint, loop_groups
from dataflow.mapping.machine import Energies, Machine
from dataflow.mapping.space import TileOrder
from dataflow.reuse import Step
from workloads.nest import Nest

Floats = npt.NDArray[np.float64]
Cuts = Mapping[str, Cut]

QUANTITIES = ("tile_bits", "run_cycles", "end_bits", "transfer_bits", "energy_pj")


@dataclass(frozen=True)
class Choices:
    """What each group of loops may be cut into, with what the cuts touch.

    Attributes
    ----------
    groups : tuple of tuple of str
        Loops that are chosen together.
    cuts : tuple of tuple of mappings
        The choices of each group.
    footprints : tuple of tuple of tuple of GroupFootprint
        For each group and choice, one entry an access (inputs, then output).
    """

    nest: Nest
    plan: Plan
    groups: tuple[tuple[str, ...], ...]
    cuts: tuple[tuple[Cuts, ...], ...]
    footprints: tuple[tuple[tuple[GroupFootprint, ...], ...], ...]

    @property
    def tilings(self) -> int:
        return prod(len(cuts) for cuts in self.cuts)


def choices(nest: Nest, plan: Plan, cuts: Mapping[str, tuple[Cut, ...]]) -> Choices:
    """Combine the cuts of single loops into choices of groups, fewest choices first."""
    groups = sorted(loop_groups(nest), key=lambda g: prod(len(cuts[loop]) for loop in g))
    combined = tuple(
        tuple(dict(zip(g, chosen, strict=True)) for chosen in product(*(cuts[loop] for loop in g))) for g in groups
    )
    footprints = tuple(
        tuple(tuple(group_footprint(nest, a, g, c) for a in (*nest.inputs, nest.output)) for c in options)
        for g, options in zip(groups, combined, strict=True)
    )
    return Choices(nest, plan, tuple(groups), combined, footprints)


def smallest_tiles(chosen: Choices) -> dict[str, int]:
    """Bits of the smallest tile of each operand; some choice has all of them at once."""
    names = (*(feed.operand for feed in chosen.plan.feeds), chosen.plan.drain.operand)
    accesses = (*chosen.nest.inputs, chosen.nest.output)
    return {
        name: chosen.nest.tensor(access.tensor).format.bits
        * constant_elements(chosen.nest, access)
        * prod(min(prints[position].most for prints in options) for options in chosen.footprints)
        for position, (name, access) in enumerate(zip(names, accesses, strict=True))
    }


@dataclass(frozen=True)
class Term:
    """A constant times one factor for each group of loops.

    Attributes
    ----------
    weights : tuple of (quantity, float)
        What the product counts towards, and with which weight.
    factors : tuple of arrays
        One entry a choice, for each group.
    """

    weights: tuple[tuple[str, float], ...]
    factors: tuple[Floats, ...]


@dataclass(frozen=True)
class Bounds:
    """Sums of products over groups, for one plan and one order of tile loops.

    Attributes
    ----------
    constant : array (quantity,)
    positive, negative : array (quantity, term)
        Weights by sign.
    factors : tuple of array (term, choice)
        One array a group.
    least, most : array (group + 1, term)
        Products of the extreme factors of this group and all later ones.
    """

    constant: Floats
    positive: Floats
    negative: Floats
    factors: tuple[Floats, ...]
    least: Floats
    most: Floats

    def at(self, products: Floats, group: int) -> Floats:
        """Lower bounds (quantity, row) where factors of the groups before ``group`` are multiplied in.

        Exact once all groups are, but for idle cycles of spilled sums and for links that the control skew switches off
        at small sizes, which only add.
        """
        low: Floats = self.positive @ (products * self.least[group][:, None])
        if self.negative.any():
            low += self.negative @ (products * self.most[group][:, None])
        return low + self.constant[:, None]


def bounds(chosen: Choices, order: TileOrder, machine: Machine, energy: Energies) -> Bounds:
    """Write all quantities as sums of products over groups."""
    terms = [*_transfers(chosen, order, energy), *_array(chosen, machine, energy)]
    index = {name: k for k, name in enumerate(QUANTITIES)}
    weights = np.zeros((len(QUANTITIES), len(terms)))
    for k, term in enumerate(terms):
        for name, weight in term.weights:
            weights[index[name], k] += weight
    factors = tuple(np.array([term.factors[g] for term in terms]) for g in range(len(chosen.groups)))
    ones = np.ones((1, len(terms)))
    least = np.cumprod(np.concatenate([ones, [f.min(axis=1) for f in reversed(factors)]]), axis=0)[::-1]
    most = np.cumprod(np.concatenate([ones, [f.max(axis=1) for f in reversed(factors)]]), axis=0)[::-1]
    constant = np.zeros(len(QUANTITIES))
    constant[index["energy_pj"]] = _constant_pj(chosen, energy)
    return Bounds(constant, np.maximum(weights, 0), np.minimum(weights, 0), factors, least, most)


def _factors(chosen: Choices, factor: Callable[[int, int], float]) -> tuple[Floats, ...]:
    return tuple(np.array([factor(g, k) for k in range(len(cuts))], float) for g, cuts in enumerate(chosen.cuts))


def _footprints(chosen: Choices, position: int, which: str) -> tuple[Floats, ...]:
    return _factors(chosen, lambda g, k: getattr(chosen.footprints[g][k][position], which))


def _repeats(chosen: Choices, loops: frozenset[str]) -> Callable[[int, int], float]:
    return lambda g, k: prod(cut.count for loop, cut in chosen.cuts[g][k].items() if loop in loops)


def _transfers(chosen: Choices, order: TileOrder, energy: Energies) -> Iterator[Term]:
    """What moves between the buffer and the off-chip memory."""
    nest = chosen.nest
    for position, access in enumerate((*nest.inputs, nest.output)):
        bits = nest.tensor(access.tensor).format.bits * constant_elements(nest, access)
        is_output = access is nest.output

        total = _footprints(chosen, position, "total")
        again = _factors(chosen, _repeats(chosen, order.moved[position]))
        moved = tuple(t * a for t, a in zip(total, again, strict=True))
        off_chip = energy.off_chip_pj_per_bit
        fetch_pj = off_chip + energy.buffer_write_pj_per_bit
        store_pj = off_chip + energy.buffer_read_pj_per_bit
        fetches = not is_output or not nest.dense
        yield Term((("tile_bits", bits),), _footprints(chosen, position, "most"))
        if fetches:
            yield Term((("end_bits", bits),), _footprints(chosen, position, "first"))
        if not is_output:
            yield Term((("transfer_bits", bits), ("energy_pj", bits * fetch_pj)), moved)
            continue
        yield Term((("end_bits", bits),), _footprints(chosen, position, "last"))
        yield Term((("transfer_bits", 2 * bits), ("energy_pj", bits * (fetch_pj + store_pj))), moved)
        if nest.dense:
            yield Term((("transfer_bits", -bits), ("energy_pj", -bits * fetch_pj)), total)


def _array(chosen: Choices, machine: Machine, energy: Energies) -> Iterator[Term]:
    """What depends on the tiles inside the array: cycles around a run, and accesses that a tile's border adds."""
    nest, plan = chosen.nest, chosen.plan
    flow, drain = plan.dataflow, plan.drain
    extents = nest.extents
    steps = dict(zip(flow.order, flow.time_extents(extents), strict=True))

    def over(loops: tuple[str, ...], inside: Callable[[str, Cut], float]) -> tuple[Floats, ...]:
        """A factor a loop: ``inside`` for ``loops``, the number of tiles for all others."""
        return _factors(
            chosen,
            lambda g, k: prod(inside(n, c) if n in loops else c.count for n, c in chosen.cuts[g][k].items()),
        )

    yield Term((("run_cycles", 1.0),), over((), lambda n, c: 1))
    outer = {held: flow.order[: len(flow.order) - held] for held in (drain.held, *(f.held for f in plan.feeds))}
    for feed in plan.feeds:
        bits = nest.tensor(feed.access.tensor).format.bits
        read_pj = bits * energy.buffer_read_pj_per_bit
        loops = outer[feed.held]
        yield Term((("energy_pj", read_pj * len(feed.roots)),), over(loops, lambda n, c: steps[n]))
        saved_pj = bits * (energy.hop_pj_per_bit - energy.buffer_read_pj_per_bit)
        for times, members in _overlaps(feed, plan):
            yield Term((("energy_pj", saved_pj * times),), over(loops, _covered(members, plan)))
    bits = nest.tensor(drain.access.tensor).format.bits
    loops = outer[drain.held]
    visits = over(loops, lambda n, c: steps[n])
    write_pj = bits * energy.buffer_write_pj_per_bit * len(drain.collectors)
    read_pj = bits * energy.buffer_read_pj_per_bit * len(drain.collectors)
    yield Term((("energy_pj", write_pj + read_pj),), visits)
    if drain.start != "memory":
        # The first visit of an element starts from zero.
        firsts = _factors(
            chosen,
            lambda g, k: prod(
                (steps[n] if n in loops else c.count)
                for n, c in chosen.cuts[g][k].items()
                if n not in nest.reduction_loops
            ),
        )
        yield Term((("energy_pj", -read_pj),), firsts)


def _overlaps(feed: Feed, plan: Plan) -> Iterator[tuple[int, tuple[Step, ...]]]:
    """Inclusion and exclusion of the delayed links: how many roots have these, counted with its sign."""
    alike = Counter(
        tuple(i for i, step in enumerate(feed.delayed) if plan.dataflow.contains(minus(unit, step.space)))
        for unit in feed.roots
    )
    found: Counter[tuple[int, ...]] = Counter()
    for links, roots in alike.items():
        for subset in range(1, 1 << len(links)):
            members = tuple(link for k, link in enumerate(links) if subset >> k & 1)
            found[members] += roots if len(members) % 2 else -roots
    for members, times in found.items():
        yield times, tuple(feed.delayed[i] for i in members)


def _covered(members: tuple[Step, ...], plan: Plan) -> Callable[[str, Cut], float]:
    """Time steps of one loop, over all its tiles, whose producers over all ``members`` lie in the same tile."""
    flow = plan.dataflow
    reach = {
        loop: max(0, *(m.time[k] for m in members)) - min(0, *(m.time[k] for m in members))
        for k, loop in enumerate(flow.order)
    }

    def inside(loop: str, cut: Cut) -> float:
        axis = flow.size(loop)
        return sum(times * max(0, -(-size // axis) - reach[loop]) for size, times in cut.kinds)

    return inside


def _constant_pj(chosen: Choices, energy: Energies) -> float:
    """Energy that no tiling changes: operations, and hops within a time step."""
    nest, plan = chosen.nest, chosen.plan
    flow = plan.dataflow
    steps = prod(flow.time_extents(nest.extents))
    hops = sum(
        nest.tensor(f.access.tensor).format.bits * (len(flow.units) - len(f.roots)) for f in plan.feeds
    ) + nest.tensor(nest.output.tensor).format.bits * sum(
        len(group) - 1 for stage in plan.drain.stages for group in stage.groups
    )
    return prod(nest.extents.values()) * energy.operation_pj + steps * hops * energy.hop_pj_per_bit
