"""The definition of a mapping's counts: walk every tile in order and look at what moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from math import gcd, prod

from dataflow.accesses import count_accesses
from dataflow.cycles import count_cycles
from dataflow.mapping.counts import Counts, OperandCounts
from dataflow.mapping.machine import Machine, result_bits
from dataflow.mapping.mapping import TiledMapping
from workloads.affine import Affine
from workloads.nest import Access, Nest


def walk(mapping: TiledMapping, machine: Machine) -> Counts:
    """Count by walking; time grows with the number of tiles and with the size of a tile.

    A tile of a tensor is fetched whenever its number changes, in the order of the walk. A tile of the output is stored
    whenever its number changes; it is fetched unless this is its first visit and the output has neither holes nor
    elements in two tiles.
    """
    nest, plan = mapping.nest, mapping.plan
    operands = [(feed.operand, feed.access) for feed in plan.feeds] + [(plan.drain.operand, nest.output)]
    names = [name for name, _ in operands]
    bits = {name: nest.tensor(access.tensor).format.bits for name, access in operands}
    totals = {
        name: dict.fromkeys(("tile", "fetched", "stored", "finished", "reads", "writes", "hops"), 0) for name in names
    }
    held: dict[str, tuple[int, ...]] = {}
    finished: dict[tuple[int, ...], int] = {}
    output_elements = 0
    runs = array_cycles = macs = first_bits = 0
    for numbers in product(*(range(mapping.cut[loop].count) for loop in mapping.order)):
        at = dict(zip(mapping.order, numbers, strict=True))
        ranges = {
            loop: range(at[loop] * cut.size, min((at[loop] + 1) * cut.size, cut.extent)) for loop, cut in mapping.cuts
        }
        sizes = {loop: len(ranges[loop]) for loop in ranges}
        for name, access in operands:
            key = tuple(at[loop] for loop in access.loops)
            if held.get(name) == key:
                continue
            elements = elements_touched(nest, access, ranges)
            totals[name]["tile"] = max(totals[name]["tile"], elements)
            if access is not nest.output:
                totals[name]["fetched"] += elements
            else:
                totals[name]["stored"] += output_elements
                output_elements = elements
                if key in finished or not nest.dense:
                    totals[name]["fetched"] += elements
                finished[key] = elements
            held[name] = key
        if not runs:
            first_bits = sum(bits[name] * totals[name]["fetched"] for name in names)
        runs += 1
        array_cycles += count_cycles(plan, sizes, machine.timing).total
        accesses = count_accesses(plan, sizes)
        macs += accesses.macs
        for feed, counted in zip(plan.feeds, accesses.feeds, strict=True):
            totals[feed.operand]["reads"] += counted.reads
            totals[feed.operand]["hops"] += counted.direct + counted.delayed
        again = any(ranges[loop].start for loop in nest.reduction_loops)
        drained = totals[plan.drain.operand]
        drained["writes"] += accesses.drain.emits
        drained["reads"] += accesses.drain.emits if again else accesses.drain.reads_back
        drained["hops"] += accesses.drain.spatial
    totals[plan.drain.operand]["stored"] += output_elements
    totals[plan.drain.operand]["finished"] = sum(finished.values()) if nest.dense else 0
    narrow = result_bits(machine, nest)
    return Counts(
        runs=runs,
        array_cycles=array_cycles,
        macs=macs,
        first_bits=first_bits,
        last_bits=output_elements * narrow,
        operands=tuple(
            OperandCounts(
                name, bits[name], finished_bits=narrow if name == plan.drain.operand else bits[name], **totals[name]
            )
            for name in names
        ),
    )


def elements_touched(nest: Nest, access: Access, ranges: Mapping[str, Iterable[int]]) -> int:
    """Elements of the box of arithmetic progressions that a transfer of one tile moves, coordinate by coordinate."""
    shape = nest.tensor(access.tensor).shape
    return prod(len(_coordinates(index, ranges, size)) for index, size in zip(access.index, shape, strict=True))


def _coordinates(index: Affine, ranges: Mapping[str, Iterable[int]], shape: int) -> list[int]:
    points = {
        index.value(dict(zip(index.loops, point, strict=True)))
        for point in product(*(ranges[loop] for loop in index.loops))
    }
    moving = [c for loop, c in index.terms if len(list(ranges[loop])) > 1]
    return [c for c in range(min(points), max(points) + 1, gcd(*moving) or 1) if 0 <= c < shape]
