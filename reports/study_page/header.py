"""What a page says of a study before its points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.exploration.outcome import PointOutcome


@dataclass(frozen=True, slots=True)
class StudyHeader:
    """The study's name and question.

    Attributes
    ----------
    baselines : tuple of (name, key of the design point)
        Points that the others are compared with.
    best : str or None
        Key of the point that the study chose; the page begins with it, and puts it beside a GPU.
    """

    name: str
    question: str = ""
    baselines: tuple[tuple[str, str], ...] = ()
    best: str | None = None


def best_of(header: StudyHeader, outcomes: Sequence[PointOutcome]) -> PointOutcome | None:
    """The point that the study chose, else that of the least energy times time; None where every design failed."""
    able = [outcome for outcome in outcomes if outcome.failure is None]
    named = [outcome for outcome in able if outcome.point.key == header.best]
    return min(named or able, key=lambda o: (o.time_s * o.energy_j, o.point.key), default=None)
