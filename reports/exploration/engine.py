"""Running a study: what is known is not done again, the rest runs anywhere in any order, with one result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from reports.exploration.design_point import DesignPoint
from reports.exploration.evaluate import LayerResult, LayerTask, layer_tasks, outcome_of
from reports.exploration.identity import result_key
from reports.exploration.optimize import optimize
from reports.exploration.outcome import LayerOutcome, PointOutcome
from reports.exploration.results import Results
from reports.exploration.runners import INTERNAL, Runner
from reports.exploration.store import Store
from reports.exploration.study import Study

# Points whose layers are done operator by operator, so that a worker builds the arrays of an operator once.
_BLOCK = 32
# Tasks that a worker takes at a time.
_CHUNK = 16


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, in layers."""

    done: int
    total: int
    failed: int


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
    """Evaluate points, in their order; layers that the store has are taken from it, others are added as they come.

    The outcomes depend on study and points alone: not on runner, order of completion, or what the store held.

    Raises
    ------
    StoreError, RunnerError
        What is done stays in the store.
    """
    tasks = [layer_tasks(point, study.workloads, study.mapped_for) for point in points]
    keys = {task: result_key(task) for several in tasks for task in several}
    results = _stored(store, keys)
    waiting = [[task for task in several if task not in results] for several in tasks]
    chunks = _chunks(waiting)
    total = sum(map(len, chunks))
    done = failed = 0
    if say:
        say(Progress(done, total, failed))
    for chunk, found in runner(chunks):
        for task, result in zip(chunk, found, strict=True):
            results[task] = result
            done += 1
            failed += isinstance(result, str)
            if not isinstance(result, str):
                store.add(keys[task], {"layer": result.facts})
            elif not result.startswith(INTERNAL):
                store.add(keys[task], {"failure": result})
        if say:
            say(Progress(done, total, failed))
    return tuple(outcome_of(point, study.workloads, study.mapped_for, results) for point in points)


def finished_points(study: Study, points: Sequence[DesignPoint], store: Store) -> tuple[PointOutcome, ...]:
    """Outcomes of those points of which the store has every layer."""
    tasks = {point: layer_tasks(point, study.workloads, study.mapped_for) for point in points}
    results = _stored(store, {task: result_key(task) for several in tasks.values() for task in several})
    whole = (point for point, several in tasks.items() if all(task in results for task in several))
    return tuple(outcome_of(point, study.workloads, study.mapped_for, results) for point in whole)


def _stored(store: Store, keys: dict[LayerTask, str]) -> dict[LayerTask, LayerResult]:
    values = store.values()
    found: dict[LayerTask, LayerResult] = {}
    for task, key in keys.items():
        if key in values:
            value = values[key]
            found[task] = value["failure"] if "failure" in value else LayerOutcome.of_facts(value["layer"])
    return found


def _chunks(tasks: Sequence[Sequence[LayerTask]]) -> list[tuple[LayerTask, ...]]:
    """Every task once, those of one operator on one array together, within blocks of points."""
    seen: set[LayerTask] = set()
    chunks = []
    for block in (tasks[n : n + _BLOCK] for n in range(0, len(tasks), _BLOCK)):
        groups: dict[tuple[str, tuple[int, ...]], list[LayerTask]] = {}
        for task in (task for several in block for task in several):
            if task not in seen:
                seen.add(task)
                groups.setdefault((task.operator, task.point.array), []).append(task)
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
