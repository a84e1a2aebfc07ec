"""One design point: its best mapping of every layer of every workload, in cycles and energy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from math import ceil

from dataflow.mapping import Found, Machine, MappingError, Objective, TiledMapping, best_mapping, every_dataflow
from dataflow.mapping.network import fitting_spaces
from dataflow.technology import technology_named
from reports.exploration.design_point import DesignPoint
from reports.exploration.outcome import EnergyParts, LayerOutcome, PointOutcome, WorkloadOutcome
from reports.exploration.workload import StudyWorkload, in_format
from workloads.errors import BrickworkError
from workloads.nest import Nest
from workloads.spec import load

TILERS = ("optimal",)


def evaluate(
    point: DesignPoint, workloads: Sequence[StudyWorkload], objective: Objective = "energy-delay"
) -> PointOutcome:
    """Map every workload onto a point; equal layers are mapped once, whichever workload has them.

    What a point cannot do, or a workload that no mapping exists for, becomes its ``failure``.
    """
    began = time.perf_counter()
    try:
        outcomes = tuple(
            WorkloadOutcome(
                workload.name,
                workload.weight,
                tuple(_layer(operator, times, point, objective) for operator, times in workload.operators),
            )
            for workload in workloads
        )
    except BrickworkError as error:
        failure = "; ".join(str(error).splitlines())
        return PointOutcome(point, (), None, failure, seconds=time.perf_counter() - began)
    return PointOutcome(point, outcomes, None, seconds=time.perf_counter() - began)


def machine_of(point: DesignPoint) -> Machine:
    """The memories around the point's array.

    Raises
    ------
    MachineError, TechnologyError
    """
    return Machine(
        point.buffer_bytes,
        point.bandwidth_gb_per_s / point.clock_ghz,
        ceil(point.latency_ns * point.clock_ghz),
        technology=technology_named(point.technology),
        off_chip=point.off_chip,
        clock_ghz=point.clock_ghz,
        result_bits=point.result_bits,
    )


def map_layer(nest: Nest, point: DesignPoint, objective: Objective) -> Found:
    """The mapping that the point's tiler gives a nest.

    Raises
    ------
    MappingError
        The point has no tiler of this name, no dataflow for the nest's loops, or no tiles that fit.
    """
    if point.tiler not in TILERS:
        raise MappingError(nest.name, (f"there is no tiler {point.tiler!r}; expected one of {', '.join(TILERS)}",))
    arrays = every_dataflow(nest, point.array, fitting_spaces(nest, point.spaces))
    return best_mapping(nest, machine_of(point), arrays, objective=objective)


def simulate_command(operator: str, mapping: TiledMapping) -> str:
    """The command that runs the array part of a mapping in RTL."""
    flow = mapping.dataflow
    parts = [
        f"brickwork simulate {operator}",
        f"--space {','.join(f'{loop}={size}' for loop, size in flow.space)}",
        f"--skew {','.join(map(str, flow.skew))}",
        f"--order {','.join(flow.order)}",
    ]
    if flow.tile:
        parts.append(f"--tile {','.join(f'{loop}={size}' for loop, size in flow.tile)}")
    return " ".join(parts)


def layer_outcome(operator: str, times: int, found: Found) -> LayerOutcome:
    """What a report shows of one mapped operator."""
    mapping, counts, cost = found.mapping, found.counts, found.cost
    return LayerOutcome(
        operator=operator,
        times=times,
        macs=counts.macs,
        dataflow=mapping.plan.dataflow.name,
        tiles=tuple((loop, cut.size) for loop, cut in mapping.cuts),
        loop_nest=str(mapping),
        simulate=simulate_command(operator, mapping),
        cycles=cost.cycles,
        array_cycles=cost.array_cycles,
        transfer_cycles=cost.transfer_cycles,
        transfer_bytes=counts.transfer_bits // 8,
        energy=EnergyParts(cost.operation_pj, cost.hop_pj, cost.buffer_pj, cost.off_chip_pj),
        proven=found.certificate.proven,
    )


def _layer(operator: str, times: int, point: DesignPoint, objective: Objective) -> LayerOutcome:
    written = in_format(operator, point.format)
    loops = _nest(written).loop_names
    # Points that differ in dataflows which this layer has no loops for are one to it.
    fitting = tuple(space for space in point.spaces if set(space) <= set(loops))
    return replace(_mapped(written, replace(point, spaces=fitting or point.spaces), objective), times=times)


@lru_cache(maxsize=1 << 14)
def _mapped(operator: str, point: DesignPoint, objective: Objective) -> LayerOutcome:
    return layer_outcome(operator, 1, map_layer(_nest(operator), point, objective))


@lru_cache(maxsize=1 << 12)
def _nest(operator: str) -> Nest:
    return load(operator).nest
