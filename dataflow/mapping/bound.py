"""Lower bounds of all quantities that decide between mappings, for many mappings at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

from dataflow.architecture import Plan
from dataflow.feed import Feed, minus
from dataflow.mapping.footprint import Cut, Footprints, GroupFootprint, constant_elements
from dataflow.mapping.machine import Energies
from dataflow.mapping.space import TileOrder
from dataflow.reuse import Step
from workloads.nest import Access, Nest

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
    groups: tuple[tuple[str, ...], ...]
    cuts: tuple[tuple[Cuts, ...], ...]
    footprints: tuple[tuple[tuple[GroupFootprint, ...], ...], ...]

    @property
    def tilings(self) -> int:
        return prod(len(cuts) for cuts in self.cuts)


def choices(footprints: Footprints, cuts: Mapping[str, tuple[Cut, ...]]) -> Choices:
    """Combine the cuts of single loops into choices of groups, fewest choices first."""
    groups = sorted(footprints.groups, key=lambda g: prod(len(cuts[loop]) for loop in g))
    combined = [tuple(product(*(cuts[n] for n in g))) for g in groups]
    positions = range(len(footprints.accesses))
    return Choices(
        footprints.nest,
        tuple(groups),
        tuple(
            tuple(dict(zip(g, chosen, strict=True)) for chosen in options)
            for g, options in zip(groups, combined, strict=True)
        ),
        tuple(
            tuple(tuple(footprints.of(p, g, chosen) for p in positions) for chosen in options)
            for g, options in zip(groups, combined, strict=True)
        ),
    )


def smallest_tiles(chosen: Choices) -> dict[str, int]:
    """Bits of the smallest tile of each tensor; some choice has all of them at once."""
    found: Counter[str] = Counter()
    for position, access in enumerate((*chosen.nest.inputs, chosen.nest.output)):
        least = prod(min(prints[position].most for prints in options) for options in chosen.footprints)
        found[access.tensor] += _bits(chosen.nest, access) * least
    return dict(found)


def _bits(nest: Nest, access: Access) -> int:
    """Bits of an element, times the elements in dimensions that no loop indexes."""
    return nest.tensor(access.tensor).format.bits * constant_elements(nest, access)


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
    constant : array (quantity, 1)
    weights : tuple of array (quantity, term)
        For each number of groups that are chosen: weights of the products so far, times the least factors (the
        greatest, where a weight is negative) of the groups that are not.
    factors : tuple of array (term, choice)
        One array a group.
    """

    constant: Floats
    weights: tuple[Floats, ...]
    factors: tuple[Floats, ...]

    @property
    def terms(self) -> int:
        return len(self.weights[0].T)

    def at(self, products: Floats, group: int) -> Floats:
        """Lower bounds (quantity, row) where factors of the groups before ``group`` are multiplied in.

        Exact once all groups are, but for idle cycles of spilled sums and for links that the control skew switches off
        at small sizes, which only add.
        """
        low: Floats = self.weights[group] @ products
        low += self.constant
        return low


def merged(terms: Iterable[Term]) -> list[Term]:
    """Terms of equal factors as one: half as many, for most arrays."""
    found: dict[tuple[bytes, ...], Term] = {}
    for term in terms:
        key = tuple(factor.tobytes() for factor in term.factors)
        weights = found[key].weights if key in found else ()
        found[key] = Term((*weights, *term.weights), term.factors)
    return list(found.values())


def bounds(chosen: Choices, plan: Plan, terms: Sequence[Term], energy: Energies) -> Bounds:
    """Sum terms up as matrices."""
    index = {name: k for k, name in enumerate(QUANTITIES)}
    total = np.zeros((len(QUANTITIES), len(terms)))
    for column, term in enumerate(terms):
        for name, weight in term.weights:
            total[index[name], column] += weight
    factors = [np.array([term.factors[g] for term in terms]) for g in range(len(chosen.groups))]
    weights = [total]
    for factor in reversed(factors):
        extreme = np.where(weights[0] > 0, factor.min(axis=1), factor.max(axis=1))
        weights.insert(0, weights[0] * extreme)
    constant = np.zeros((len(QUANTITIES), 1))
    constant[index["energy_pj"]] = _constant_pj(chosen.nest, plan, energy)
    return Bounds(constant, tuple(weights), tuple(factors))


def _factors(chosen: Choices, factor: Callable[[str, Cut], float]) -> tuple[Floats, ...]:
    """Products of a factor a loop."""
    return tuple(
        np.array([prod(factor(loop, cut) for loop, cut in cuts.items()) for cuts in options], float)
        for options in chosen.cuts
    )


def _footprints(chosen: Choices, position: int, which: str) -> tuple[Floats, ...]:
    return tuple(
        np.array([getattr(prints[position], which) for prints in options], float) for options in chosen.footprints
    )


