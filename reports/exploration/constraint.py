"""Simple comparisons that a design must meet, some of which are known before it is evaluated."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from reports.exploration.design_point import DesignPoint
from reports.exploration.outcome import PointOutcome
from reports.exploration.settings import bytes_of, number_of
from workloads.yaml_reader import did_you_mean

_COMPARISONS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
_TEXT = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*(\S+)\s*")

_OF_POINT: dict[str, Callable[[DesignPoint], float]] = {
    "units": lambda point: point.units,
    "buffer": lambda point: point.buffer_bytes,
    "bandwidth_gb_per_s": lambda point: point.bandwidth_gb_per_s,
    "clock_ghz": lambda point: point.clock_ghz,
}
_OF_OUTCOME: dict[str, Callable[[PointOutcome], float | None]] = {
    "area_mm2": lambda outcome: outcome.area_mm2,
    "power_w": lambda outcome: outcome.energy_j / outcome.time_s if outcome.time_s else None,
    "time_s": lambda outcome: outcome.time_s,
    "energy_j": lambda outcome: outcome.energy_j,
    "utilization": lambda outcome: outcome.utilization,
}


@dataclass(frozen=True, slots=True)
class Constraint:
    """``quantity comparison limit``, as ``area_mm2 <= 4``."""

    quantity: str
    comparison: str
    limit: float

    @staticmethod
    def parse(text: str) -> Constraint:
        """Read ``buffer <= 256KB``.

        Raises
        ------
        ValueError
            Says what was expected.
        """
        found = _TEXT.fullmatch(text)
        if not found:
            raise ValueError("expected a comparison, as 'area_mm2 <= 4'")
        quantity, comparison, limit = found.groups()
        known = (*_OF_POINT, *_OF_OUTCOME)
        if quantity not in known:
            raise ValueError(f"{quantity!r} is not a quantity{did_you_mean(quantity, known)}")
        return Constraint(quantity, comparison, bytes_of(limit) if quantity == "buffer" else number_of(limit))

    @property
    def of_point(self) -> bool:
        """True if it can be decided before a point is evaluated."""
        return self.quantity in _OF_POINT

    def allows(self, point: DesignPoint) -> bool:
        """False only where the point alone breaks it."""
        return not self.of_point or _COMPARISONS[self.comparison](_OF_POINT[self.quantity](point), self.limit)

    def broken_by(self, outcome: PointOutcome) -> str | None:
        """Why an evaluated point does not meet it, in one sentence."""
        if self.of_point:
            value: float | None = _OF_POINT[self.quantity](outcome.point)
        else:
            value = _OF_OUTCOME[self.quantity](outcome)
        if value is None:
            limit = f"{self.comparison} {self.limit:g}"
            return f"{self.quantity} is not known, and must be {limit}{outcome.no_area_text}"
        if _COMPARISONS[self.comparison](value, self.limit):
            return None
        return f"{self.quantity} is {value:.4g}, and must be {self.comparison} {self.limit:g}"

    def __str__(self) -> str:
        limit = f"{self.limit:.0f}B" if self.quantity == "buffer" else f"{self.limit:g}"
        return f"{self.quantity} {self.comparison} {limit}"
