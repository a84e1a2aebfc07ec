"""When a result may be used again: same layer, same point, same technology, same model."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from dataflow.technology import Technology, TechnologyError, technology_named
from reports.exploration.area import ArrayTask
from reports.exploration.evaluate import LayerTask

_ROOT = Path(__file__).parents[2]
# Everything that a result's numbers come from.
_MODEL = (
    *("workloads", "dataflow", "hw"),
    *(f"reports/exploration/{name}.py" for name in ("area", "evaluate", "leakage", "outcome")),
)


@cache
def model_version() -> str:
    """Sixteen hexadecimal digits of the sources of the model; nobody has to remember to raise a number."""
    digest = hashlib.sha256()
    for name in _MODEL:
        place = _ROOT / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else (place,) if place.is_file() else ():
            digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def result_key(task: LayerTask | ArrayTask) -> str:
    """Sixteen hexadecimal digits of all that decides the result of a task."""
    if isinstance(task, ArrayTask):
        content: list[Any] = [model_version(), list(task.array), [list(member) for member in task.members]]
        return _digest(content)
    content = [model_version(), task.operator, task.objective, task.point.facts, _technology(task.point.technology)]
    return _digest(content)


def _digest(content: list[Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _technology(name: str) -> str:
    """The content of a technology, which may be a file that the user changes between two runs."""
    try:
        found: Technology = technology_named(name)
    except TechnologyError:
        return ""
    return repr(found)
