"""The best mapping, with the proof that there is no better one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import heappop, heappush
from math import ceil, factorial, inf, prod
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow.architecture import Plan, build
from dataflow.dataflow import Dataflow, DataflowError
from dataflow.mapping.bound import (
    Bounds,
    Choices,
    Floats,
    Term,
    array_terms,
    bounds,
    choices,
    merged,
    smallest_tiles,
    tile_terms,
    transfer_terms,
)
from dataflow.mapping.counts import Cost, Counts, cost
from dataflow.mapping.footprint import Cut, Footprints, least_elements
from dataflow.mapping.machine import Machine, energies, result_bits
from dataflow.mapping.mapping import MappingError, TiledMapping
from dataflow.mapping.model import count
from dataflow.mapping.objective import ROUNDING, Certificate, Found, Objective, score
from dataflow.mapping.space import Cuts, TileOrder, even_cuts, served_cuts, tile_orders
from workloads.nest import Nest

_BEAM = 256
# Partial tilings at a time: their products stay in the second-level cache.
_ROWS = 1 << 13


def best_mapping(
    nest: Nest,
    machine: Machine,
    arrays: Sequence[Plan | Dataflow],
    *,
    objective: Objective = "energy-delay",
    cuts: Cuts = even_cuts,
) -> Found:
    """Find the mapping of least cost over all arrays, cuts of every loop, tile orders, and one or two buffers.

    Best-first over arrays, orders and buffers, then depth-first over groups of loops, thousands of partial tilings at a
    time. A bound multiplies the factors that are chosen with the least (or, where they count negatively, the greatest)
    of those that are not. A dataflow becomes a plan only if its time steps alone do not exclude it.

    Parameters
    ----------
    arrays
        A dataflow is hardware that can still be made to fit the tiles; a plan is hardware that exists, with its limits.
    cuts
        Tiles to choose from: `even_cuts`, or `all_cuts` for every tile size.

    Raises
    ------
    MappingError
        No mapping fits; names the constraint that excludes all.
    """
    search = _Search(nest, machine, objective, cuts)
    search.run(arrays)
    if search.best is None:
        raise MappingError(nest.name, search.reasons())
    certificate = Certificate(
        value=search.score[0],
        lower_bound=min(search.score[0], search.closed),
        dataflows=len(arrays),
        mappings=search.mappings,
        bounded=search.bounded,
        evaluated=search.evaluated,
    )
    return Found(*search.best, certificate)


# Studies map the same layers onto many machines; building an array takes longer than mapping onto it.
@lru_cache(maxsize=1024)
def build_once(nest: Nest, dataflow: Dataflow) -> Plan:
    """Build a plan, or remember it."""
    return build(nest, dataflow).plans[0]


@dataclass(frozen=True)
class _Branch:
    """One plan, one order and one kind of buffering."""

    plan: Plan
    chosen: Choices
    order: TileOrder
    bounds: Bounds
    double_buffered: bool


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
        self.orders = tile_orders(nest)
        self.tilings: dict[tuple[tuple[Cut, ...], ...], tuple[Choices, list[Term], list[list[Term]]]] = {}
        self.best: tuple[TiledMapping, Counts, Cost] | None = None
        self.score = (inf, inf)
        self.closed = inf
        self.faults: list[str] = []
        self.too_large: list[tuple[int, str]] = []
        self.mappings = self.bounded = self.evaluated = 0

    def run(self, arrays: Sequence[Plan | Dataflow]) -> None:
        """Take arrays and their branches in the order of their bounds."""
        heap: list[tuple[tuple[float, float], int, Plan | Dataflow | _Branch]] = []
        least = self._least_costs()
        for array in arrays:
            heappush(heap, (self._root(array, *least), len(heap), array))
        number = len(heap)
        while heap:
            root, _, item = heappop(heap)
            if not self._better(*root):
                self._close(np.array(root[:1]))
                continue
            if isinstance(item, _Branch):
                if self.best is None:
                    self._dive(item)
                self._explore(item)
                continue
            for branch, bound in self._branches(item):
                heappush(heap, (bound, number, branch))
                number += 1

    def reasons(self) -> tuple[str, ...]:
        """Why nothing was found, one sentence a constraint."""
        faults = tuple(dict.fromkeys(self.faults))
        if not self.too_large:
            return faults
        least_bytes, where = min(self.too_large, key=lambda need: need[0])
        return (
            *faults,
            f"the buffer of {self.machine.buffer_bytes} bytes excludes every mapping: "
            f"the smallest tiles need {least_bytes} bytes {where}",
        )

    def _least_costs(self) -> tuple[float, float]:
        """Off-chip cycles and energy that any mapping on any array needs: each element moves once."""
        nest, energy = self.nest, self.energy
        bits = [nest.tensor(a.tensor).format.bits * least_elements(nest, a) for a in (*nest.inputs, nest.output)]
        fetched, stored = sum(bits[:-1]), bits[-1]
        width = nest.tensor(nest.output.tensor).format.bits
        moved = fetched + stored * result_bits(self.machine, nest) / width
        pj = nest.points * energy.operation_pj + moved * energy.off_chip_pj_per_bit
        pj += fetched * energy.buffer_write_pj_per_bit + stored * energy.buffer_read_pj_per_bit
        cycles = moved / (8 * self.machine.bandwidth_bytes_per_cycle)
        return cycles * (1 - ROUNDING), pj * (1 - ROUNDING)

    def _root(self, array: Plan | Dataflow, transfer_cycles: float, energy_pj: float) -> tuple[float, float]:
        flow = array if isinstance(array, Dataflow) else array.dataflow
        steps = prod(flow.time_extents(self.nest.extents))
        return score(self.objective, max(steps, transfer_cycles), energy_pj)

    def _branches(self, array: Plan | Dataflow) -> list[tuple[_Branch, tuple[float, float]]]:
        """All orders and bufferings of one array of which some tiling fits, each with its bound."""
        try:
            plan = build_once(self.nest, array) if isinstance(array, Dataflow) else array
        except DataflowError as error:
            self.faults += [f"dataflow {error.dataflow!r}: {fault}" for fault in error.faults]
            return []
        flow = plan.dataflow
        cuts = {loop.name: self.cuts(loop.extent, flow.size(loop.name)) for loop in self.nest.loops}
        if isinstance(array, Plan):
            cuts, faults = served_cuts(array, self.nest, cuts)
            if faults:
                self.faults += faults
                return []
        key = tuple(cuts.values())
        if key not in self.tilings:
            chosen = choices(self.footprints, cuts)
            transfers = [[*transfer_terms(chosen, order, self.energy)] for order in self.orders]
            self.tilings[key] = (
                chosen,
                [*tile_terms(chosen, self.energy, result_bits(self.machine, self.nest))],
                transfers,
            )
        chosen, tiles, transfers = self.tilings[key]
        fixed = merged([*tiles, *array_terms(chosen, plan, self.energy)])
        self.mappings += 2 * chosen.tilings * factorial(sum(len(c) > 1 for c in cuts.values()))
        found = []
        for order, moved in zip(self.orders, transfers, strict=True):
            made = bounds(chosen, plan, [*fixed, *moved], self.energy)
            low = made.at(np.ones((made.terms, 1)), 0)
            for double_buffered in (True, False):
                branch = _Branch(plan, chosen, order, made, double_buffered)
                primary, secondary, fits = self._scores(branch, low)
                if fits[0]:
                    found.append((branch, (float(primary[0]), float(secondary[0]))))
        if not found:
            smallest = smallest_tiles(chosen)
            parts = ", ".join(f"{tensor} {ceil(bits / 8)}" for tensor, bits in smallest.items())
            self.too_large.append((ceil(sum(smallest.values()) / 8), f"on dataflow {flow.name!r} ({parts})"))
        return found

    def _better(self, primary: Any, secondary: Any) -> Any:
        """True where a bound still allows a better mapping."""
        best, tie = self.score
        return (primary < best * (1 - ROUNDING)) | (
            (primary <= best * (1 + ROUNDING)) & (secondary < tie * (1 - ROUNDING))
        )

    def _scores(self, branch: _Branch, low: Floats) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
        """Bounds on the objective, and which rows may fit into the buffer."""
        tile_bits, runs, end_bits, transfer_bits, energy_pj = low
        flow, machine = branch.plan.dataflow, self.machine
        steps = prod(flow.time_extents(self.nest.extents))
        array = steps + runs * (flow.most_skew_cycles + machine.timing.write_cycles)
        waiting = runs * machine.latency_cycles
        bits_per_cycle = 8 * machine.bandwidth_bytes_per_cycle
        transfer = np.ceil(transfer_bits / bits_per_cycle * (1 - ROUNDING))
        if branch.double_buffered:
            ends = np.ceil(end_bits / bits_per_cycle * (1 - ROUNDING))
            cycles = machine.latency_cycles + np.maximum(array + ends, transfer + waiting)
        else:
            cycles = array + transfer + waiting
        copies = 2 if branch.double_buffered else 1
        primary, secondary = score(self.objective, cycles, energy_pj)
        return primary, secondary, copies * tile_bits <= 8 * machine.buffer_bytes

    def _children(self, branch: _Branch, rows: _Rows) -> tuple[_Rows, Floats, Floats]:
        """Expansions that fit and may be better, with their bounds."""
        grown = rows.expand(branch.bounds.factors[rows.group])
        self.bounded += len(grown)
        primary, secondary, fits = self._scores(branch, branch.bounds.at(grown.products, grown.group))
        open_ = fits & self._better(primary, secondary)
        self._close(primary[fits & ~open_])
        kept = np.flatnonzero(open_)
        return grown.take(kept), primary[kept], secondary[kept]

    def _start(self, branch: _Branch) -> _Rows:
        return _Rows(np.ones((branch.bounds.terms, 1)), np.zeros((0, 1), np.int64))

    def _dive(self, branch: _Branch) -> None:
        """Evaluate the best leaf that a beam search reaches, so that bounds have something to beat."""
        rows = self._start(branch)
        for _ in branch.chosen.groups:
            rows, primary, secondary = self._children(branch, rows)
            best = np.lexsort((secondary, primary))[:_BEAM]
            rows, primary, secondary = rows.take(best), primary[best], secondary[best]
        self._evaluate(branch, rows.take(np.arange(1)), primary[:1], secondary[:1])

    def _explore(self, branch: _Branch) -> None:
        """Visit every partial tiling that may hold a better mapping."""
        stack = [self._start(branch)]
        while stack:
            rows, primary, secondary = self._children(branch, stack.pop())
            if rows.group == len(branch.chosen.groups):
                self._evaluate(branch, rows, primary, secondary)
            elif len(rows):
                rows = rows.take(np.lexsort((secondary, primary)))
                most = max(1, _ROWS // branch.bounds.factors[rows.group].shape[1])
                parts = [np.arange(first, min(first + most, len(rows))) for first in range(0, len(rows), most)]
                stack += [rows.take(part) for part in reversed(parts)]

    def _evaluate(self, branch: _Branch, rows: _Rows, primary: Floats, secondary: Floats) -> None:
        """Evaluate complete tilings exactly, best bound first, until no bound is better than what was found."""
        left = np.arange(len(rows))
        while len(left):
            open_ = self._better(primary[left], secondary[left])
            self._close(primary[left[~open_]])
            left = left[open_]
            if not len(left):
                return
            least = left[primary[left] == primary[left].min()]
            row = least[secondary[least].argmin()]
            left = left[left != row]
            mapping = self._mapping(branch, rows.picked[:, row])
            counts = count(mapping, self.machine)
            self.evaluated += 1
            found = cost(counts, self.machine, self.energy, double_buffered=mapping.double_buffered)
            reached = score(self.objective, found.cycles, found.energy_pj)
            if self._better(*reached):
                self.score, self.best = reached, (mapping, counts, found)

    def _close(self, bounds: Floats) -> None:
        """Remember the least bound of what is left out."""
        if len(bounds):
            self.closed = min(self.closed, float(bounds.min()))

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
