"""What a page says of a study before its points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class StudyHeader:
    """The study's name and question.

    Attributes
    ----------
    baselines : tuple of (name, key of the design point)
        Points that the others are compared with.
    """

    name: str
    question: str = ""
    baselines: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def of_facts(facts: Mapping[str, Any] | str) -> StudyHeader:
        """Read what a results file says of its study, or its bare name."""
        if isinstance(facts, str):
            return StudyHeader(facts)
        baselines = facts.get("baselines") or {}
        pairs = baselines.items() if isinstance(baselines, Mapping) else baselines
        return StudyHeader(facts["name"], facts.get("question", ""), tuple((str(n), str(key)) for n, key in pairs))
