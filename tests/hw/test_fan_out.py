"""Fan-out and the need for relays, counted on arrays: against one operand after the other."""

from __future__ import annotations

from collections import defaultdict

import pytest
from test_broadcasts import CASES, Case

from dataflow.dataflow import Point
from hw.accelerator import PASSES, design_of, passes_with
from hw.netlist import Netlist
from hw.passes import broadcasts
from hw.passes.broadcasts import rewire_broadcasts
from hw.passes.fan_out import beyond_broadcast, most_readers


def readers(netlist: Netlist, name: str) -> dict[tuple[Point, int], set[tuple[str, str, Point]]]:
    """Operands (node, role and point) that read each value of a node, by the registers between."""
    direct = beyond_broadcast(netlist, name)
    found: dict[tuple[Point, int], set[tuple[str, str, Point]]] = defaultdict(set)
    for node, arc in direct.arcs():
        if arc.source == name:
            slack = netlist.slack(node, arc)
            for consumer, producer, span in direct.spans(node, arc):
                found[producer, 0 if arc.fifo else span + slack].add((node.name, arc.role, consumer))
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_most_readers(case: Case) -> None:
    for limit in (0, 3):
        netlist = design_of(case.architecture, passes=passes_with(fan_out_limit=limit)).netlist
        for node in netlist.nodes:
            assert most_readers(netlist, node.name) == max(map(len, readers(netlist, node.name).values()), default=0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_is_left_out_needs_no_relays(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    before = PASSES[: PASSES.index(rewire_broadcasts)]
    netlist = design_of(case.architecture, passes=(*before, PASSES[-1])).netlist
    quick = [rewire_broadcasts(netlist, limit) for limit in (2, 3, 5, 16)]
    asked: list[str] = []

    def always(netlist: Netlist, name: str, loops: object, limit: int) -> bool:
        asked.append(name)
        return True

    monkeypatch.setattr(broadcasts, "_may_need_relays", always)
    assert [rewire_broadcasts(netlist, limit) for limit in (2, 3, 5, 16)] == quick
    assert asked
