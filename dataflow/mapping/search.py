"""The best mapping, with the proof that there is no better one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, factorial, inf, prod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dataflow.architecture import Plan
from dataflow.mapping.bound import (
    Bounds,
    Choices,
    Floats,
    Term,
    array_terms,
    bounds,
    choices,
    smallest_tiles,
    tile_terms,
    transfer_terms,
)
from dataflow.mapping.counts import Cost, Counts, cost
from dataflow.mapping.footprint import Cut, Footprints
from dataflow.mapping.machine import Machine, energies
from dataflow.mapping.mapping import MappingError, TiledMapping
from dataflow.mapping.model import count
from dataflow.mapping.space import Cuts, TileOrder, even_cuts, tile_orders
from workloads.nest import Nest

Objective = Literal["cycles", "energy", "energy-delay"]
OBJECTIVES: tuple[Objective, ...] = ("cycles", "energy", "energy-delay")

# Bounds and costs add the same numbers in another order.
_ROUNDING = 1e-9
_BEAM = 256
_ROWS = 1 << 17


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why a mapping is the best of its space.

    Attributes
    ----------
    value : float
        Objective of the mapping, in cycles, pJ or pJ cycles.
    lower_bound : float
        Least bound of all mappings that were not evaluated exactly, or ``value`` where that is less.
    mappings : int
        Size of the space: dataflows, tilings, orders and bufferings.
    bounded : int
        Mappings and sets of mappings whose bound was computed.
    evaluated : int
        Mappings that were evaluated exactly.
    """

    value: float
    lower_bound: float
    mappings: int
    bounded: int
    evaluated: int

    @property
    def proven(self) -> bool:
        """True if no mapping of the space is better, up to the rounding of sums."""
        return self.lower_bound >= self.value * (1 - 2 * _ROUNDING)


@dataclass(frozen=True, slots=True)
class Found:
    """The best mapping of a nest with its counts, its cost and its certificate."""

    mapping: TiledMapping
    counts: Counts
    cost: Cost
    certificate: Certificate


def objective_of(objective: Objective, found: Cost) -> tuple[float, float]:
    """What is minimised, and what decides between equals."""
    primary, secondary = _score(objective, found.cycles, found.energy_pj)
    return float(primary), float(secondary)


def _score(objective: Objective, cycles: Any, energy_pj: Any) -> tuple[Any, Any]:
    if objective == "cycles":
        return cycles, energy_pj
    if objective == "energy":
        return energy_pj, cycles
    return energy_pj * cycles, cycles


def best_mapping(
    nest: Nest,
    machine: Machine,
    plans: Sequence[Plan],
    *,
    objective: Objective = "energy-delay",
    cuts: Cuts = even_cuts,
) -> Found:
    """Find the mapping of least cost over all plans, cuts of every loop, tile orders, and one or two buffers.

    Depth-first branch and bound, group of loops by group, on thousands of partial tilings at a time. A bound multiplies
    the factors that are chosen with the least (or, where they count negatively, the greatest) of those that are not.

    Parameters
    ----------
    cuts
        Tiles to choose from: `even_cuts`, or `all_cuts` for every tile size.

    Raises
    ------
    MappingError
        No mapping fits; names the constraint that excludes all.
    """
    search = _Search(nest, machine, objective, cuts)
    faults = [fault for plan in plans if (fault := search.add(plan))]
    if len(faults) == len(plans):
        raise MappingError(nest.name, tuple(dict.fromkeys(faults)))
    return search.run()


@dataclass(frozen=True)
class _Branch:
    """One plan, one order and one kind of buffering; ``root`` is the bound over all of it."""

    plan: Plan
    chosen: Choices
    order: TileOrder
    bounds: Bounds
    double_buffered: bool
    root: tuple[float, float]


