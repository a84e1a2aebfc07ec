"""Spec files: a nest and its dataflows as a person writes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from workloads.affine import Guard
from workloads.body import Body, parse_body, parse_guard
from workloads.dataflow_spec import DataflowSpec, read_dataflow
from workloads.errors import NestError, SpecError
from workloads.formats import BLOCK_FORMATS, FORMATS
from workloads.library import entry_names, from_library
from workloads.nest import Loop, Nest, Tensor, reached_shape
from workloads.text import to_text
from workloads.tokens import ExpressionError
from workloads.yaml_reader import NAME, Entries, Node, Reader, did_you_mean

NEST_KEYS = ("name", "loops", "body", "formats", "shapes", "padding", "guards")
DATAFLOW_KEYS = ("dataflow", "dataflows")
OUTPUT_KEY = "output_format"
_WANTED = {"name": "gemm", "loops": "{m: 64, n: 64, k: 64}", "body": "O[m, n] += A[m, k] * B[k, n]"}


@dataclass(frozen=True)
class Spec:
    """A nest with the dataflows given for it.

    Attributes
    ----------
    dataflows : tuple of DataflowSpec
        Empty where the mapper is to choose.
    source : str
        The text that the spec was read from.
    output_format : str or None
        The block format that hardware quantizes its results to.
    """

    nest: Nest
    dataflows: tuple[DataflowSpec, ...]
    source: str
    output_format: str | None = None

    def __str__(self) -> str:
        quantized = f"{OUTPUT_KEY}: {self.output_format}\n" if self.output_format else ""
        return to_text(self.nest, self.dataflows) + quantized


def load(text_or_path: str | Path) -> Spec:
    """Read a library name with parameters (``gemm:m=64``), a spec file, or the text of one.

    Raises
    ------
    SpecError
        Lists every fault, each with line and column.
    """
    kind, name, text = read_source(text_or_path)
    if kind == "library":
        nest, dataflow = from_library(text)
        return Spec(nest, (dataflow,), to_text(nest, (dataflow,)))
    return parse(text, source=name)


def read_source(text_or_path: str | Path) -> tuple[str, str, str]:
    """Tell a library name, a file and a text apart: ("library" or "text", name for messages, text)."""
    given = str(text_or_path)
    if "\n" in given:
        return "text", "spec", given
    if isinstance(text_or_path, str) and not given.endswith((".yaml", ".yml")):
        base = given.partition(":")[0]
        if base in entry_names():
            return "library", given, given
        if not Path(given).is_file():
            if NAME.fullmatch(base):
                raise SpecError(
                    (f"{base!r} is neither a spec file nor in the library{did_you_mean(base, entry_names())}",)
                )
            raise SpecError((f"{given!r} is neither a spec file nor in the library; expected a file or 'gemm:m=64'",))
    try:
        return "text", given, Path(given).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SpecError((f"{given}: the file is not text; expected YAML in UTF-8",)) from None
    except OSError as error:
        raise SpecError((f"{given}: cannot read the file: {(error.strerror or str(error)).lower()}",)) from None


def parse(text: str, *, source: str = "spec") -> Spec:
    """Read the text of a spec file; ``source`` names it in messages.

    Raises
    ------
    SpecError
        Lists every fault, each with line and column.
    """
    reader = Reader(source)
    root = reader.compose(text)
    entries = reader.entries(root, "the spec")
    if "steps" in entries:
        reader.fault(entries["steps"][0], "the spec has 'steps', so it is a workload; expected a single nest")
        reader.finish()
    entries = reader.known(entries, (*NEST_KEYS, *DATAFLOW_KEYS, OUTPUT_KEY), "the spec")
    nest = read_nest(reader, root, entries)
    loops = entries["loops"][1] if "loops" in entries else None
    names = tuple(key.value for key, _ in loops.value) if isinstance(loops, yaml.MappingNode) else ()
    dataflows = read_dataflows(reader, entries, names)
    output_format = None
    if OUTPUT_KEY in entries:
        output_format = reader.one_of(entries[OUTPUT_KEY][1], BLOCK_FORMATS, f"{OUTPUT_KEY!r}: the format")
    reader.finish()
    assert nest is not None, text
    return Spec(nest, dataflows, text, output_format)


def read_nest(reader: Reader, root: Node, entries: Entries) -> Nest | None:
    """Read the keys of one nest; None where loops or body are too broken to go on."""
    reader.missing(root, entries, _WANTED, "the spec")
    name = reader.name(entries["name"][1], "'name'") if "name" in entries else None
    loops = _read_loops(reader, entries)
    body = _read_body(reader, entries)
    guards = _read_guards(reader, entries)
    accesses = (body.output, *body.inputs) if body else ()
    ranks = {a.tensor: len(a.index) for a in reversed(accesses)}
    names = tuple(dict.fromkeys(a.tensor for a in accesses))
    padded = _read_padding(reader, entries, names)
    formats = _read_formats(reader, entries, names)
    shapes = _read_shapes(reader, entries, ranks)
    if body is None or not loops:
        return None
    extents = {loop.name: loop.extent for loop in loops}
    if faults := _rank_faults(body):
        for offset, sentence in faults:
            reader.fault(entries["body"][1], sentence, offset)
        return None
    unknown = [n for a in accesses for n in a.loops if n not in extents]
    # A made-up extent for an unknown loop lets the nest report it together with everything else.
    reach = extents | dict.fromkeys(unknown, 1)
    tensors = tuple(
        Tensor(n, FORMATS[formats[n]], shapes.get(n) or reached_shape(n, accesses, reach), n in padded) for n in names
    )
    flat = tuple(g for _, g in guards)
    try:
        return Nest(
            name or "nest",
            loops,
            body.output,
            body.inputs,
            tensors,
            body.coefficient,
            flat,
            body.unit,
            body.reduction,
        )
    except NestError as error:
        for place, fault in zip(error.places, error.faults, strict=True):
            _place(reader, entries, body, guards, place, fault)
        return None


def _place(
    reader: Reader,
    entries: Entries,
    body: Body,
    guards: list[tuple[Node, Guard]],
    place: tuple[str | int, ...],
    fault: str,
) -> None:
    """Report a fault of the nest where its culprit stands in the text."""
    kind, which = place[0], place[-1]
    if kind == "access" and isinstance(which, int):
        reader.fault(entries["body"][1], fault, body.offsets[which])
    elif kind == "guard" and isinstance(which, int):
        reader.fault(guards[which][0], fault)
    elif kind == "tensor":
        sections = [reader.entries(entries[key][1], key) for key in ("formats", "shapes", "padding") if key in entries]
        nodes = [section[str(which)][0] for section in sections if which in section]
        reader.fault(nodes[0] if nodes else entries["body"][1], fault)
    elif kind in ("loop", "loops"):
        loops = reader.entries(entries["loops"][1], "loops")
        reader.fault(loops[str(which)][1] if which in loops else entries["loops"][1], fault)
    elif kind != "name":  # The reader has reported every bad name where it stands.
        reader.fault(entries["body"][1], fault)


def _read_loops(reader: Reader, entries: Entries) -> tuple[Loop, ...]:
    if "loops" not in entries:
        return ()
    node = entries["loops"][1]
    loops, before = [], len(reader.faults)
    for key, value in reader.entries(node, "'loops'").values():
        reader.name(key, "'loops': the name of a loop")
        extent = reader.integer(value, f"loop {key.value!r}: the extent", least=1)
        # A broken extent is reported here; 1 keeps the loop known to everything that uses it.
        loops.append(Loop(key.value, extent or 1))
    if not loops and len(reader.faults) == before:
        reader.fault(node, "'loops' is empty; expected at least one loop")
    return tuple(loops)


def _read_body(reader: Reader, entries: Entries) -> Body | None:
    if "body" not in entries:
        return None
    node = entries["body"][1]
    text = reader.text(node, "'body'")
    if text is None:
        return None
    try:
        return parse_body(text)
    except ExpressionError as error:
        reader.fault(node, error.sentence, error.offset)
        return None


def _read_guards(reader: Reader, entries: Entries) -> list[tuple[Node, Guard]]:
    guards: list[tuple[Node, Guard]] = []
    for node in reader.items(entries["guards"][1], "'guards'") if "guards" in entries else ():
        text = reader.text(node, "'guards': a condition")
        try:
            guards += [(node, guard) for guard in parse_guard(text)] if text is not None else []
        except ExpressionError as error:
            reader.fault(node, error.sentence, error.offset)
    return guards


def _tensor_entries(reader: Reader, entries: Entries, key: str, names: Collection[str]) -> Entries:
    """Tensor name -> nodes; ``names`` is empty where the body is broken, and every name passes."""
    if key not in entries:
        return {}
    found = reader.entries(entries[key][1], f"{key!r}")
    for name, (node, _) in found.items():
        if names and name not in names:
            reader.fault(node, f"{key!r}: {name!r} is not a tensor of the body{did_you_mean(name, names)}")
    return {name: entry for name, entry in found.items() if name in names or not names}


def _read_padding(reader: Reader, entries: Entries, names: Collection[str]) -> set[str]:
    found = _tensor_entries(reader, entries, "padding", names)
    for name, (_, node) in found.items():
        value = reader.integer(node, f"'padding': the value of tensor {name!r}")
        if value:
            reader.fault(node, f"'padding': the value of tensor {name!r} must be 0, not {value}")
    return set(found)


def _read_formats(reader: Reader, entries: Entries, names: tuple[str, ...]) -> dict[str, str]:
    formats = {name: "int8" if position else "int32" for position, name in enumerate(names)}
    for name, (_, node) in _tensor_entries(reader, entries, "formats", names).items():
        number_format = reader.one_of(node, FORMATS, f"'formats': the format of tensor {name!r}")
        if number_format in FORMATS:
            formats[name] = number_format
    return formats


def _read_shapes(reader: Reader, entries: Entries, ranks: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for name, (_, node) in _tensor_entries(reader, entries, "shapes", ranks).items():
        items = reader.items(node, f"'shapes': the shape of tensor {name!r}")
        extents = [reader.integer(n, f"'shapes': an extent of tensor {name!r}", least=1) for n in items]
        rank = ranks.get(name, len(items))
        if items and len(items) != rank:
            sentence = f"'shapes': tensor {name!r} has rank {rank} in the body, but the shape has rank {len(items)}"
            reader.fault(node, sentence)
        elif items and None not in extents:
            shapes[name] = tuple(extent for extent in extents if extent is not None)
    return shapes


def _rank_faults(body: Body) -> list[tuple[int, str]]:
    first: dict[str, int] = {}
    faults = []
    for access, offset in zip((body.output, *body.inputs), body.offsets, strict=True):
        rank = first.setdefault(access.tensor, len(access.index))
        if rank != len(access.index):
            faults.append(
                (
                    offset,
                    f"body: {access} has rank {len(access.index)}, but tensor {access.tensor!r} has rank {rank} before",
                )
            )
    return faults


def read_dataflows(reader: Reader, entries: Entries, loops: tuple[str, ...]) -> tuple[DataflowSpec, ...]:
    """Read ``dataflow`` or ``dataflows``."""
    if "dataflow" in entries and "dataflows" in entries:
        reader.fault(entries["dataflows"][0], "the spec has 'dataflow' and 'dataflows'; expected one of them")
    if "dataflow" in entries:
        found = [read_dataflow(reader, entries["dataflow"][1], loops, name="dataflow")]
    elif "dataflows" in entries:
        nodes = reader.items(entries["dataflows"][1], "'dataflows'")
        found = [read_dataflow(reader, node, loops, name=None) for node in nodes]
        names = [d.name for d in found if d is not None]
        for name in dict.fromkeys(n for n in names if names.count(n) > 1):
            reader.fault(entries["dataflows"][1], f"'dataflows': two dataflows are called {name!r}")
    else:
        found = []
    return tuple(d for d in found if d is not None)
