"""Fusion files: which dataflows one array has to serve."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from workloads.dataflow_spec import DataflowSpec, read_dataflow
from workloads.errors import SpecError
from workloads.library import entry_names
from workloads.nest import Nest
from workloads.spec import load
from workloads.yaml_reader import Node, Reader

_KEYS = ("name", "members")
_MEMBER_KEYS = ("nest", "dataflow")
_WANTED = {"name": "lego", "members": "[{nest: gemm:m=32, dataflow: {name: os, space: {m: 16, n: 16}}}]"}
_MEMBER_WANTED = {"nest": "gemm:m=32,n=32,k=32", "dataflow": "{name: os, space: {m: 16, n: 16}}"}
# Text that YAML takes as it stands, in any place.
_PLAIN = re.compile(r"[\w./][\w./:=,+-]*(?<!:)", re.ASCII)


@dataclass(frozen=True, slots=True)
class FusionMember:
    """One dataflow of a fused array.

    Attributes
    ----------
    written : str
        The nest as the file names it: a library name, a path or the text of a spec.
    """

    written: str
    nest: Nest
    dataflow: DataflowSpec


@dataclass(frozen=True, slots=True)
class FusionSpec:
    """The dataflows that one array is to serve, under distinct names."""

    name: str
    members: tuple[FusionMember, ...]

    def __str__(self) -> str:
        lines = [f"name: {self.name}", "members:"]
        for member in self.members:
            plain = _PLAIN.fullmatch(member.written)
            lines.append(f"  - nest: {member.written if plain else json.dumps(member.written, ensure_ascii=False)}")
            lines.append(f"    dataflow: {member.dataflow}")
        return "\n".join(lines) + "\n"


def load_fusion(path: str | Path) -> FusionSpec:
    """Read a fusion file.

    Raises
    ------
    SpecError
        Lists every fault, each with line and column; those of a member's own spec file with that file's too.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SpecError((f"{path}: the file is not text; expected YAML in UTF-8",)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError((f"{path}: cannot read the file: {reason.lower()}",)) from None
    return parse_fusion(text, source=str(path), folder=Path(path).parent)


def parse_fusion(text: str, *, source: str = "fusion", folder: Path = Path()) -> FusionSpec:
    """Read the text of a fusion file; paths in it are relative to ``folder``.

    Raises
    ------
    SpecError
        Lists every fault, each with line and column.
    """
    if not any(line.partition("#")[0].strip() for line in text.splitlines()):
        raise SpecError((f"{source}:1:1: the fusion file is empty; expected a mapping with 'name' and 'members'",))
    reader = Reader(source)
    root = reader.compose(text)
    entries = reader.known(reader.entries(root, "the fusion file"), _KEYS, "the fusion file")
    reader.missing(root, entries, _WANTED, "the fusion file")
    name = reader.name(entries["name"][1], "'name'") if "name" in entries else None
    nodes: list[Node] = []
    if "members" in entries:
        nodes = reader.items(entries["members"][1], "'members'")
        if isinstance(entries["members"][1], yaml.SequenceNode) and not nodes:
            reader.fault(entries["members"][1], "'members' is empty; expected at least one nest with its dataflow")
    names: dict[str, None] = {}
    members = [_read_member(reader, node, folder, names) for node in nodes]
    reader.finish()
    assert name is not None, text
    return FusionSpec(name, tuple(member for member in members if member is not None))


def _read_member(reader: Reader, node: Node, folder: Path, names: dict[str, None]) -> FusionMember | None:
    """Read one member; ``names`` collects those of the dataflows."""
    entries = reader.known(reader.entries(node, "a member"), _MEMBER_KEYS, "a member")
    reader.missing(node, entries, _MEMBER_WANTED, "a member")
    written = reader.text(entries["nest"][1], "a member: 'nest'") if "nest" in entries else None
    nest = None
    if written is not None:
        try:
            nest = load(_located(written, folder)).nest
        except SpecError as error:
            for fault in error.faults:
                reader.fault(entries["nest"][1], fault)
    flow = None
    if "dataflow" in entries:
        given = entries["dataflow"][1]
        flow = read_dataflow(reader, given, nest.loop_names if nest else (), name=None)
        _check_distinct(reader, given, names)
    if nest is None or flow is None or written is None:
        return None
    return FusionMember(written, nest, flow)


def _located(written: str, folder: Path) -> str | Path:
    """What to load: text and library names stay, paths are taken from ``folder``."""
    if "\n" in written or (written.partition(":")[0] in entry_names() and not written.endswith((".yaml", ".yml"))):
        return written
    path = folder / written
    return path if written.endswith((".yaml", ".yml")) or path.is_file() else written


def _check_distinct(reader: Reader, dataflow: Node, names: dict[str, None]) -> None:
    for key, value in dataflow.value if isinstance(dataflow, yaml.MappingNode) else ():
        if key.value == "name" and isinstance(value, yaml.ScalarNode):
            if value.value in names:
                reader.fault(value, f"'members': two dataflows are called {value.value!r}; give each a name of its own")
            names[value.value] = None
