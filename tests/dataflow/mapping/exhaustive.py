"""Counts of every mapping of a small nest, without counting twice what mappings share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from dataflow import Plan
from dataflow.mapping import Counts, Cut, Machine, TiledMapping, count, model
from dataflow.mapping.space import Cuts, every_mapping
from workloads.nest import Nest

Order = tuple[str, ...]


def count_every_mapping(
    nest: Nest, plans: Sequence[Plan], machine: Machine, cuts: Cuts
) -> list[tuple[TiledMapping, Counts]]:
    """Every mapping of every plan with its counts, each by `count`, which knows nothing of buffers."""
    found = []
    for plan in plans:
        counted: dict[tuple[tuple[tuple[str, Cut], ...], Order], Counts] = {}
        with _remembered():
            for mapping in every_mapping(nest, plan, cuts):
                key = mapping.cuts, mapping.order
                if key not in counted:
                    counted[key] = count(mapping, machine)
                found.append((mapping, counted[key]))
    return found


@contextmanager
def _remembered() -> Iterator[None]:
    """Let `count` remember its questions about one plan, most of which do not depend on the order of the tiles."""
    asked = ("count_cycles", "count_accesses", "group_footprint", "constant_elements", "loop_groups")
    with patch.multiple(model, **{name: _once(getattr(model, name)) for name in asked}):
        yield


def _once(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its answers remembered; nest, plan and machine stay the same, so their identity will do."""
    answers: dict[tuple[Any, ...], Any] = {}

    def remembering(*given: Any) -> Any:
        key = tuple(tuple(each.items()) if isinstance(each, Mapping) else id(each) for each in given)
        if key not in answers:
            answers[key] = function(*given)
        return answers[key]

    return remembering
