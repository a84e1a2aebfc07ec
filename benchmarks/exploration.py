"""How fast a study runs, how that grows with processes, and what the study of LEGO's setting answers.

Prints a JSON list of measurements. Each run begins without a store; what a process remembers it has learnt itself.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

# Before numpy is imported: the targets are for one core.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from dataflow.mapping import Cut
from reports.exploration.comparison import compare
from reports.exploration.design_point import DesignPoint
from reports.exploration.engine import explore
from reports.exploration.evaluate import layer_tasks
from reports.exploration.outcome import LayerOutcome, PointOutcome
from reports.exploration.results import Results
from reports.exploration.runners import processes, serial
from reports.exploration.store import Store
from reports.exploration.study import Study
from reports.exploration.study_file import load_study
from workloads.spec import load

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
            f"{how}; layers of ten networks, equal ones counted each and mapped once, a processor second with areas",
        ),
        row(
            "explore_mapped_layers",
            round(len(tasks) / processor_s, 1),
            "1/s",
            None,
            "higher",
            f"{how}; distinct layers mapped with proof, a processor second with areas",
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


def answers(results: Results, prefix: str) -> list[dict]:
    """The best design against each baseline, whose own tiler is part of its name."""
    best = results.ranked[0]
    goal = f"mapped for {results.study.objective}"
    found = [
        row(
            f"{prefix}_area",
            round(best.area_mm2 or 0.0, 3),
            "mm2",
            None,
            "lower",
            f"modelled; best design ({best.point})",
        ),
        row(
            f"{prefix}_leakage",
            round(best.leakage_j / best.energy_j, 4),
            "fraction",
            None,
            "lower",
            f"modelled; of the energy of the best design ({best.point})",
        ),
    ]
    for name, baseline in results.baselines:
        compared = compare(best, baseline)
        assert compared is not None
        how = f"modelled, {goal}; best design ({best.point}) against baseline {name!r} ({baseline.point})"
        means = f"{how}; geometric mean of ten networks; LEGO's claim against Gemmini"
        own = f"{prefix}_{name}"
        found.append(row(f"{own}_speed", round(compared.speed, 2), "x", LEGO_SPEED, "higher", means))
        found.append(row(f"{own}_energy", round(compared.energy, 2), "x", LEGO_ENERGY, "higher", means))
        if baseline.point.tiler == "gemmini":
            loaded = compare(best, loading(baseline))
            assert loaded is not None
            text = f"{how}, whose array takes 16 cycles to change its weights; geometric mean of ten networks"
            found.append(row(f"{own}_loading_speed", round(loaded.speed, 2), "x", LEGO_SPEED, "higher", text))
        area = f"modelled; area of {baseline.point}"
        found.append(row(f"{own}_area", round(baseline.area_mm2 or 0.0, 3), "mm2", None, "lower", area))
        for ratio in compared.ratios:
            found.append(row(f"{own}_{ratio.workload}_speed", round(ratio.speed, 2), "x", None, "higher", how))
            found.append(row(f"{own}_{ratio.workload}_energy", round(ratio.energy, 2), "x", None, "higher", how))
    return found


def loading(outcome: PointOutcome) -> PointOutcome:
    """A weight-stationary outcome in which the array takes as many cycles to change its weights as it has rows.

    As in Gemmini's ``sp_tiled_conv`` and ``sp_tiled_matmul_ws``: weights come while the products before them run, which
    therefore last as long at least. A convolution changes them for every ``dim`` pixels of a row, a product after all
    rows of a tile, so a row of pixels, or the rows of a tile, count as whole multiples of ``dim``.
    """
    dim = outcome.point.array[0]

    def slower(layer: LayerOutcome) -> LayerOutcome:
        nest = load(layer.operator).nest
        weights, inputs = nest.inputs[1].loops, nest.inputs[0].loops
        # The innermost loop during which weights stay.
        row = next(loop for loop in reversed(nest.loop_names) if loop in inputs and loop not in weights)
        axes = dict.fromkeys(layer.dataflow.partition("_keeps_")[0].split("_"), dim)
        steps = 1
        for loop, size in layer.tiles:
            kinds = Cut(nest.extents[loop], size).kinds
            unit, block = axes.get(loop, 1), dim if loop == row else 1
            steps *= sum(times * block * -(-held // (unit * block)) for held, times in kinds)
        return replace(layer, cycles=max(layer.cycles, steps), array_cycles=max(layer.array_cycles, steps))

    workloads = tuple(replace(w, layers=tuple(map(slower, w.layers))) for w in outcome.workloads)
    return replace(outcome, workloads=workloads)


def for_time(study: Study, best: DesignPoint) -> Study:
    """The best design and the baselines once more, with every layer mapped for time."""
    spaces = dict(study.axes)["dataflows"]
    axes = tuple(
        (name, (best.array,) if name == "array" else (spaces[spaces.index(best.spaces)],)) for name, _ in study.axes
    )
    return replace(study, objective="time", axes=axes)


def main() -> None:
    study = load_study(STUDY)
    results, measured = rates(study)
    fastest, _, _ = timed(for_time(study, results.ranked[0].point), 2)
    print(json.dumps([*measured, *answers(results, "lego"), *answers(fastest, "lego_for_time")], indent=2))


if __name__ == "__main__":
    main()
