"""A study: a question, workloads, the space of designs, and what is best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, prod
from random import Random
from typing import Any, Literal

from dataflow.mapping import Objective
from reports.exploration.constraint import Constraint
from reports.exploration.design_point import DesignPoint
from reports.exploration.outcome import PointOutcome
from reports.exploration.settings import design_point
from reports.exploration.workload import StudyWorkload

Goal = Literal["time", "energy", "edp", "area"]
_MAPPED_FOR: Mapping[Goal, Objective] = {
    "time": "cycles",
    "energy": "energy",
    "edp": "energy-delay",
    "area": "energy-delay",
}
GOALS: tuple[Goal, ...] = tuple(_MAPPED_FOR)

# Draws in vain before a random strategy concludes that constraints leave no more points.
_VAIN_DRAWS = 10_000


@dataclass(frozen=True, slots=True)
class Strategy:
    """Which points of a space are tried: all of it, ``points`` at random, or as many as Optuna proposes."""

    kind: Literal["grid", "random", "optuna"] = "grid"
    points: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Study:
    """What a study file says.

    Attributes
    ----------
    fixed : mapping of setting to value
        Read values, defaults included.
    axes : tuple of (setting, values)
        The space is their product.
    baselines : tuple of (name, DesignPoint)
        Points that everything is compared with; evaluated first.
    objective : Goal
        What is best, and what each layer is mapped for.
    """

    name: str
    question: str
    workloads: tuple[StudyWorkload, ...]
    fixed: Mapping[str, Any]
    axes: tuple[tuple[str, tuple[Any, ...]], ...]
    baselines: tuple[tuple[str, DesignPoint], ...] = ()
    objective: Goal = "edp"
    constraints: tuple[Constraint, ...] = ()
    strategy: Strategy = Strategy()

    @property
    def mapped_for(self) -> Objective:
        """The objective of the mapper."""
        return _MAPPED_FOR[self.objective]

    @property
    def size(self) -> int:
        """Points of the space, those that constraints forbid included."""
        return prod(len(values) for _, values in self.axes)

    def point_at(self, choices: tuple[int, ...]) -> DesignPoint:
        """The point with these values, one number an axis."""
        chosen = {name: values[n] for (name, values), n in zip(self.axes, choices, strict=True)}
        return design_point({**self.fixed, **chosen})

    def allows(self, point: DesignPoint) -> bool:
        """True if no constraint forbids the point before it is evaluated."""
        return all(constraint.allows(point) for constraint in self.constraints)

    def points(self) -> tuple[DesignPoint, ...]:
        """Points to evaluate, each once, in an order that depends on the study alone; not for Optuna's strategy."""
        assert self.strategy.kind != "optuna"
        order = range(self.size) if self.strategy.kind == "grid" else self._draws()
        most = self.size if self.strategy.kind == "grid" else self.strategy.points
        found: dict[str, DesignPoint] = {}
        for number in order:
            if len(found) == most:
                break
            point = self.point_at(self._choices(number))
            if self.allows(point):
                found.setdefault(point.key, point)
        return tuple(found.values())

    def score(self, outcome: PointOutcome) -> float:
        """What the study minimises; infinite where a point failed."""
        if outcome.failure is not None:
            return inf
        if self.objective == "time":
            return outcome.time_s
        if self.objective == "energy":
            return outcome.energy_j
        if self.objective == "edp":
            return outcome.time_s * outcome.energy_j
        return inf if outcome.area_mm2 is None else outcome.area_mm2

    def broken(self, outcome: PointOutcome) -> tuple[str, ...]:
        """Why a point cannot be chosen: its failure, or the constraints that it does not meet."""
        if outcome.failure is not None:
            return (outcome.failure,)
        if self.objective == "area" and outcome.area_mm2 is None:
            return (f"area_mm2 is not known, and is the objective{outcome.no_area_text}",)
        return tuple(why for each in self.constraints if (why := each.broken_by(outcome)))

    def ranked(self, outcomes: tuple[PointOutcome, ...]) -> tuple[PointOutcome, ...]:
        """Points that may be chosen, best first; equals in the order of their keys."""
        allowed = (outcome for outcome in outcomes if not self.broken(outcome))
        return tuple(sorted(allowed, key=lambda outcome: (self.score(outcome), outcome.point.key)))

    def _choices(self, number: int) -> tuple[int, ...]:
        """Digits of ``number``, the last axis fastest."""
        digits = []
        for _, values in reversed(self.axes):
            number, digit = divmod(number, len(values))
            digits.append(digit)
        return tuple(reversed(digits))

    def _draws(self) -> Iterator[int]:
        """Numbers of points at random, none twice."""
        draw, seen, vain = Random(self.strategy.seed), set[int](), 0
        while len(seen) < self.size and vain < _VAIN_DRAWS:
            number = draw.randrange(self.size)
            vain = vain + 1 if number in seen else 0
            if number not in seen:
                seen.add(number)
                yield number
