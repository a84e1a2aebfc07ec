"""Optuna's choice of points where a space is too large to try all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reports.exploration.design_point import DesignPoint
from reports.exploration.outcome import PointOutcome
from reports.exploration.study import Study

# Asked for at a time whatever the number of workers, so that the proposals do not depend on it.
_BATCH = 8

Evaluate = Callable[[Sequence[DesignPoint]], Sequence[PointOutcome]]


def optimize(study: Study, evaluate: Evaluate) -> tuple[PointOutcome, ...]:
    """Let a seeded tree-structured Parzen estimator propose points; each point that it reached, once.

    The energy-delay product is searched as two goals, time and energy. Proposals follow from the seed and the outcomes
    alone: a run that is repeated with its store proposes the same points and evaluates nothing again.

    Parameters
    ----------
    evaluate
        From points to their outcomes, in order.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    goals = 2 if study.objective == "edp" else 1
    sampler = optuna.samplers.TPESampler(seed=study.strategy.seed)
    search = optuna.create_study(sampler=sampler, directions=["minimize"] * goals)
    found: dict[DesignPoint, PointOutcome] = {}
    for begin in range(0, study.strategy.points, _BATCH):
        trials = [search.ask() for _ in range(min(_BATCH, study.strategy.points - begin))]
        points = [
            study.point_at(tuple(_choice(trial, name, len(values)) for name, values in study.axes)) for trial in trials
        ]
        allowed = tuple(dict.fromkeys(point for point in points if study.allows(point)))
        found |= zip(allowed, evaluate(allowed), strict=True)
        for trial, point in zip(trials, points, strict=True):
            if point in found and not study.broken(found[point]):
                search.tell(trial, _values(study, found[point]))
            else:
                search.tell(trial, state=optuna.trial.TrialState.FAIL)
    return tuple(found.values())


def _choice(trial: Any, name: str, count: int) -> int:
    """Numbers of values in their written order: neighbours on an axis of sizes are neighbours for the estimator."""
    return int(trial.suggest_int(name, 0, count - 1))


def _values(study: Study, outcome: PointOutcome) -> list[float]:
    return [outcome.time_s, outcome.energy_j] if study.objective == "edp" else [study.score(outcome)]