def tile_terms(chosen: Choices, energy: Energies, narrow: int) -> Iterator[Term]:
    """What does not depend on order and array: room in the buffer, the first and last transfer, the number of runs.

    ``narrow`` is the width of a finished sum.
    """
    nest = chosen.nest
    yield Term((("run_cycles", 1.0),), _factors(chosen, lambda n, c: c.count))
    for position, access in enumerate((*nest.inputs, nest.output)):
        bits, element = _bits(nest, access), nest.tensor(access.tensor).format.bits
        yield Term((("tile_bits", bits),), _footprints(chosen, position, "most"))
        if access is not nest.output or not nest.dense:
            yield Term((("end_bits", bits),), _footprints(chosen, position, "first"))
        if access is nest.output:
            yield Term((("end_bits", bits * narrow / element),), _footprints(chosen, position, "last"))
            if nest.dense:
                # The first visit of a tile fetches nothing, the last one stores narrow sums.
                saved = bits * (2 - narrow / element)
                saved_pj = saved * energy.off_chip_pj_per_bit + bits * energy.buffer_write_pj_per_bit
                weights = (("transfer_bits", -saved), ("energy_pj", -saved_pj))
                yield Term(weights, _footprints(chosen, position, "total"))


def transfer_terms(chosen: Choices, order: TileOrder, energy: Energies) -> Iterator[Term]:
    """What moves between the buffer and the off-chip memory in one order of tile loops."""
    nest = chosen.nest
    fetch_pj = energy.off_chip_pj_per_bit + energy.buffer_write_pj_per_bit
    store_pj = energy.off_chip_pj_per_bit + energy.buffer_read_pj_per_bit
    for position, (access, moved) in enumerate(zip((*nest.inputs, nest.output), order.moved, strict=True)):
        bits = _bits(nest, access)
        total, again = _footprints(chosen, position, "total"), _factors(chosen, _count_in(moved))
        factors = tuple(t * a for t, a in zip(total, again, strict=True))
        if access is nest.output:
            yield Term((("transfer_bits", 2 * bits), ("energy_pj", bits * (fetch_pj + store_pj))), factors)
        else:
            yield Term((("transfer_bits", bits), ("energy_pj", bits * fetch_pj)), factors)


def _count_in(loops: frozenset[str]) -> Callable[[str, Cut], float]:
    return lambda n, c: c.count if n in loops else 1


def array_terms(chosen: Choices, plan: Plan, energy: Energies) -> Iterator[Term]:
    """Accesses of the buffer by the array: an element that stays is read once a run, links do not cross runs."""
    nest, flow, drain = chosen.nest, plan.dataflow, plan.drain
    steps = dict(zip(flow.order, flow.time_extents(nest.extents), strict=True))

    def outside(held: int) -> frozenset[str]:
        return frozenset(flow.order[: len(flow.order) - held])

    def stepped(loops: frozenset[str]) -> tuple[Floats, ...]:
        return _factors(chosen, lambda n, c: steps[n] if n in loops else c.count)

    for feed in plan.feeds:
        bits, loops = nest.tensor(feed.access.tensor).format.bits, outside(feed.held)
        yield Term((("energy_pj", bits * energy.buffer_read_pj_per_bit * len(feed.roots)),), stepped(loops))
        saved_pj = bits * (energy.hop_pj_per_bit - energy.buffer_read_pj_per_bit)
        for times, members in _overlaps(feed, plan):
            yield Term((("energy_pj", saved_pj * times),), _factors(chosen, _covered(members, plan, loops)))
    bits, loops = nest.tensor(drain.access.tensor).format.bits * len(drain.collectors), outside(drain.held)
    read_pj, write_pj = bits * energy.buffer_read_pj_per_bit, bits * energy.buffer_write_pj_per_bit
    yield Term((("energy_pj", read_pj + write_pj),), stepped(loops))
    if drain.start != "memory":
        # The first visit of an element starts from zero.
        later = frozenset(nest.reduction_loops)
        firsts = _factors(chosen, lambda n, c: 1 if n in later else steps[n] if n in loops else c.count)
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


def _covered(members: tuple[Step, ...], plan: Plan, loops: frozenset[str]) -> Callable[[str, Cut], float]:
    """Time steps of one loop, over all its tiles, whose producers over all ``members`` lie in the same tile."""
    flow = plan.dataflow
    reach = {
        loop: max(0, *(m.time[k] for m in members)) - min(0, *(m.time[k] for m in members))
        for k, loop in enumerate(flow.order)
    }

    def inside(loop: str, cut: Cut) -> float:
        if loop not in loops:
            return cut.count
        axis = flow.size(loop)
        return sum(times * max(0, -(-size // axis) - reach[loop]) for size, times in cut.kinds)

    return inside


def _constant_pj(nest: Nest, plan: Plan, energy: Energies) -> float:
    """Energy that no tiling changes: operations, and hops within a time step."""
    flow = plan.dataflow
    steps = prod(flow.time_extents(nest.extents))
    hops = sum(
        nest.tensor(f.access.tensor).format.bits * (len(flow.units) - len(f.roots)) for f in plan.feeds
    ) + nest.tensor(nest.output.tensor).format.bits * sum(
        len(group) - 1 for stage in plan.drain.stages for group in stage.groups
    )
    return prod(nest.extents.values()) * energy.operation_pj + steps * hops * energy.hop_pj_per_bit
