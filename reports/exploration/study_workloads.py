"""The workloads of a study file: networks, rollouts, a user's models, and operators of the library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from reports.exploration.settings import number_of
from reports.exploration.workload import StudyWorkload
from workloads.errors import BrickworkError, SpecError
from workloads.networks import Network
from workloads.spec import load
from workloads.yaml_reader import Entries, Node, Reader

_KINDS = {
    "network": ("network", "weight"),
    "rollout": ("rollout", "batch", "prompt", "completion", "weight"),
    "model": ("model", "input", "input_dtype", "weight"),
    "operators": ("name", "operators", "weight"),
}
_KEYS = tuple(dict.fromkeys(key for keys in _KINDS.values() for key in keys))

# A model's text, the shapes of its inputs and their type as a network; a BrickworkError says what is wrong.
ModelReader = Callable[[str, tuple[str, ...], str], Network]


def no_models(text: str, inputs: tuple[str, ...], input_dtype: str) -> Network:
    """A `ModelReader` where nothing can read models.

    Raises
    ------
    BrickworkError
    """
    raise BrickworkError(f"model {text!r}: models are read by 'brickwork explore' and brickwork.load_study")


def read_workloads(
    reader: Reader, node: Node, *, models: ModelReader = no_models, folder: Path = Path()
) -> tuple[StudyWorkload, ...]:
    """Read the list under ``workloads``; mistakes are left with the reader."""
    nodes = reader.items(node, "'workloads'")
    if isinstance(node, yaml.SequenceNode) and not nodes:
        reader.fault(node, "'workloads' is empty; expected at least one network or operator")
    found: dict[str, StudyWorkload] = {}
    for each in nodes:
        workload = _workload(reader, each, models, folder)
        if workload is None:
            continue
        if workload.name in found:
            reader.fault(each, f"'workloads': {workload.name!r} appears twice; give it a weight instead")
        found[workload.name] = workload
    return tuple(found.values())


def _workload(reader: Reader, node: Node, models: ModelReader, folder: Path) -> StudyWorkload | None:
    before = len(reader.faults)
    entries = reader.known(reader.entries(node, "a workload"), _KEYS, "a workload")
    kinds = [kind for kind in _KINDS if kind in entries]
    if isinstance(node, yaml.MappingNode) and len(kinds) != 1:
        reader.fault(node, "a workload: expected one of the keys 'network', 'rollout', 'model' and 'operators'")
    if len(kinds) != 1:
        return None
    kind = kinds[0]
    for key, (at, _) in entries.items():
        if key not in _KINDS[kind]:
            reader.fault(at, f"a workload: {key!r} is not for {kind!r}, which takes {', '.join(_KINDS[kind])}")
    weight = _weight(reader, entries)
    if kind == "operators":
        return _operators(reader, node, entries, weight)
    text = reader.text(entries[kind][1], f"a workload: {kind!r}")
    if kind == "model":
        # A misspelt 'input' would make a second fault.
        clean = text is not None and len(reader.faults) == before
        return _model(reader, entries, folder / (text or ""), weight, models) if clean else None
    sizes = {
        key: reader.integer(entries[key][1], f"a workload: {key!r}", least=1) if key in entries else default
        for key, default in (("batch", 8), ("prompt", 256), ("completion", 2048))
    }
    if text is None or None in sizes.values():
        return None
    try:
        if kind == "network":
            return StudyWorkload.of_network(text, weight)
        return StudyWorkload.of_rollout(text, **{k: v or 1 for k, v in sizes.items()}, weight=weight)
    except BrickworkError as error:
        for fault in str(error).splitlines():
            reader.fault(entries[kind][1], fault)
        return None


def _model(reader: Reader, entries: Entries, path: Path, weight: float, models: ModelReader) -> StudyWorkload | None:
    inputs: tuple[str | None, ...] = ()
    if "input" in entries:
        node = entries["input"][1]
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        inputs = tuple(reader.text(each, "a workload: 'input'") for each in nodes)
    kind = (
        reader.text(entries["input_dtype"][1], "a workload: 'input_dtype'") if "input_dtype" in entries else "float32"
    )
    shapes = tuple(shape for shape in inputs if shape is not None)
    if kind is None or len(shapes) < len(inputs):
        return None
    try:
        return StudyWorkload.of_model(models(str(path), shapes, kind), weight)
    except BrickworkError as error:
        for fault in str(error).splitlines():
            reader.fault(entries["model"][1], fault)
        return None


def _operators(reader: Reader, node: Node, entries: Entries, weight: float) -> StudyWorkload | None:
    reader.missing(node, entries, {"name": "head"}, "a workload")
    name = reader.text(entries["name"][1], "a workload: 'name'") if "name" in entries else None
    listed = reader.entries(entries["operators"][1], "'operators'")
    found = []
    for operator, (key, value) in listed.items():
        times = reader.integer(value, f"operator {operator!r}: how often it runs", least=1)
        try:
            load(operator)
        except SpecError as error:
            for fault in error.faults:
                reader.fault(key, fault)
            continue
        found.append((operator, times or 1))
    if isinstance(entries["operators"][1], yaml.MappingNode) and not listed:
        reader.fault(entries["operators"][1], "'operators' is empty; expected for example '{gemm:m=64: 1}'")
    return StudyWorkload(name, weight, tuple(found)) if name and found else None


def _weight(reader: Reader, entries: Entries) -> float:
    text = reader.text(entries["weight"][1], "a workload: 'weight'") if "weight" in entries else "1"
    try:
        return number_of(text or "1")
    except ValueError as error:
        reader.fault(entries["weight"][1], f"a workload: 'weight': {error}, not {text!r}")
        return 1.0
