"""A mapping's counts in closed form: sums over kinds of tiles, never over tiles."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod

from dataflow.accesses import count_accesses
from dataflow.cycles import count_cycles
from dataflow.mapping.counts import Counts, OperandCounts
from dataflow.mapping.footprint import constant_elements, group_footprint, loop_groups
from dataflow.mapping.machine import Machine, result_bits
from dataflow.mapping.mapping import TiledMapping
from workloads.nest import Access


def count(mapping: TiledMapping, machine: Machine) -> Counts:
    """Count without walking; equal to `walk` for every mapping.

    What tiles touch is a product over groups of loops, so its sum over all tiles is a product of sums. A tile is moved
    once for every combination of its own loops and of the loops outside the innermost of these that has several tiles.
    """
    nest, plan = mapping.nest, mapping.plan
    totals = {
        name: dict.fromkeys(("reads", "writes", "hops"), 0)
        for name in (*(feed.operand for feed in plan.feeds), plan.drain.operand)
    }
    array_cycles = macs = 0
    for sizes, times, again in _tile_kinds(mapping):
        array_cycles += times * count_cycles(plan, sizes, machine.timing).total
        accesses = count_accesses(plan, sizes)
        macs += times * accesses.macs
        for feed, counted in zip(plan.feeds, accesses.feeds, strict=True):
            totals[feed.operand]["reads"] += times * counted.reads
            totals[feed.operand]["hops"] += times * (counted.direct + counted.delayed)
        drained = totals[plan.drain.operand]
        drained["writes"] += times * accesses.drain.emits
        drained["reads"] += times * (accesses.drain.emits if again else accesses.drain.reads_back)
        drained["hops"] += times * accesses.drain.spatial
    operands, first_bits, last_bits = [], 0, 0
    for name, access in (*((f.operand, f.access) for f in plan.feeds), (plan.drain.operand, nest.output)):
        parts = [group_footprint(nest, access, {n: mapping.cut[n] for n in group}) for group in loop_groups(nest)]
        constant = constant_elements(nest, access)
        once = constant * prod(part.total for part in parts)
        moved = once * visits(mapping, access)
        first = constant * prod(part.first for part in parts)
        last = constant * prod(part.last for part in parts)
        tile = constant * prod(part.most for part in parts)
        bits = nest.tensor(access.tensor).format.bits
        is_output = access is nest.output
        if is_output:
            last_bits = last * result_bits(machine, nest)
        if not is_output or not nest.dense:
            first_bits += first * bits
        operands.append(
            OperandCounts(
                name=name,
                bits=bits,
                tile=tile,
                fetched=moved if not is_output or not nest.dense else moved - once,
                stored=moved if is_output else 0,
                finished=once if is_output and nest.dense else 0,
                finished_bits=result_bits(machine, nest) if is_output else bits,
                **totals[name],
            )
        )
    return Counts(mapping.runs, array_cycles, macs, first_bits, last_bits, tuple(operands))


def visits(mapping: TiledMapping, access: Access) -> int:
    """How often each tile of an access is moved: trips of the other loops outside its innermost loop."""
    own = [k for k, loop in enumerate(mapping.order) if loop in access.loops and mapping.cut[loop].count > 1]
    outside = mapping.order[: own[-1]] if own else ()
    return prod(mapping.cut[loop].count for loop in outside if loop not in access.loops)


def _tile_kinds(mapping: TiledMapping) -> Iterator[tuple[dict[str, int], int, bool]]:
    """Sizes of a tile, how often they occur, and whether such tiles add to sums of earlier ones."""
    pieces = []
    for loop, cut in mapping.cuts:
        if loop not in mapping.nest.reduction_loops:
            pieces.append([(size, times, False) for size, times in cut.kinds])
            continue
        later = [(size, times - (size == cut.size), True) for size, times in cut.kinds]
        pieces.append([(cut.size, 1, False), *(piece for piece in later if piece[1])])
    for chosen in product(*pieces):
        sizes = {loop: size for loop, (size, _, _) in zip(mapping.nest.loop_names, chosen, strict=True)}
        yield sizes, prod(times for _, times, _ in chosen), any(again for _, _, again in chosen)
