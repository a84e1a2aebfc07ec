"""Drawings and charts: the same bytes every time, with everything on them; activity against a walk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from dataflow import Dataflow, Plan, build
from dataflow.cycles import Cycles
from dataflow.reuse import time_points, time_weights
from reports.activity import active_units, utilization_over_time
from reports.charts import cycles_chart
from reports.drawing import array_figure, draw_array
from reports.page import total_cycles
from workloads.spec import load


@dataclass(frozen=True)
class Case:
    id: str
    spec: str
    space: dict[str, int]
    skew: tuple[int, ...]


CASES = (
    Case("4x4", "gemm:m=9,n=7,k=10", {"m": 4, "n": 4}, (1, 1)),
    Case("16x16", "gemm:m=40,n=17,k=6", {"m": 16, "n": 16}, (1, 1)),
    Case("one-axis", "gemm:m=5,n=7,k=10", {"k": 8}, (1,)),
    Case("three-axes", "gemm:m=5,n=7,k=10", {"m": 3, "n": 2, "k": 3}, (1, 0, 1)),
    Case("window", "conv2d:n=1,oc=2,ic=2,h=6,w=7", {"oh": 3, "ow": 3}, (0, 0)),
)


def plan(case: Case) -> Plan:
    nest = load(case.spec).nest
    return build(nest, Dataflow.of(nest, case.space, skew=case.skew)).plans[0]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_drawing(case: Case) -> None:
    given = plan(case)
    assert draw_array(given) == draw_array(given)
    axes = array_figure(given).axes[0]
    boxes = [p for p in axes.patches if type(p).__name__ == "FancyBboxPatch"]
    links = [p for p in axes.patches if type(p).__name__ == "FancyArrowPatch"]
    units = len(given.dataflow.units)
    wanted = sum(step is not None for feed in given.feeds for _, step in feed.parents)
    wanted += sum(len(group) - 1 for stage in given.drain.stages for group in stage.groups)
    assert len(boxes) >= units
    assert len(links) >= wanted
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    for feed in given.feeds:
        assert any(str(feed.access) in text for text in legend)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_activity_against_every_point(case: Case) -> None:
    given = plan(case)
    dataflow, extents = given.dataflow, given.extents
    trips = dataflow.time_extents(extents)
    weights = time_weights(trips)
    walked, work = [], np.zeros(10_000)
    for time in time_points(trips):
        inside = [
            unit
            for unit in dataflow.units
            if all(value < extents[loop] for loop, value in dataflow.iteration(time, unit).items())
        ]
        walked.append(len(inside))
    assert active_units(given, extents).tolist() == walked
    total = sum(w * (r - 1) for w, r in zip(weights, trips, strict=True)) + 1 + dataflow.most_skew_cycles
    share = utilization_over_time(given, extents, weights, total, total)
    assert share.sum() * len(dataflow.units) == pytest.approx(sum(walked))
    assert 0 <= share.min() <= share.max() <= 1 + 1e-9
    del work


def test_cycles_chart_names_every_cause() -> None:
    cycles = total_cycles([Cycles(10, 2, 3, 4, 5), Cycles(10, 0, 0, 4, 5)])
    assert cycles == Cycles(20, 2, 3, 8, 10)
    assert cycles_chart(cycles) == cycles_chart(cycles)
