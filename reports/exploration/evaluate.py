"""One design point: its best mapping of every layer of every workload, in cycles and energy."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil

from dataflow.mapping import Found, Machine, Objective, TiledMapping, map_with
from dataflow.technology import technology_named
from reports.exploration.area import ArrayResult, array_task, run_array, with_area
from reports.exploration.design_point import DesignPoint
from reports.exploration.leakage import with_leakage
from reports.exploration.outcome import EnergyParts, LayerOutcome, PointOutcome, WorkloadOutcome
from reports.exploration.workload import StudyWorkload, in_format
from workloads.errors import BrickworkError
from workloads.nest import Nest
from workloads.spec import load


@dataclass(frozen=True, slots=True)
class LayerTask:
    """One operator to be mapped onto one point; equal tasks have equal results.

    Attributes
    ----------
    operator : str
        A library entry with its parameters and format.
    point : DesignPoint
        With only the dataflows that the operator has the loops for: points that it cannot tell apart are one.
    """

    operator: str
    point: DesignPoint
    objective: Objective


# A failure says why in one sentence.
LayerResult = LayerOutcome | str


def evaluate(
    point: DesignPoint, workloads: Sequence[StudyWorkload], objective: Objective = "energy-delay"
) -> PointOutcome:
    """Map every workload onto a point; equal layers are mapped once, whichever workload has them.

    What a point cannot do, or a workload that no mapping exists for, becomes its ``failure``.
    """
    began = time.perf_counter()
    results = {task: run_task(task) for task in layer_tasks(point, workloads, objective)}
    outcome = outcome_of(point, workloads, objective, results)
    array = array_task(outcome)
    whole = complete(outcome, array if isinstance(array, str) else run_array(array))
    return replace(whole, seconds=time.perf_counter() - began)


def layer_tasks(point: DesignPoint, workloads: Sequence[StudyWorkload], objective: Objective) -> tuple[LayerTask, ...]:
    """What must be mapped to evaluate a point, each task once."""
    operators = (operator for workload in workloads for operator, _ in workload.operators)
    return tuple(dict.fromkeys(_task(operator, point, objective) for operator in operators))


def run_task(task: LayerTask) -> LayerResult:
    """Map one layer; what it cannot do is the result."""
    try:
        found = map_layer(_nest(task.operator), task.point, task.objective)
    except BrickworkError as error:
        return "; ".join(str(error).splitlines())
    return layer_outcome(task.operator, 1, found)


def complete(outcome: PointOutcome, array: ArrayResult | str) -> PointOutcome:
    """Add the area of the array that a point needs, or why it has none, and what leaks."""
    return with_leakage(with_area(outcome, array))


def outcome_of(
    point: DesignPoint,
    workloads: Sequence[StudyWorkload],
    objective: Objective,
    results: Mapping[LayerTask, LayerResult],
) -> PointOutcome:
    """Put the results of all layers together, without area; the failure is that of the first layer that failed."""
    outcomes = []
    for workload in workloads:
        layers = []
        for operator, times in workload.operators:
            result = results[_task(operator, point, objective)]
            if isinstance(result, str):
                return PointOutcome(point, (), None, result)
            layers.append(replace(result, times=times))
        outcomes.append(WorkloadOutcome(workload.name, workload.weight, tuple(layers)))
    return PointOutcome(point, tuple(outcomes), None)


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
    return map_with(point.tiler, nest, machine_of(point), point.array, point.spaces, objective=objective)


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


def _task(operator: str, point: DesignPoint, objective: Objective) -> LayerTask:
    written = in_format(operator, point.format)
    try:
        loops = set(_nest(written).loop_names)
    except BrickworkError:
        # Running the task says why.
        return LayerTask(written, point, objective)
    fitting = tuple(space for space in point.spaces if set(space) <= loops)
    return LayerTask(written, replace(point, spaces=fitting or point.spaces), objective)


@lru_cache(maxsize=1 << 12)
def _nest(operator: str) -> Nest:
    return load(operator).nest
