"""When an outcome may be used again: same point, same workloads, same technology, same model."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from dataflow.technology import Technology, TechnologyError, technology_named
from reports.exploration.design_point import DesignPoint
from reports.exploration.study import Study

_ROOT = Path(__file__).parents[2]
# Everything that an outcome's numbers come from.
_MODEL = ("workloads", "dataflow", "hw/estimate", "reports/exploration/evaluate.py", "reports/exploration/workload.py")


@cache
def model_version() -> str:
    """Sixteen hexadecimal digits of the sources of the model; nobody has to remember to raise a number."""
    digest = hashlib.sha256()
    for name in _MODEL:
        place = _ROOT / name
        for path in sorted(place.rglob("*.py")) if place.is_dir() else (place,) if place.is_file() else ():
            digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def result_key(study: Study, point: DesignPoint) -> str:
    """Sixteen hexadecimal digits of all that decides the outcome of a point."""
    return _digest((_work(study), point.facts, _technology(point.technology)))


def _work(study: Study) -> object:
    workloads = [[w.name, w.weight, [list(each) for each in w.operators]] for w in study.workloads]
    return [model_version(), study.mapped_for, workloads]


@cache
def _technology(name: str) -> str:
    """The content of a technology, which may be a file that the user changes between two runs."""
    try:
        found: Technology = technology_named(name)
    except TechnologyError:
        return ""
    return repr(found)


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
