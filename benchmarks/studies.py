"""What the studies of number formats and of a decoder's dataflows answer, every design against the study's baseline.

Prints a JSON list of measurements, all modelled. Each run begins without a store, some five minutes on one core.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reports.exploration.comparison import compare
from reports.exploration.engine import explore
from reports.exploration.results import Results
from reports.exploration.runners import processes
from reports.exploration.store import Store
from reports.exploration.study import Study
from reports.exploration.study_file import load_study

EXAMPLES = Path(__file__).parents[1] / "examples"
STUDIES = ("study_rollout.yaml", "study_dc_ae.yaml")


def explored(study: Study) -> Results:
    """Results of a study, by one process a core."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(Path(folder)) as store,
        processes(len(os.sched_getaffinity(0))) as runner,
    ):
        return explore(study, store, runner)


def answers(results: Results) -> Iterator[dict[str, Any]]:
    """Speed and energy of every design over the baseline, best first; geometric means of the workloads."""
    study = results.study
    for name, baseline in results.baselines:
        for place, outcome in enumerate(results.ranked, 1):
            compared = compare(outcome, baseline)
            assert compared is not None
            how = f"modelled; {outcome.point} against baseline {name!r} ({baseline.point}); geometric mean of workloads"
            for what, value in (("speed", compared.speed), ("energy", compared.energy)):
                yield {
                    "name": f"{study.name}_{place}_{what}",
                    "value": round(value, 3),
                    "unit": "x",
                    "target": None,
                    "better": "higher",
                    "how": how,
                }


def main() -> None:
    found = []
    for file in STUDIES:
        print(f"exploring examples/{file}", file=sys.stderr, flush=True)
        found += answers(explored(load_study(EXAMPLES / file)))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
