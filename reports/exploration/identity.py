"""When a result may be used again: same layer, same point, same technology, same model."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from dataflow.technology import Technology, TechnologyError, technology_named
from reports.exploration.evaluate import LayerTask

_ROOT = Path(__file__).parents[2]
# Everything that a result's numbers come from.
_MODEL = ("workloads", "dataflow", "reports/exploration/evaluate.py", "reports/exploration/outcome.py")


@cache
def model_version() -> str:
    """Sixteen hexadecimal digits of the sources of the model; nobody has to remember to raise a number."""
    digest = hashlib.sha256()
    for name in _MODEL:
        place = _ROOT / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else (place,) if place.is_file() else ():
            digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def result_key(task: LayerTask) -> str:
    """Sixteen hexadecimal digits of all that decides the result of a task."""
    content = [model_version(), task.operator, task.objective, task.point.facts, _technology(task.point.technology)]
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
