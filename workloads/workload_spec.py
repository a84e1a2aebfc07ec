"""Spec files with several steps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from workloads.dataflow_spec import DataflowSpec
from workloads.elementwise import OPERATIONS, Elementwise
from workloads.formats import FORMATS
from workloads.nest import Nest, Tensor
from workloads.spec import DATAFLOW_KEYS, NEST_KEYS, load, parse, read_dataflows, read_nest, read_source
from workloads.text import workload_text
from workloads.workload import Step, Workload, WorkloadError
from workloads.yaml_reader import Entries, Node, Reader

_KEYS = ("name", "inputs", "steps")
_STEP_KEYS = ("name", "operation", "inputs", "output", "factor", "axis", "format")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class WorkloadSpec:
    """A workload with the dataflows given for its nests.

    Attributes
    ----------
    dataflows : tuple of (nest, dataflows)
        One entry a nest that has any.
    source : str
        The text that the spec was read from.
    """

    workload: Workload
    dataflows: tuple[tuple[str, tuple[DataflowSpec, ...]], ...]
    source: str

    def __str__(self) -> str:
        return workload_text(self.workload, dict(self.dataflows))


def load_workload(text_or_path: str | Path) -> WorkloadSpec:
    """Read a spec with ``steps:``; a single nest or library name is a workload of one step.

    Raises
    ------
    SpecError
        Lists every fault, each with line and column.
    """
    kind, name, text = read_source(text_or_path)
    if kind == "library":
        return _single(load(text).nest, load(text).dataflows, text)
    return parse_workload(text, source=name)


def parse_workload(text: str, *, source: str = "spec") -> WorkloadSpec:
    """Read the text of a spec file; ``source`` names it in messages.

    Raises
    ------
    SpecError
        Lists every fault, each with line and column.
    """
    reader = Reader(source)
    root = reader.compose(text)
    keys = [key.value for key, _ in root.value] if isinstance(root, yaml.MappingNode) else []
    if "steps" not in keys:
        spec = parse(text, source=source)
        return _single(spec.nest, spec.dataflows, text)
    entries = reader.known(reader.entries(root, "the spec"), _KEYS, "the spec")
    reader.missing(root, entries, {"name": "attention"}, "the spec")
    name = reader.name(entries["name"][1], "'name'") if "name" in entries else None
    declared = _read_inputs(reader, entries)
    nodes = reader.items(entries["steps"][1], "'steps'")
    steps, dataflows = [], []
    for node in nodes:
        step, found = _read_step(reader, node)
        steps.append(step)
        if step is not None and found:
            dataflows.append((step.name, found))
    complete = tuple(step for step in steps if step is not None)
    # With a step missing, every tensor that it makes would be reported as unknown.
    if len(complete) == len(steps) and None not in declared:
        try:
            workload = Workload(name or "workload", complete, tuple(t for t in declared if t is not None))
        except WorkloadError as error:
            for place, fault in zip(error.places, error.faults, strict=True):
                reader.fault(entries["steps"][0] if place is None else nodes[place], fault)
    reader.finish()
    return WorkloadSpec(workload, tuple(dataflows), text)


def _single(nest: Nest, dataflows: tuple[DataflowSpec, ...], text: str) -> WorkloadSpec:
    return WorkloadSpec(Workload(nest.name, (nest,)), ((nest.name, dataflows),) if dataflows else (), text)


def _read_inputs(reader: Reader, entries: Entries) -> list[Tensor | None]:
    if "inputs" not in entries:
        return []
    tensors: list[Tensor | None] = []
    for key, value in reader.entries(entries["inputs"][1], "'inputs'").values():
        before = len(reader.faults)
        what = f"input {key.value!r}"
        name = reader.name(key, "'inputs': the name of a tensor")
        found = reader.known(reader.entries(value, what), ("format", "shape"), what)
        reader.missing(value, found, {"format": "int8", "shape": "[64, 64]"}, what)
        format_name = reader.one_of(found["format"][1], FORMATS, f"{what}: 'format'") if "format" in found else None
        items = reader.items(found["shape"][1], f"{what}: 'shape'") if "shape" in found else []
        shape = [reader.integer(n, f"{what}: an extent of 'shape'", least=1) for n in items]
        whole = tuple(extent for extent in shape if extent is not None)
        if len(reader.faults) > before or name is None or format_name is None:
            tensors.append(None)
        else:
            tensors.append(Tensor(name, FORMATS[format_name], whole))
    return tensors


def _read_step(reader: Reader, node: Node) -> tuple[Step | None, tuple[DataflowSpec, ...]]:
    entries = reader.entries(node, "a step")
    if not entries:
        if isinstance(node, yaml.MappingNode):
            reader.fault(node, "a step is empty; expected a nest with 'loops' and 'body', or an 'operation'")
        return None, ()
    if "operation" in entries:
        return _read_elementwise(reader, node, reader.known(entries, _STEP_KEYS, "the step")), ()
    entries = reader.known(entries, NEST_KEYS + DATAFLOW_KEYS, "the step")
    nest = read_nest(reader, node, entries)
    return nest, read_dataflows(reader, entries, nest.loop_names if nest else ())


def _read_elementwise(reader: Reader, node: Node, entries: Entries) -> Elementwise | None:
    before = len(reader.faults)
    reader.missing(node, entries, {"name": "scaled", "inputs": "[S]", "output": "T"}, "the step")
    name = reader.name(entries["name"][1], "the step: 'name'") if "name" in entries else None
    operation = reader.one_of(entries["operation"][1], OPERATIONS, "the step: 'operation'")
    items = reader.items(entries["inputs"][1], "the step: 'inputs'") if "inputs" in entries else []
    inputs = [reader.name(n, "the step: an entry of 'inputs'") for n in items]
    output = reader.name(entries["output"][1], "the step: 'output'") if "output" in entries else None
    factor = _read_number(reader, entries["factor"][1], "the step: 'factor'") if "factor" in entries else None
    axis = reader.integer(entries["axis"][1], "the step: 'axis'") if "axis" in entries else None
    number_format = reader.one_of(entries["format"][1], FORMATS, "the step: 'format'") if "format" in entries else None
    if len(reader.faults) > before or name is None or operation is None or output is None:
        return None
    names = tuple(n for n in inputs if n is not None)
    return Elementwise(name, operation, names, output, factor, axis, number_format)


def _read_number(reader: Reader, node: Node, what: str) -> float | None:
    text = reader.text(node, what)
    if text is None or _NUMBER.fullmatch(text):
        return None if text is None else float(text)
    reader.fault(node, f"{what} must be a number, not {text!r}")
    return None
