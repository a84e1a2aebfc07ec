"""Running a study: what is known is not done again, the rest runs anywhere in any order, with one result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reports.exploration.area import ArrayResult, ArrayTask, array_task
from reports.exploration.design_point import DesignPoint
from reports.exploration.evaluate import complete, layer_tasks, outcome_of
from reports.exploration.identity import result_key
from reports.exploration.optimize import optimize
from reports.exploration.outcome import LayerOutcome, PointOutcome
from reports.exploration.results import Results
from reports.exploration.runners import INTERNAL, Chunk, Runner, Task
from reports.exploration.store import Store
from reports.exploration.study import Study

# Points whose layers are done operator by operator, so that a worker builds the arrays of an operator once.
_BLOCK = 32
# Tasks that a worker takes at a time.
_CHUNK = 16


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, in layers that are mapped or arrays that are counted."""

    done: int
    total: int
    failed: int
    unit: str = "layers"


Say = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Shard:
    """Every ``count``-th point from ``number`` on, counting from 1."""

    number: int = 1
    count: int = 1

    def of(self, points: Sequence[DesignPoint]) -> tuple[DesignPoint, ...]:
        return tuple(points[self.number - 1 :: self.count])


def evaluate_points(
    study: Study, points: Sequence[DesignPoint], store: Store, runner: Runner, say: Say | None = None
) -> tuple[PointOutcome, ...]:
    """Evaluate points, in their order; what the store has is taken from it, everything else is added as it comes.

    The layers of all points first, then each distinct array once, for area and leakage. The outcomes depend on study
    and points alone: not on runner, order of completion, or what the store held.

    Raises
    ------
    StoreError, RunnerError
        What is done stays in the store.
    """
    tasks = [layer_tasks(point, study.workloads, study.mapped_for) for point in points]
    mapped = _results(tasks, store, runner, say)
    outcomes = [outcome_of(point, study.workloads, study.mapped_for, mapped) for point in points]
    arrays = [array_task(outcome) for outcome in outcomes]
    counted = _results([[task] for task in arrays if not isinstance(task, str)], store, runner, say)
    return tuple(
        complete(outcome, task if isinstance(task, str) else counted[task])
        for outcome, task in zip(outcomes, arrays, strict=True)
    )


def _results(tasks: Sequence[Sequence[Any]], store: Store, runner: Runner, say: Say | None) -> dict[Any, Any]:
    """Results by task, for each point's tasks; what is not in the store is run."""
    keys = {task: result_key(task) for several in tasks for task in several}
    results = _stored(store, keys)
    chunks = _chunks([[task for task in several if task not in results] for several in tasks])
    total = sum(map(len, chunks))
    done = failed = 0
    if say and keys:
        say(Progress(done, total, failed, _unit(keys)))
    for chunk, found in runner(chunks):
        for task, result in zip(chunk, found, strict=True):
            results[task] = result
            done += 1
            failed += isinstance(result, str)
            if not isinstance(result, str):
                store.add(keys[task], _written(result))
            elif not result.startswith(INTERNAL):
                store.add(keys[task], {"failure": result})
        if say:
            say(Progress(done, total, failed, _unit(keys)))
    return results


def finished_points(study: Study, points: Sequence[DesignPoint], store: Store) -> tuple[PointOutcome, ...]:
    """Outcomes of those points of which the store has every layer and the array."""
    tasks = {point: layer_tasks(point, study.workloads, study.mapped_for) for point in points}
    results = _stored(store, {task: result_key(task) for several in tasks.values() for task in several})
    whole = [point for point, several in tasks.items() if all(task in results for task in several)]
    outcomes = [outcome_of(point, study.workloads, study.mapped_for, results) for point in whole]
    arrays = {outcome: array_task(outcome) for outcome in outcomes}
    counted = _stored(store, {task: result_key(task) for task in arrays.values() if not isinstance(task, str)})
    return tuple(
        complete(outcome, task if isinstance(task, str) else counted[task])
        for outcome, task in arrays.items()
        if isinstance(task, str) or task in counted
    )


def _stored(store: Store, keys: Mapping[Any, str]) -> dict[Any, Any]:
    values = store.values()
    return {task: _read(values[key]) for task, key in keys.items() if key in values}


def _written(result: LayerOutcome | ArrayResult) -> dict[str, Any]:
    if isinstance(result, ArrayResult):
        return {"array": {"components": [list(each) for each in result.components], "banks": result.banks}}
    return {"layer": result.facts}


def _read(value: Mapping[str, Any]) -> LayerOutcome | ArrayResult | str:
    if "array" in value:
        components = tuple((name, um2) for name, um2 in value["array"]["components"])
        return ArrayResult(components, value["array"]["banks"])
    return str(value["failure"]) if "failure" in value else LayerOutcome.of_facts(value["layer"])


def _unit(tasks: Iterable[Any]) -> str:
    return "arrays" if isinstance(next(iter(tasks)), ArrayTask) else "layers"


def _chunks(tasks: Sequence[Sequence[Task]]) -> list[Chunk]:
    """Every task once, layers of one operator on one array together, within blocks of points; each array alone."""
    seen: set[Task] = set()
    chunks = []
    for block in (tasks[n : n + _BLOCK] for n in range(0, len(tasks), _BLOCK)):
        groups: dict[Any, list[Task]] = {}
        for task in (task for several in block for task in several):
            if task not in seen:
                seen.add(task)
                alike = task if isinstance(task, ArrayTask) else (task.operator, task.point.array)
                groups.setdefault(alike, []).append(task)
        chunks += [tuple(g[n : n + _CHUNK]) for g in groups.values() for n in range(0, len(g), _CHUNK)]
    return chunks


def explore(study: Study, store: Store, runner: Runner, *, limit: int | None = None, say: Say | None = None) -> Results:
    """Evaluate a study's baselines and its points, or the first ``limit`` of them.

    Raises
    ------
    StoreError, RunnerError
        What is done stays in the store.
    """
    names, bases = [name for name, _ in study.baselines], [point for _, point in study.baselines]
    if study.strategy.kind == "optuna":
        others = evaluate_points(study, bases, store, runner, say)
        most = study.strategy.points if limit is None else min(study.strategy.points, limit)
        fewer = replace(study, strategy=replace(study.strategy, points=most))
        outcomes = optimize(fewer, lambda points: evaluate_points(study, points, store, runner, say))
    else:
        points = study.points()[:limit]
        together = evaluate_points(study, (*bases, *points), store, runner, say)
        others, outcomes = together[: len(bases)], together[len(bases) :]
    return Results(study, outcomes, tuple(zip(names, others, strict=True)))
