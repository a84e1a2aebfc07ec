"""Reading a results file: the study's header and every outcome, baselines last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reports.exploration.outcome import PointOutcome
from reports.study_page.header import StudyHeader, best_of
from workloads.errors import BrickworkError


class ResultsError(BrickworkError):
    """A file that holds no results of a study."""


@dataclass(frozen=True, slots=True)
class StoredResults:
    """What a results file holds."""

    header: StudyHeader
    outcomes: tuple[PointOutcome, ...]

    @property
    def chosen(self) -> PointOutcome:
        """The best point; where none is named, that of the least energy times time.

        Raises
        ------
        ResultsError
            Every design failed.
        """
        best = best_of(self.header, self.outcomes)
        if best is None:
            raise ResultsError(f"study {self.header.name!r}: no design could be evaluated, so there is no best one")
        return best


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
        return stored_results(table)
    except (KeyError, TypeError, AttributeError, ValueError):
        raise ResultsError(f"{path} holds no results; expected what an exploration writes") from None


def stored_results(facts: Mapping[str, Any]) -> StoredResults:
    """Results from the JSON types of a results file.

    Raises
    ------
    KeyError, TypeError, AttributeError, ValueError
        They are something else.
    """
    outcomes = {o.point.key: o for o in map(PointOutcome.of_facts, facts["outcomes"])}
    baselines = []
    for entry in facts.get("baselines", ()):
        outcome = PointOutcome.of_facts(entry["outcome"])
        outcomes.setdefault(outcome.point.key, outcome)
        baselines.append((entry["name"], outcome.point.key))
    study = facts["study"]
    name, question = (
        (study, facts.get("question", "")) if isinstance(study, str) else (study["name"], study.get("question", ""))
    )
    return StoredResults(StudyHeader(name, question, tuple(baselines), facts.get("best")), tuple(outcomes.values()))
