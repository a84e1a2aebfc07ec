"""Reading a results file: the study's header and every outcome, baselines last."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from reports.exploration.outcome import PointOutcome
from reports.study_page.header import StudyHeader
from workloads.errors import BrickworkError


class ResultsError(BrickworkError):
    """A file that holds no results of a study."""


@dataclass(frozen=True, slots=True)
class StoredResults:
    """What a results file holds.

    Attributes
    ----------
    best : str or None
        Key of the point that the study chose.
    """

    header: StudyHeader
    outcomes: tuple[PointOutcome, ...]
    best: str | None

    @property
    def chosen(self) -> PointOutcome:
        """The best point; where none is named, that of the least energy times time.

        Raises
        ------
        ResultsError
            Every design failed.
        """
        able = [outcome for outcome in self.outcomes if outcome.failure is None]
        if not able:
            raise ResultsError(f"study {self.header.name!r}: no design could be evaluated, so there is no best one")
        named = [outcome for outcome in able if outcome.point.key == self.best]
        return named[0] if named else min(able, key=lambda o: (o.time_s * o.energy_j, o.point.key))


def read_results(path: Path) -> StoredResults:
    """Read a results file of an exploration.

    Raises
    ------
    ResultsError
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultsError(f"{path}: there is no such file; expected the results of an exploration") from None
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise ResultsError(f"{path} is not JSON; expected the results of an exploration") from None
    try:
        outcomes = {o.point.key: o for o in map(PointOutcome.of_facts, table["outcomes"])}
        baselines = []
        for entry in table.get("baselines", ()):
            outcome = PointOutcome.of_facts(entry["outcome"])
            outcomes.setdefault(outcome.point.key, outcome)
            baselines.append((entry["name"], outcome.point.key))
        study = table["study"]
        name, question = (
            (study, table.get("question", "")) if isinstance(study, str) else (study["name"], study.get("question", ""))
        )
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ResultsError(f"{path} holds no results; expected what an exploration writes") from None
    return StoredResults(StudyHeader(name, question, tuple(baselines)), tuple(outcomes.values()), table.get("best"))
