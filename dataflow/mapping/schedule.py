"""Cycles of one schedule that a machine can follow: an upper bound beside the lower bound of the cost."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt

from dataflow.cycles import count_cycles
from dataflow.mapping.footprint import constant_elements, loop_groups, tile_elements
from dataflow.mapping.machine import Machine, result_bits
from dataflow.mapping.mapping import TiledMapping
from workloads.nest import Access

Integers = npt.NDArray[np.int64]

# Walking is for what a person looks at; larger mappings have no schedule computed.
MOST_RUNS = 1 << 21


def scheduled_cycles(mapping: TiledMapping, machine: Machine) -> int | None:
    """Cycles where transfers run exactly one tile ahead of the array, phase by phase.

    In each phase the array runs one tile while the off-chip memory, after its latency, takes the results of the tile
    before and gives the operands of the tile after; the phase ends when both are done. With one buffer the phases of a
    tile follow each other.

    Returns
    -------
    int or None
        None where the mapping has more runs than are worth walking.
    """
    if mapping.runs > MOST_RUNS:
        return None
    # Tile numbers in the order of the walk, one row a loop.
    counts = [mapping.cut[loop].count for loop in mapping.order]
    numbers = dict(zip(mapping.order, np.indices(counts).reshape(len(counts), -1), strict=True))
    array = _array_cycles(mapping, machine, numbers)
    loads, stores = _transfers(mapping, machine, numbers)
    bits_per_cycle = 8 * machine.bandwidth_bytes_per_cycle
    first, last = (int(np.ceil(bits / bits_per_cycle)) for bits in (loads[0], stores[-1]))
    if not mapping.double_buffered:
        moved = int(np.ceil((loads.sum() + stores.sum()) / bits_per_cycle))
        return int(array.sum()) + moved + mapping.runs * machine.latency_cycles
    beside = np.append(loads[1:], 0) + np.append([0], stores[:-1])
    transfers = np.ceil(beside / bits_per_cycle).astype(np.int64) + machine.latency_cycles
    return machine.latency_cycles + first + int(np.maximum(array, transfers).sum()) + last


def _array_cycles(mapping: TiledMapping, machine: Machine, numbers: dict[str, Integers]) -> Integers:
    """Of every run; one count a kind of tile."""
    uneven = [(loop, cut) for loop, cut in mapping.cuts if cut.last != cut.size]
    kind = np.zeros(mapping.runs, np.int64)
    for k, (loop, cut) in enumerate(uneven):
        kind += (numbers[loop] == cut.count - 1).astype(np.int64) << k
    cycles = []
    for which in range(1 << len(uneven)):
        sizes = {loop: cut.size for loop, cut in mapping.cuts}
        sizes |= {loop: cut.last for k, (loop, cut) in enumerate(uneven) if which >> k & 1}
        cycles.append(count_cycles(mapping.plan, sizes, machine.timing).total)
    return np.array(cycles)[kind]


def _transfers(mapping: TiledMapping, machine: Machine, numbers: dict[str, Integers]) -> tuple[Integers, Integers]:
    """Bits that each run needs loaded before it, and leaves to be stored after it."""
    nest = mapping.nest
    loads, stores = np.zeros(mapping.runs, np.int64), np.zeros(mapping.runs, np.int64)
    for access in (*nest.inputs, nest.output):
        bits = nest.tensor(access.tensor).format.bits
        key, elements = _tiles(mapping, access, numbers)
        comes = np.append([True], key[1:] != key[:-1])
        if access is not nest.output:
            loads += bits * elements * comes
            continue
        goes = np.append(comes[1:], [True])
        first, last = np.zeros(mapping.runs, bool), np.zeros(mapping.runs, bool)
        first[np.unique(key, return_index=True)[1]] = True
        last[mapping.runs - 1 - np.unique(key[::-1], return_index=True)[1]] = True
        loads += bits * elements * (comes & ~first if nest.dense else comes)
        stores += elements * goes * np.where(last, result_bits(machine, nest), bits)
    return loads, stores


def _tiles(mapping: TiledMapping, access: Access, numbers: dict[str, Integers]) -> tuple[Integers, Integers]:
    """For every run the number of the access's tile and the elements that it moves."""
    key = np.zeros(mapping.runs, np.int64)
    elements = np.full(mapping.runs, constant_elements(mapping.nest, access), np.int64)
    for group in loop_groups(mapping.nest):
        loops = [loop for loop in group if loop in access.loops]
        cuts = {loop: mapping.cut[loop] for loop in loops}
        if not loops:
            continue
        within = np.zeros(mapping.runs, np.int64)
        for loop in loops:
            within = within * cuts[loop].count + numbers[loop]
            key = key * cuts[loop].count + numbers[loop]
        table = [
            tile_elements(mapping.nest, access, cuts, dict(zip(loops, tiles, strict=True)))
            for tiles in product(*(range(cut.count) for cut in cuts.values()))
        ]
        elements *= np.array(table)[within]
    return key, elements
