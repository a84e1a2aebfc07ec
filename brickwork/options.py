"""Reading the values of command-line options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from brickwork.steps import ChoiceError, checked_dataflow, dataflow_of
from dataflow import Dataflow
from workloads.dataflow_spec import DataflowSpec
from workloads.nest import Nest
from workloads.spec import Spec


def sizes(option: str, text: str | None) -> dict[str, int]:
    """``m=16,n=16`` as a mapping.

    Raises
    ------
    ChoiceError
        Names the option and the part that is not ``loop=number``.
    """
    found: dict[str, int] = {}
    for part in text.split(",") if text is not None else ():
        loop, equals, number = part.partition("=")
        if not equals or not loop.strip().isidentifier() or not number.strip().isdigit():
            raise ChoiceError(f"{option}: expected loop=number, as in {option} m=16,n=16, not {part!r}")
        if loop.strip() in found:
            raise ChoiceError(f"{option} names loop {loop.strip()!r} twice")
        found[loop.strip()] = int(number)
    return found


def numbers(option: str, text: str) -> tuple[int, ...]:
    """``1,1`` as numbers."""
    parts = text.split(",")
    for part in parts:
        if not part.strip().isdigit():
            raise ChoiceError(f"{option}: expected whole numbers, as in {option} 1,1, not {part!r}")
    return tuple(int(part) for part in parts)


def chosen_dataflow(
    spec: Spec, name: str | None, space: str | None, skew: str | None, order: str | None, tile: str | None
) -> Dataflow:
    """The spec's dataflow with what the options change; --space begins a new one."""
    if name is not None and space is not None:
        raise ChoiceError(
            "--dataflow and --space exclude each other: the one names a dataflow, the other makes a new one"
        )
    changes: dict[str, object] = {}
    if skew is not None:
        changes["skew"] = numbers("--skew", skew)
    if order is not None:
        changes["order"] = tuple(part.strip() for part in order.split(","))
    if tile is not None:
        changes["tile"] = tuple(sizes("--tile", tile).items())
    if space is not None:
        axes = sizes("--space", space)
        given = DataflowSpec("_".join(axes), tuple(axes.items()))
    else:
        checked = dataflow_of(spec, name)
        if not changes:
            return checked
        given = next(d for d in spec.dataflows if d.name == checked.name)
    return checked_dataflow(spec.nest, replace(given, **changes))  # type: ignore[arg-type]


def limits_of(nest: Nest, text: str | None) -> dict[str, int]:
    """The value of ``--limit``: largest extents, by loop."""
    found = sizes("--limit", text)
    check_loops(nest, "--limit", found)
    return found


def resized(nest: Nest, option: str, text: str) -> Nest:
    """The nest at other extents; shapes given in the spec stay."""
    extents = sizes(option, text)
    check_loops(nest, option, extents)
    return nest.with_extents(extents, {t.name: t.shape for t in nest.tensors if t.padded})


def check_loops(nest: Nest, option: str, loops: Sequence[str] | dict[str, int]) -> None:
    """Refuse names that are no loops of the nest."""
    for loop in loops:
        if loop not in nest.extents:
            raise ChoiceError(
                f"{option} names {loop!r}, which is not a loop; the loops of nest {nest.name!r} are "
                f"{', '.join(nest.loop_names)}"
            )
