"""Nests as the text of a spec file: what is printed here, `workloads.spec.parse` reads back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from workloads.dataflow_spec import DataflowSpec
from workloads.nest import Nest, reached_shape
from workloads.term import term_text
from workloads.workload import Workload


def body_text(nest: Nest) -> str:
    """``O[m, n] += A[m, k] * B[k, n]``."""
    term = term_text(nest.unit, nest.coefficient, [str(access) for access in nest.inputs])
    return f"{nest.output} {nest.reduction.symbol} {term}"


def nest_lines(nest: Nest) -> tuple[str, ...]:
    """The keys of one nest, defaults left out where the reader of the text does not miss them."""
    lines = [
        f"name: {nest.name}",
        f"loops: {_mapping((loop.name, loop.extent) for loop in nest.loops)}",
        f"body: {body_text(nest)}",
        f"formats: {_mapping((t.name, t.format) for t in nest.tensors)}",
    ]
    shapes = [
        (t.name, list(t.shape)) for t in nest.tensors if t.shape != reached_shape(t.name, nest.accesses, nest.extents)
    ]
    if shapes:
        lines.append(f"shapes: {_mapping(shapes)}")
    if any(t.padded for t in nest.tensors):
        lines.append(f"padding: {_mapping((t.name, 0) for t in nest.tensors if t.padded)}")
    if nest.guards:
        lines += ["guards:", *(f"  - {guard}" for guard in nest.guards)]
    return tuple(lines)


def dataflow_lines(dataflows: Sequence[DataflowSpec]) -> tuple[str, ...]:
    """``dataflow:`` for one without a name of its own, else ``dataflows:``."""
    if not dataflows:
        return ()
    if len(dataflows) == 1 and dataflows[0].name == "dataflow":
        return (f"dataflow: {{{', '.join(dataflows[0].entries())}}}",)
    return ("dataflows:", *(f"  - {dataflow}" for dataflow in dataflows))


def to_text(nest: Nest, dataflows: Sequence[DataflowSpec] = ()) -> str:
    """The spec file of a nest."""
    return "\n".join((*nest_lines(nest), *dataflow_lines(dataflows))) + "\n"


def workload_text(workload: Workload, dataflows: Mapping[str, Sequence[DataflowSpec]] | None = None) -> str:
    """The spec file of a workload, its steps as listed; ``dataflows`` are those of its nests."""
    lines = [f"name: {workload.name}"]
    if workload.declared:
        lines.append("inputs:")
        lines += [f"  {t.name}: {{format: {t.format}, shape: {list(t.shape)}}}" for t in workload.declared]
    lines.append("steps:")
    for step in workload.steps:
        if isinstance(step, Nest):
            first, *rest = (*nest_lines(step), *dataflow_lines((dataflows or {}).get(step.name, ())))
            lines += [f"  - {first}", *(f"    {line}" for line in rest)]
        else:
            lines.append(f"  - {step}")
    return "\n".join(lines) + "\n"


def _mapping(items: Iterable[tuple[str, object]]) -> str:
    return f"{{{', '.join(f'{key}: {value}' for key, value in items)}}}"
