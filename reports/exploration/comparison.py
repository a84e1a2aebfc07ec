"""One design against another: how much faster and how much more frugal, workload by workload."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

from reports.exploration.outcome import PointOutcome


@dataclass(frozen=True, slots=True)
class Ratio:
    """The other design's time and energy over this one's; above 1 this one is better."""

    workload: str
    speed: float
    energy: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ratios of every workload, and their geometric means, which do not depend on the workloads' sizes or weights."""

    ratios: tuple[Ratio, ...]
    speed: float
    energy: float


def compare(outcome: PointOutcome, other: PointOutcome) -> Comparison | None:
    """Compare ``outcome`` with ``other``; None where one of them failed."""
    if outcome.failure is not None or other.failure is not None:
        return None
    clocks = outcome.point.clock_ghz / other.point.clock_ghz
    ratios = tuple(
        Ratio(mine.name, theirs.cycles / mine.cycles * clocks, theirs.energy.total_pj / mine.energy.total_pj)
        for mine, theirs in zip(outcome.workloads, other.workloads, strict=True)
    )
    return Comparison(ratios, _mean([r.speed for r in ratios]), _mean([r.energy for r in ratios]))


def _mean(values: list[float]) -> float:
    return exp(sum(map(log, values)) / len(values))
