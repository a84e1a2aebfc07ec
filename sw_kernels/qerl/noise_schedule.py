"""Adaptive quantization noise: how strong it is at which step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workloads.errors import BrickworkError


class ScheduleError(BrickworkError):
    """A noise schedule that has no stages."""


@dataclass(frozen=True, slots=True)
class NoiseSchedule:
    """Standard deviation of the noise, falling exponentially over stages of equal length; the first stage is silent.

    Attributes
    ----------
    start, end : float
    stages : int
        At least 3, at most ``steps``.
    steps : int
        Of the training, counted from 1.
    form : {"paper", "code"}
        Equation 8 of the paper gives stage k the exponent ``(k - 1) / (stages - 1)``, so that ``end`` is never reached;
        the released code gives it ``(k - 1) / (stages - 2)``, so that the last stage has ``end``.

    Raises
    ------
    ScheduleError

    References
    ----------
    W. Huang et al., "QeRL: Beyond efficiency - quantization-enhanced reinforcement learning for LLMs",
    arXiv 2510.11696, equation 8 and algorithm 1.
    """

    start: float
    end: float
    stages: int
    steps: int
    form: Literal["paper", "code"] = "paper"

    def __post_init__(self) -> None:
        if not 0 < self.end <= self.start:
            raise ScheduleError(f"noise: expected 0 < end <= start, not start {self.start} and end {self.end}")
        if not 3 <= self.stages <= self.steps:
            raise ScheduleError(f"noise: expected 3 to {self.steps} stages for {self.steps} steps, not {self.stages}")

    def stage(self, step: int) -> int:
        """The stage of a step; steps left over by the division belong to the last one."""
        if not 1 <= step <= self.steps:
            raise ScheduleError(f"noise: expected a step of 1 to {self.steps}, not {step}")
        return min((step - 1) // (self.steps // self.stages), self.stages - 1)

    def sigma(self, step: int) -> float:
        """Standard deviation at a step."""
        k = self.stage(step)
        if not k:
            return 0.0
        last = self.stages - (1 if self.form == "paper" else 2)
        return self.start * (self.end / self.start) ** ((k - 1) / last)
