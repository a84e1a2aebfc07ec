"""Random mappings of random nests, drawn from a seed."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace

from designs import random_design

from dataflow import Dataflow, DataflowError, Plan, Timing, build
from dataflow.mapping import Machine, TiledMapping
from workloads.nest import Nest


def random_mapping(seed: int) -> tuple[TiledMapping, Machine]:
    """Random tiles, most of which do not divide the loop; random order, buffers, bandwidth and pipeline."""
    nest, dataflow, _ = random_design(seed)
    plan = build(nest, replace(dataflow, tile=())).plans[0]
    r = random.Random(-seed)
    tiles = {}
    for loop, extent in nest.extents.items():
        axis = dataflow.size(loop)
        tiles[loop] = r.choice([*range(axis, extent + 1, axis), extent])
    order = list(nest.loop_names)
    r.shuffle(order)
    machine = Machine(
        r.randint(1, 4096),
        r.choice((0.5, 1.0, 3.0, 16.0)),
        r.choice((0, 7)),
        Timing(write_cycles=r.randint(1, 6), hazard_cycles=r.randint(0, 5)),
        result_bits=r.choice((None, 4, 8)),
    )
    return TiledMapping.of(nest, plan, tiles, order=tuple(order), double_buffered=r.random() < 0.5), machine


def random_plans(seed: int) -> tuple[Nest, tuple[Plan, ...]]:
    """A nest of at most three loops, small enough to try every mapping of it, on two arrays."""
    r = random.Random(seed)
    while True:
        nest, dataflow, _ = random_design(r.randrange(1 << 30))
        if len(nest.loops) <= 3:
            break
    order = list(nest.loop_names)
    r.shuffle(order)
    axes = r.sample(order, r.randint(1, min(2, len(order))))
    other = Dataflow.of(nest, {loop: r.choice((1, 2, 3)) for loop in axes}, order=tuple(order))
    plans = []
    for flow in (replace(dataflow, tile=()), other):
        # Two units of an array may meet in one element of an output such as O[i + j].
        with suppress(DataflowError):
            plans.append(build(nest, flow).plans[0])
    return nest, tuple(plans)
