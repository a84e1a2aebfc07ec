"""The HTML page of an exploration: self-contained, no network."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from reports.compare import compare_with_gpu
from reports.compare_gpu import GpuMeasurements
from reports.exploration.outcome import LayerOutcome, PointOutcome
from reports.exploration.pareto import pareto_front
from reports.study_page.arrays import array_key, draw_arrays
from reports.study_page.constants import constants_of
from reports.study_page.content import study_content
from reports.study_page.header import StudyHeader, best_of
from reports.template import render

_SCRIPTS = ("elements.js", "pareto.js", "panels.js", "roofline.js", "page.js")


def write_study_page(
    header: StudyHeader, outcomes: Sequence[PointOutcome], path: Path, gpu: GpuMeasurements | None = None
) -> None:
    """Write the page whole or not at all.

    Raises
    ------
    OSError
    """
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(study_page(header, outcomes, gpu), encoding="utf-8")
    os.replace(temporary, path)


def study_page(header: StudyHeader, outcomes: Sequence[PointOutcome], gpu: GpuMeasurements | None = None) -> str:
    """HTML of all points; the same outcomes give the same bytes."""
    able = [outcome for outcome in outcomes if outcome.failure is None]
    front = pareto_front(outcomes)
    best = best_of(header, outcomes)
    content = study_content(header, outcomes)
    drawings = draw_arrays(layer for outcome in front for workload in outcome.workloads for layer in workload.layers)
    embedded = {
        **content,
        "best": None if best is None else best.point.key,
        "gpu": None if gpu is None else gpu.facts,
        "arrays": _arrays(content, outcomes, drawings),
    }
    checks = [(outcome, check) for outcome in outcomes for check in outcome.verifications]
    return render(
        "study_page/page.html",
        name=header.name,
        header=header,
        points=len(outcomes),
        able=len(able),
        front=len(front),
        failed=[outcome for outcome in outcomes if outcome.failure is not None],
        checks=checks,
        passed=sum(check.passed for _, check in checks),
        areas=sorted({outcome.area.source for outcome in able if outcome.area is not None}),
        constants=constants_of(outcome.point for outcome in outcomes),
        drawings=list(drawings.items()),
        gpu=gpu,
        comparison=None if gpu is None or best is None else compare_with_gpu(best, gpu),
        style=_text("page.css"),
        script="\n".join(map(_text, _SCRIPTS)),
        content=_embedded(embedded),
    )


def _arrays(
    content: Mapping[str, object], outcomes: Sequence[PointOutcome], drawings: Mapping[str, str]
) -> dict[int, int]:
    """Number of the drawing by number of a layer's command."""
    texts, order = content["texts"], list(drawings)
    assert isinstance(texts, list)
    numbers = {text: number for number, text in enumerate(texts)}
    found: dict[int, int] = {}
    for layer in _layers(outcomes):
        number = numbers.get(layer.simulate)
        if number is not None and number not in found and (key := array_key(layer)) in drawings:
            found[number] = order.index(key)
    return found


def _layers(outcomes: Sequence[PointOutcome]) -> list[LayerOutcome]:
    return [layer for outcome in outcomes for workload in outcome.workloads for layer in workload.layers]


def _text(name: str) -> str:
    return files("reports").joinpath("study_page", name).read_text(encoding="utf-8")


def _embedded(value: object) -> str:
    # Nothing in the data may end the script element that holds it.
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
