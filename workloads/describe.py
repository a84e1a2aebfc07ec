"""What a nest or workload is, in numbers and in text for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workloads.dataflow_spec import DataflowSpec
from workloads.elementwise import OPERATIONS
from workloads.interpreter import executed_points
from workloads.nest import Nest, Tensor
from workloads.text import body_text
from workloads.workload import Workload


@dataclass(frozen=True)
class TensorFacts:
    """One tensor of a nest.

    Attributes
    ----------
    reuse : float
        Uses of an element, on average: points that run, times accesses to the tensor, per element.
    """

    tensor: Tensor
    written: bool
    reuse: float


@dataclass(frozen=True)
class NestFacts:
    """What a nest costs by itself.

    Attributes
    ----------
    points : int
        Iteration points of the box.
    macs : int
        Points at which every guard holds.
    bytes : int
        All tensors, each once.
    macs_per_byte : float
        Arithmetic intensity if every tensor moved once.
    """

    points: int
    macs: int
    bytes: int
    macs_per_byte: float
    tensors: tuple[TensorFacts, ...]


def nest_facts(nest: Nest) -> NestFacts:
    """Count points, bytes and reuse, guards considered."""
    macs = executed_points(nest)
    accesses = [a.tensor for a in nest.accesses]
    size_bytes = sum(t.bytes for t in nest.tensors)
    tensors = tuple(
        TensorFacts(t, t.name == nest.output.tensor, macs * accesses.count(t.name) / t.elements) for t in nest.tensors
    )
    return NestFacts(nest.points, macs, size_bytes, macs / size_bytes, tensors)


def loop_text(nest: Nest) -> str:
    """The nest as nested loops."""
    lines = [f"{'  ' * depth}for {loop.name} in range({loop.extent}):" for depth, loop in enumerate(nest.loops)]
    if nest.guards:
        lines.append(f"{'  ' * len(lines)}if {' and '.join(map(str, nest.guards))}:")
    lines.append(f"{'  ' * len(lines)}{body_text(nest)}")
    return "\n".join(lines)


def describe(nest: Nest, dataflows: Sequence[DataflowSpec] = ()) -> str:
    """Loops, tensors, sizes and reuse of a nest, then its dataflows."""
    facts = nest_facts(nest)
    rows = [("tensor", "format", "shape", "bytes", "uses an element")]
    for entry in facts.tensors:
        t = entry.tensor
        name = t.name + (" (written)" if entry.written else "") + (" (padded)" if t.padded else "")
        rows.append((name, t.format.name, " x ".join(map(str, t.shape)), _bytes(t.bytes), f"{entry.reuse:,.1f}"))
    lines = [f"nest {nest.name}", "", *(f"  {line}" for line in loop_text(nest).splitlines()), ""]
    lines += [f"  {line}" for line in _table(rows)]
    share = f", {facts.macs / facts.points:.1%} of {facts.points:,} points" if nest.guards else ""
    what = "MACs" if nest.contraction else "terms"
    lines += ["", f"  {facts.macs:,} {what}{share}"]
    lines.append(f"  {_bytes(facts.bytes)} in all tensors, {facts.macs_per_byte:,.1f} {what} a byte if each moves once")
    for dataflow in dataflows:
        lines.append(f"  dataflow {dataflow.name}: {', '.join(dataflow.entries())}")
    return "\n".join(lines) + "\n"


def describe_workload(workload: Workload) -> str:
    """The steps in the order in which they run, their tensors, then each nest."""
    rows = [("step", "what", "reads", "writes")]
    tensors = {t.name: t for t in workload.tensors}
    for step in workload.order:
        if isinstance(step, Nest):
            reads = ", ".join(dict.fromkeys(a.tensor for a in step.inputs))
            what, output = "nest", tensors[step.output.tensor]
        else:
            what, reads, output = step.operation, ", ".join(step.inputs), tensors[step.output]
        rows.append((step.name, what, reads, f"{output.name}: {output.format} {' x '.join(map(str, output.shape))}"))
    lines = [f"workload {workload.name}", "", *(f"  {line}" for line in _table(rows)), ""]
    used = sorted({step.operation for step in workload.steps if not isinstance(step, Nest)})
    lines += [f"  {operation}: {OPERATIONS[operation].meaning}" for operation in used]
    macs = sum(executed_points(nest) for nest in workload.nests)
    inputs, outputs = (", ".join(t.name for t in found) for found in (workload.inputs, workload.outputs))
    lines += [f"  inputs {inputs}; outputs {outputs}; {macs:,} MACs", ""]
    return "\n".join(lines) + "\n" + "\n".join(describe(nest) for nest in workload.nests)


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns padded to their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _bytes(count: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} B"
