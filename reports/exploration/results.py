"""What a study found, as JSON and as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from reports.exploration.comparison import Comparison, compare
from reports.exploration.outcome import PointOutcome
from reports.exploration.pareto import Stability, pareto_front, stability
from reports.exploration.study import Study

_COLUMNS = (
    *("key", "baseline", "rank", "pareto", "array", "dataflows", "format", "buffer_bytes", "bandwidth_gb_per_s"),
    *("latency_ns", "clock_ghz", "technology", "off_chip", "result_bits", "tiler", "time_s", "energy_j"),
    *("leakage_j", "power_w", "area_mm2", "no_area", "utilization", "verified", "excluded"),
)


@dataclass(frozen=True)
class Results:
    """A study with its outcomes.

    Attributes
    ----------
    outcomes : tuple of PointOutcome
        Of the space, in its order.
    baselines : tuple of (name, PointOutcome)
    """

    study: Study
    outcomes: tuple[PointOutcome, ...]
    baselines: tuple[tuple[str, PointOutcome], ...]

    @cached_property
    def ranked(self) -> tuple[PointOutcome, ...]:
        """Points that may be chosen, best first."""
        return self.study.ranked(self.outcomes)

    @cached_property
    def front(self) -> tuple[PointOutcome, ...]:
        """Points that may be chosen and that none dominates, fastest first."""
        return pareto_front(self.ranked)

    @cached_property
    def stability(self) -> tuple[Stability, ...]:
        """The front at both ends of the technology's bands."""
        return stability(self.ranked)

    @property
    def comparisons(self) -> tuple[tuple[str, Comparison], ...]:
        """The best point against each baseline."""
        if not self.ranked:
            return ()
        found = ((name, compare(self.ranked[0], other)) for name, other in self.baselines)
        return tuple((name, each) for name, each in found if each is not None)

    @property
    def facts(self) -> dict[str, Any]:
        """Everything as JSON types; outcomes as `PointOutcome.of_facts` reads them."""
        return {
            "study": self.study.name,
            "question": self.study.question,
            "objective": self.study.objective,
            "constraints": [str(constraint) for constraint in self.study.constraints],
            "best": self.ranked[0].point.key if self.ranked else None,
            "pareto": _keys(self.front),
            "stability": [
                {"band": s.band, "stays": _keys(s.stays), "leaves": _keys(s.leaves), "enters": _keys(s.enters)}
                for s in self.stability
            ],
            "comparisons": [{"baseline": name, **asdict(each)} for name, each in self.comparisons],
            "excluded": {o.point.key: list(why) for o in self.outcomes if (why := self.study.broken(o))},
            "baselines": [{"name": name, "outcome": outcome.facts} for name, outcome in self.baselines],
            "outcomes": [outcome.facts for outcome in self.outcomes],
        }

    @property
    def csv(self) -> str:
        """One line a point, baselines first."""
        ranks = {outcome.point: rank for rank, outcome in enumerate(self.ranked, 1)}
        front = {outcome.point for outcome in self.front}
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        for name, outcome in (*self.baselines, *(("", outcome) for outcome in self.outcomes)):
            point, why = outcome.point, self.study.broken(outcome)
            done = outcome.failure is None
            writer.writerow(
                point.facts
                | {
                    "key": point.key,
                    "baseline": name,
                    "rank": "" if name else ranks.get(point, ""),
                    "pareto": int(not name and point in front),
                    "array": "x".join(map(str, point.array)),
                    "dataflows": "+".join("-".join(space) for space in point.spaces) or "every",
                    "time_s": outcome.time_s if done else "",
                    "energy_j": outcome.energy_j if done else "",
                    "leakage_j": outcome.leakage_j if done else "",
                    "power_w": outcome.energy_j / outcome.time_s if done else "",
                    "area_mm2": "" if outcome.area_mm2 is None else outcome.area_mm2,
                    "no_area": outcome.no_area or "",
                    "utilization": outcome.utilization if done else "",
                    "verified": ",".join("pass" if v.passed else "FAIL" for v in outcome.verifications),
                    "excluded": "; ".join(why),
                }
            )
        return text.getvalue()


def _keys(outcomes: Sequence[PointOutcome]) -> list[str]:
    return [outcome.point.key for outcome in outcomes]
