"""Study files: YAML in which every mistake has a line and a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from dataflow.technology import TechnologyError, technology_named
from reports.exploration.constraint import Constraint
from reports.exploration.settings import SETTINGS, design_point
from reports.exploration.study import GOALS, Goal, Strategy, Study
from reports.exploration.study_workloads import ModelReader, no_models, read_workloads
from reports.exploration.workload import StudyWorkload, in_format
from workloads.errors import SpecError
from workloads.spec import load
from workloads.yaml_reader import Entries, Node, Reader, did_you_mean

_KEYS = ("name", "question", "workloads", "fixed", "axes", "baselines", "objective", "constraints", "strategy")
_WANTED = {"name": "edge", "workloads": "[{network: alexnet}]", "axes": "{buffer: [64KB, 128KB]}"}
_STRATEGIES = {"grid": (), "random": ("points", "seed"), "optuna": ("points", "seed")}
# A range that asks for more has a mistake in its step.
_MOST_VALUES = 1000


def load_study(path: str | Path, models: ModelReader = no_models) -> Study:
    """Read a study file; technology files and models in it are relative to its folder.

    Raises
    ------
    SpecError
        Lists every fault, each with line and column.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SpecError((f"{path}: the file is not text; expected YAML in UTF-8",)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError((f"{path}: cannot read the file: {reason.lower()}",)) from None
    return parse_study(text, source=str(path), folder=Path(path).parent, models=models)


def parse_study(text: str, *, source: str = "study", folder: Path = Path(), models: ModelReader = no_models) -> Study:
    """Read the text of a study file.

    Raises
    ------
    SpecError
        Lists every fault, each with line and column.
    """
    if not any(line.partition("#")[0].strip() for line in text.splitlines()):
        raise SpecError((f"{source}:1:1: the study is empty; expected a mapping with 'name', 'workloads', 'axes'",))
    reader = Reader(source)
    root = reader.compose(text)
    given = reader.entries(root, "the study")
    entries = reader.known(given, _KEYS, "the study")
    reader.missing(root, entries, _WANTED, "the study")
    name = reader.name(entries["name"][1], "'name'") if "name" in entries else None
    question = reader.text(entries["question"][1], "'question'") if "question" in entries else ""
    workloads: tuple[StudyWorkload, ...] = ()
    if "workloads" in entries:
        workloads = read_workloads(reader, entries["workloads"][1], models=models, folder=folder)
    settings = _Settings(reader, folder)
    # A key that is misspelt may hold the settings that seem to be missing.
    settings.read(root, entries, complete=len(entries) == len(given))
    baselines = settings.baselines(entries["baselines"][1]) if "baselines" in entries else []
    objective = "edp"
    if "objective" in entries:
        objective = reader.one_of(entries["objective"][1], GOALS, "'objective'") or objective
    constraints = _constraints(reader, entries["constraints"][1]) if "constraints" in entries else ()
    strategy = _strategy(reader, entries["strategy"][1]) if "strategy" in entries else Strategy()
    if not reader.faults:
        settings.check_dataflows(workloads)
        settings.check_off_chip()
    reader.finish()
    goal: Goal = next(known for known in GOALS if known == objective)
    return Study(
        name or "",
        " ".join((question or "").split()),
        workloads,
        settings.fixed,
        settings.axes,
        tuple((label, design_point({**settings.fixed, **own})) for label, own in baselines),
        goal,
        constraints,
        strategy,
    )


class _Settings:
    """Reads values of settings, and remembers where each stands."""

    def __init__(self, reader: Reader, folder: Path) -> None:
        self.reader, self.folder = reader, folder
        self.fixed: dict[str, Any] = {}
        self.axes: tuple[tuple[str, tuple[Any, ...]], ...] = ()
        self.where: dict[str, list[tuple[Any, Node]]] = {name: [] for name in SETTINGS}

    def read(self, root: Node, entries: Entries, *, complete: bool) -> None:
        reader = self.reader
        fixed = self._entries(entries["fixed"][1], "'fixed'") if "fixed" in entries else {}
        axes = self._entries(entries["axes"][1], "'axes'") if "axes" in entries else {}
        for name in fixed:
            if name in axes:
                reader.fault(axes[name][0], f"setting {name!r} is both fixed and an axis; expected one of them")
        read = {name: self._value(name, node) for name, (_, node) in fixed.items()}
        self.axes = tuple((name, self._values(name, node)) for name, (_, node) in axes.items())
        for name, setting in SETTINGS.items():
            if name in fixed or name in axes:
                continue
            if setting.default is not None:
                read[name] = setting.read(setting.default)
            elif complete:
                sentence = f"setting {name!r} is neither fixed nor an axis; expected for example"
                reader.fault(root, f"{sentence} 'fixed: {{{name}: {setting.example}}}'")
        self.fixed = {**{name: values[0] for name, values in self.axes if values}, **read}

    def baselines(self, node: Node) -> list[tuple[str, dict[str, Any]]]:
        """Named points: what they say, else what is fixed."""
        reader = self.reader
        found = []
        axes = [name for name, _ in self.axes]
        for label, (key, value) in reader.entries(node, "'baselines'").items():
            entries = self._entries(value, f"baseline {label!r}")
            for name in axes:
                if name not in entries:
                    reader.fault(key, f"baseline {label!r} does not say {name!r}, which is an axis; expected one value")
            found.append((label, {name: self._value(name, each) for name, (_, each) in entries.items()}))
        return found

    def check_dataflows(self, workloads: tuple[StudyWorkload, ...]) -> None:
        """Faults where the loops of a dataflow are those of no operator."""
        formats = [value for value, _ in self.where["format"]] or [self.fixed["format"]]
        operators = {in_format(o, f) for w in workloads for o, _ in w.operators for f in formats}
        nests = {frozenset(load(operator).nest.loop_names) for operator in operators}
        for spaces, node in self.where["dataflows"]:
            for space in spaces:
                if not any(set(space) <= loops for loops in nests):
                    flow = "-".join(space)
                    self.reader.fault(node, f"dataflow {flow!r}: no operator of the workloads has all of its loops")

    def check_off_chip(self) -> None:
        """Faults where an off-chip memory is in none of the technologies."""
        names = [value for value, _ in self.where["technology"]] or [self.fixed["technology"]]
        known = {memory: None for name in names for memory, _ in technology_named(name).off_chip_pj_per_bit}
        for memory, node in self.where["off_chip"]:
            if memory not in known and memory != "first":
                self.reader.fault(node, f"off-chip memory {memory!r} is not known{did_you_mean(memory, known)}")

    def _entries(self, node: Node, what: str) -> Entries:
        return self.reader.known(self.reader.entries(node, what), SETTINGS, what)

    def _value(self, name: str, node: Node) -> Any:
        text = self.reader.text(node, f"setting {name!r}")
        if text is None:
            return None
        if name == "technology" and text.endswith(".toml"):
            text = str(self.folder / text)
        try:
            value = SETTINGS[name].read(text)
        except ValueError as error:
            self.reader.fault(node, f"setting {name!r}: {text!r}: {error}")
            return None
        except TechnologyError as error:
            for fault in str(error).splitlines():
                self.reader.fault(node, f"setting {name!r}: {fault}")
            return None
        self.where[name].append((value, node))
        return value

    def _values(self, name: str, node: Node) -> tuple[Any, ...]:
        """A list, or a range ``{from: 8, to: 64, times: 2}`` or ``{from: 8, to: 64, step: 8}``."""
        if isinstance(node, yaml.MappingNode):
            return self._range(name, node)
        nodes = self.reader.items(node, f"axis {name!r}")
        if isinstance(node, yaml.SequenceNode) and not nodes:
            self.reader.fault(node, f"axis {name!r} is empty; expected at least one value")
        values = [self._value(name, each) for each in nodes]
        for at, value in enumerate(values):
            if value is not None and value in values[:at]:
                self.reader.fault(nodes[at], f"axis {name!r} has the value {nodes[at].value!r} twice")
        return tuple(values)

    def _range(self, name: str, node: Node) -> tuple[Any, ...]:
        reader, what = self.reader, f"axis {name!r}"
        entries = reader.known(reader.entries(node, what), ("from", "to", "times", "step"), what)
        reader.missing(node, entries, {"from": "8", "to": "64"}, what)
        if "from" not in entries or "to" not in entries:
            return ()
        numbers = {key: self._value(name, each) for key, (_, each) in entries.items() if key in ("from", "to", "step")}
        if "times" in entries:
            numbers["times"] = self._times(what, entries["times"][1])
        if None in numbers.values():
            return ()
        if not all(isinstance(value, int | float) for value in numbers.values()):
            reader.fault(node, f"{what}: a range is for numbers; expected a list of values")
            return ()
        if ("times" in numbers) == ("step" in numbers):
            reader.fault(node, f"{what}: expected either 'times' or 'step' beside 'from' and 'to'")
            return ()
        following: Callable[[Any], Any] = (
            (lambda value: value * numbers["times"]) if "times" in numbers else lambda value: value + numbers["step"]
        )
        first: int | float = numbers["from"]
        values, value = list[int | float](), first
        # Steps such as 0.1 do not add up exactly.
        while value <= numbers["to"] * (1 + 1e-9) and len(values) <= _MOST_VALUES:
            values.append(type(first)(value))
            value = following(value)
        if not 1 <= len(values) <= _MOST_VALUES:
            count = "no value" if not values else f"more than {_MOST_VALUES} values"
            reader.fault(node, f"{what}: the range has {count}; expected 1 to {_MOST_VALUES}")
        return tuple(values)

    def _times(self, what: str, node: Node) -> float | None:
        text = self.reader.text(node, f"{what}: 'times'")
        if text is None or not re.fullmatch(r"\d+(\.\d+)?", text) or float(text) <= 1:
            self.reader.fault(node, f"{what}: 'times' must be a number above 1")
            return None
        return int(text) if text.isdecimal() else float(text)


def _constraints(reader: Reader, node: Node) -> tuple[Constraint, ...]:
    found = []
    for each in reader.items(node, "'constraints'"):
        text = reader.text(each, "a constraint")
        if text is None:
            continue
        try:
            found.append(Constraint.parse(text))
        except ValueError as error:
            reader.fault(each, f"constraint {text!r}: {error}")
    return tuple(found)


def _strategy(reader: Reader, node: Node) -> Strategy:
    entries = reader.known(reader.entries(node, "'strategy'"), ("kind", "points", "seed"), "'strategy'")
    reader.missing(node, entries, {"kind": "grid"}, "'strategy'")
    kind = reader.one_of(entries["kind"][1], _STRATEGIES, "'strategy': 'kind'") if "kind" in entries else None
    if kind is None:
        return Strategy()
    numbers = {}
    for key, least in (("points", 1), ("seed", 0)):
        if key not in entries:
            continue
        if key not in _STRATEGIES[kind]:
            reader.fault(entries[key][0], f"'strategy': {key!r} is not for {kind!r}, which takes every point")
            continue
        numbers[key] = reader.integer(entries[key][1], f"'strategy': {key!r}", least=least) or 0
    if kind != "grid" and "points" not in entries:
        reader.fault(node, f"'strategy': key 'points' is missing; expected for example 'points: 100' for {kind!r}")
    return Strategy("random" if kind == "random" else "optuna" if kind == "optuna" else "grid", **numbers)
