"""How fast a study runs, how that grows with processes, and what the study of LEGO's setting answers.

Prints a JSON list of measurements. Each run begins without a store; what a process remembers it has learnt itself.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

# Before numpy is imported: the targets are for one core.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from reports.exploration.comparison import compare
from reports.exploration.engine import explore
from reports.exploration.evaluate import layer_tasks
from reports.exploration.results import Results
from reports.exploration.runners import processes, serial
from reports.exploration.store import Store
from reports.exploration.study import Study
from reports.exploration.study_file import load_study

STUDY = Path(__file__).parents[1] / "examples" / "study_lego.yaml"
# LEGO's abstract: 3.2 times the speed and 2.4 times the energy efficiency of Gemmini.
LEGO_SPEED, LEGO_ENERGY = 3.2, 2.4


def row(name: str, value: float, unit: str, target: float | None, better: str, how: str) -> dict:
    return {"name": name, "value": value, "unit": unit, "target": target, "better": better, "how": how}


def timed(study: Study, jobs: int) -> tuple[Results, float, float]:
    """Results, seconds of the wall clock, seconds of processors of this process."""
    with tempfile.TemporaryDirectory() as folder:
        began, used = time.perf_counter(), time.process_time()
        workers = nullcontext(serial) if jobs == 1 else processes(jobs)
        with Store(Path(folder)) as store, workers as runner:
            results = explore(study, store, runner)
        return results, time.perf_counter() - began, time.process_time() - used


def rates(study: Study) -> tuple[Results, list[dict]]:
    parallel, parallel_s, _ = timed(study, 2)
    results, wall_s, processor_s = timed(study, 1)
    assert results.outcomes == parallel.outcomes
    points = {*study.points(), *(point for _, point in study.baselines)}
    tasks = {task for point in points for task in layer_tasks(point, study.workloads, study.mapped_for)}
    layers = sum(times for w in study.workloads for _, times in w.operators) * len(points)
    how = f"{len(points)} designs of examples/{STUDY.name}, one process"
    return results, [
        row(
            "explore_layer_points",
            round(layers / processor_s, 1),
            "1/s",
            50,
            "higher",
            f"{how}; layers of the ten networks, equal ones counted each and mapped once, a processor second",
        ),
        row(
            "explore_mapped_layers",
            round(len(tasks) / processor_s, 1),
            "1/s",
            None,
            "higher",
            f"{how}; distinct layers mapped with proof, a processor second",
        ),
        row(
            "explore_two_processes",
            round(wall_s / parallel_s, 2),
            "x",
            1.8,
            "higher",
            "wall-clock time of the same study in one process over that in two, start of the processes included",
        ),
    ]


def answers(results: Results) -> list[dict]:
    best = results.ranked[0]
    found = []
    for name, baseline in results.baselines:
        compared = compare(best, baseline)
        assert compared is not None
        how = f"modelled; best design ({best.point}) against baseline {name!r} ({baseline.point})"
        means = f"{how}; geometric mean of ten networks; LEGO's claim against Gemmini"
        found.append(row(f"lego_{name}_speed", round(compared.speed, 2), "x", LEGO_SPEED, "higher", means))
        found.append(row(f"lego_{name}_energy", round(compared.energy, 2), "x", LEGO_ENERGY, "higher", means))
        for ratio in compared.ratios:
            found.append(row(f"lego_{name}_{ratio.workload}_speed", round(ratio.speed, 2), "x", None, "higher", how))
            found.append(row(f"lego_{name}_{ratio.workload}_energy", round(ratio.energy, 2), "x", None, "higher", how))
    return found


def main() -> None:
    results, measured = rates(load_study(STUDY))
    print(json.dumps([*measured, *answers(results)], indent=2))


if __name__ == "__main__":
    main()
