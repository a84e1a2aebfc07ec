"""The schedule against a walk of its phases, and against the bound of the cost."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import ceil

import pytest
from mappings import random_mapping

from dataflow import count_cycles
from dataflow.mapping import Machine, TiledMapping, cost, count, energies, scheduled_cycles
from dataflow.mapping.machine import result_bits
from dataflow.mapping.walk import elements_touched


def phases(mapping: TiledMapping, machine: Machine) -> int:
    """One phase after the other, with what is on chip kept in a dictionary."""
    nest = mapping.nest
    array, loads, stores = [], [], []
    held: dict[int, tuple[int, ...]] = {}
    elements = {}
    for numbers in product(*(range(mapping.cut[loop].count) for loop in mapping.order)):
        at = dict(zip(mapping.order, numbers, strict=True))
        ranges = {
            loop: range(at[loop] * cut.size, min((at[loop] + 1) * cut.size, cut.extent)) for loop, cut in mapping.cuts
        }
        array.append(count_cycles(mapping.plan, {n: len(r) for n, r in ranges.items()}, machine.timing).total)
        loads.append(0)
        stores.append([])
        for position, access in enumerate((*nest.inputs, nest.output)):
            key = tuple(at[loop] for loop in access.loops)
            if held.get(position) == key:
                continue
            bits = nest.tensor(access.tensor).format.bits
            touched = elements_touched(nest, access, ranges)
            if access is not nest.output:
                loads[-1] += bits * touched
            else:
                if position in held:
                    stores[-2].append((held[position], bits))
                if key in elements or not nest.dense:
                    loads[-1] += bits * touched
                elements[key] = touched
            held[position] = key
    stores[-1].append((held[len(nest.inputs)], nest.tensor(nest.output.tensor).format.bits))
    flat = [(run, key) for run, leaving in enumerate(stores) for key, _ in leaving]
    final = dict((key, run) for run, key in flat)
    stored = [
        sum(elements[key] * (result_bits(machine, nest) if final[key] == run else bits) for key, bits in leaving)
        for run, leaving in enumerate(stores)
    ]
    rate = 8 * machine.bandwidth_bytes_per_cycle
    if not mapping.double_buffered:
        return sum(array) + ceil((sum(loads) + sum(stored)) / rate) + len(array) * machine.latency_cycles
    total = machine.latency_cycles + ceil(loads[0] / rate)
    for run, cycles in enumerate(array):
        beside = (loads[run + 1] if run + 1 < len(array) else 0) + (stored[run - 1] if run else 0)
        total += max(cycles, ceil(beside / rate) + machine.latency_cycles)
    return total + ceil(stored[-1] / rate)


@pytest.mark.parametrize("seed", range(150))
def test_schedule_equals_its_phases_and_bounds_the_cost(seed: int) -> None:
    mapping, machine = random_mapping(seed)
    counts = count(mapping, machine)
    for doubled in (False, True):
        mapping = replace(mapping, double_buffered=doubled)
        scheduled = scheduled_cycles(mapping, machine)
        assert scheduled == phases(mapping, machine)
        found = cost(counts, machine, energies(machine, mapping.nest), double_buffered=doubled)
        assert found.cycles <= scheduled if doubled else found.cycles == scheduled
