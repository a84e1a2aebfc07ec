"""What a page says of a study before its points."""

from __future__ import annotations

from dataclasses import dataclass


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