@dataclass(frozen=True)
class _Rows:
    """Partial tilings: the products of the factors chosen so far (term, row) and the choices (group, row)."""

    products: Floats
    picked: npt.NDArray[np.int64]

    @property
    def group(self) -> int:
        """The group that is chosen next."""
        return len(self.picked)

    def __len__(self) -> int:
        return len(self.products[0])

    def take(self, which: npt.NDArray[Any]) -> _Rows:
        return _Rows(self.products[:, which], self.picked[:, which])

    def expand(self, factors: Floats) -> _Rows:
        """Each row with each choice of the next group."""
        choices = factors.shape[1]
        products = (self.products[:, :, None] * factors[:, None, :]).reshape(len(factors), -1)
        picked = np.repeat(self.picked, choices, axis=1)
        return _Rows(products, np.vstack([picked, np.tile(np.arange(choices), len(self))]))


class _Search:
    def __init__(self, nest: Nest, machine: Machine, objective: Objective, cuts: Cuts) -> None:
        self.nest, self.machine, self.objective, self.cuts = nest, machine, objective, cuts
        self.energy = energies(machine, nest)
        self.footprints = Footprints(nest)
        self.branches: list[_Branch] = []
        self.tilings: dict[tuple[tuple[Cut, ...], ...], tuple[Choices, list[Term], list[list[Term]]]] = {}
        self.best: tuple[TiledMapping, Counts, Cost] | None = None
        self.score = (inf, inf)
        self.pruned = inf
        self.mappings = self.bounded = self.evaluated = 0

    def add(self, plan: Plan) -> str | None:
        """Add the mappings of one plan; says why, where none of them fits."""
        flow = plan.dataflow
        cuts = {loop.name: self.cuts(loop.extent, flow.size(loop.name)) for loop in self.nest.loops}
        key = tuple(cuts.values())
        if key not in self.tilings:
            chosen = choices(self.footprints, cuts)
            orders = [[*transfer_terms(chosen, order, self.energy)] for order in tile_orders(self.nest)]
            self.tilings[key] = chosen, [*tile_terms(chosen, self.energy)], orders
        chosen, tiles, orders = self.tilings[key]
        array = [*array_terms(chosen, plan, self.energy)]
        self.mappings += 2 * chosen.tilings * factorial(sum(len(c) > 1 for c in cuts.values()))
        for order, transfers in zip(tile_orders(self.nest), orders, strict=True):
            made = bounds(chosen, plan, [*tiles, *transfers, *array], self.energy)
            low = made.at(np.ones((made.least.shape[1], 1)), 0)
            for double_buffered in (True, False):
                branch = _Branch(plan, chosen, order, made, double_buffered, (0.0, 0.0))
                primary, secondary, fits = self._scores(branch, low)
                if fits[0]:
                    self.branches.append(replace(branch, root=(primary[0], secondary[0])))
        smallest = smallest_tiles(chosen)
        if sum(smallest.values()) <= 8 * self.machine.buffer_bytes:
            return None
        parts = ", ".join(f"{tensor} {ceil(bits / 8)}" for tensor, bits in smallest.items())
        return (
            f"the buffer of {self.machine.buffer_bytes} bytes excludes every mapping on dataflow {flow.name!r}: "
            f"the smallest tiles need {ceil(sum(smallest.values()) / 8)} bytes ({parts})"
        )

    def run(self) -> Found:
        """Search all branches, the most promising first."""
        self.branches.sort(key=lambda branch: branch.root)
        self._dive(self.branches[0])
        for branch in self.branches:
            self._explore(branch)
        assert self.best is not None
        value = self.score[0]
        certificate = Certificate(value, min(value, self.pruned), self.mappings, self.bounded, self.evaluated)
        return Found(*self.best, certificate)

    def _better(self, primary: Any, secondary: Any) -> Any:
        """True where a bound still allows a better mapping."""
        best, tie = self.score
        return (primary < best * (1 - _ROUNDING)) | (
            (primary <= best * (1 + _ROUNDING)) & (secondary < tie * (1 - _ROUNDING))
        )

    def _scores(self, branch: _Branch, low: Floats) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
        """Bounds on the objective, and which rows may fit into the buffer."""
        tile_bits, runs, end_bits, transfer_bits, energy_pj = low
        flow, machine = branch.plan.dataflow, self.machine
        steps = prod(flow.time_extents(self.nest.extents))
        array = steps + runs * (flow.most_skew_cycles + machine.timing.write_cycles)
        bits_per_cycle = 8 * machine.bandwidth_bytes_per_cycle
        transfer = np.ceil(transfer_bits / bits_per_cycle * (1 - _ROUNDING))
        if branch.double_buffered:
            ends = np.ceil(end_bits / bits_per_cycle * (1 - _ROUNDING))
            cycles = machine.latency_cycles + np.maximum(array + ends, transfer)
        else:
            cycles = array + transfer + runs * machine.latency_cycles
        copies = 2 if branch.double_buffered else 1
        primary, secondary = _score(self.objective, cycles, energy_pj)
        return primary, secondary, copies * tile_bits <= 8 * machine.buffer_bytes

    def _children(self, branch: _Branch, rows: _Rows) -> tuple[_Rows, Floats, Floats]:
        """Expansions that fit and may be better, best bound first."""
        grown = rows.expand(branch.bounds.factors[rows.group])
        self.bounded += len(grown)
        primary, secondary, fits = self._scores(branch, branch.bounds.at(grown.products, grown.group))
        open_ = fits & self._better(primary, secondary)
        closed = primary[fits & ~open_]
        if len(closed):
            self.pruned = min(self.pruned, float(closed.min()))
        kept = np.flatnonzero(open_)
        kept = kept[np.lexsort((secondary[kept], primary[kept]))]
        return grown.take(kept), primary[kept], secondary[kept]

    def _start(self, branch: _Branch) -> _Rows:
        return _Rows(np.ones((branch.bounds.least.shape[1], 1)), np.zeros((0, 1), np.int64))

    def _dive(self, branch: _Branch) -> None:
        """Evaluate the best leaf that a beam search reaches, so that bounds have something to beat."""
        rows = self._start(branch)
        for _ in branch.chosen.groups:
            rows, primary, secondary = self._children(branch, rows)
            rows = rows.take(np.arange(min(len(rows), _BEAM)))
        if len(rows):
            self._evaluate(branch, rows, primary[:1], secondary[:1])

    def _explore(self, branch: _Branch) -> None:
        """Visit every partial tiling that may hold a better mapping."""
        if not self._better(*branch.root):
            self.pruned = min(self.pruned, branch.root[0])
            return
        stack = [self._start(branch)]
        while stack:
            rows, primary, secondary = self._children(branch, stack.pop())
            if rows.group == len(branch.chosen.groups):
                self._evaluate(branch, rows, primary, secondary)
            elif len(rows):
                most = max(1, _ROWS // branch.bounds.factors[rows.group].shape[1])
                parts = [np.arange(first, min(first + most, len(rows))) for first in range(0, len(rows), most)]
                stack += [rows.take(part) for part in reversed(parts)]

    def _evaluate(self, branch: _Branch, rows: _Rows, primary: Floats, secondary: Floats) -> None:
        """Evaluate complete tilings exactly, best bound first, until no bound is better than what was found."""
        for row in range(len(primary)):
            if not self._better(primary[row], secondary[row]):
                self.pruned = min(self.pruned, float(primary[row]))
                return
            mapping = self._mapping(branch, rows.picked[:, row])
            counts = count(mapping, self.machine)
            self.evaluated += 1
            found = cost(counts, self.machine, self.energy, double_buffered=mapping.double_buffered)
            score = objective_of(self.objective, found)
            if self._better(*score):
                self.score, self.best = score, (mapping, counts, found)

    def _mapping(self, branch: _Branch, picked: npt.NDArray[np.int64]) -> TiledMapping:
        cuts = {
            loop: cut
            for options, k in zip(branch.chosen.cuts, picked, strict=True)
            for loop, cut in options[int(k)].items()
        }
        return TiledMapping(
            self.nest,
            branch.plan,
            tuple((loop, cuts[loop]) for loop in self.nest.loop_names),
            branch.order.order,
            branch.double_buffered,
        )
