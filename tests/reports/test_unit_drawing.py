"""The block diagram of a functional unit: everything in the netlist is on it; layers that keep what they promise."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from graphlib import TopologicalSorter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow import Dataflow, build, fuse
from hw.accelerator import design_of
from hw.design import Design
from hw.kinds import Choice, Kind
from reports.layers import layered
from reports.unit_diagram import Diagram, most_frequent, names_of, unit_diagram
from reports.unit_drawing import draw_unit, unit_figure
from workloads.spec import load

GEMM = "gemm:m=9,n=7,k=10"
MEMBERS = {
    "outputs": (GEMM, {"m": 4, "n": 4}, (1, 1), None),
    "weights": (GEMM, {"k": 4, "n": 4}, (1, 1), "n k m"),
    "window": ("conv2d:n=1,oc=5,ic=6,h=7,w=5", {"oh": 4, "ow": 4}, (0, 0), "n oc oh ow ic kh kw"),
    "mttkrp": ("mttkrp:i=5,j=6,k=4,l=3", {"i": 4, "j": 4}, (1, 1), None),
    "far": (GEMM, {"m": 4, "n": 4}, (3, 1), None),
    "tree": (GEMM, {"k": 4, "n": 4}, (0, 0), "k n m"),
    "maxplus": ("maxplus:m=6,n=5,k=7", {"m": 3, "n": 3}, (1, 1), None),
    "difference": ("absolute_difference", {"dy": 2, "dx": 2}, (0, 0), None),
}
CASES = ("outputs", "outputs weights window mttkrp", "far outputs", "tree weights", "outputs maxplus", "difference")


@cache
def design(case: str) -> Design:
    parts = []
    for name in case.split():
        spec, space, skew, order = MEMBERS[name]
        nest = load(spec).nest
        parts.append(
            build(nest, Dataflow.of(nest, space, skew=skew, order=order.split() if order else None, name=name))
        )
    return design_of(fuse(parts, name="unit").architecture)


def kinds(case: str) -> list[Kind]:
    return list(dict.fromkeys(kind for points in design(case).structure.kinds.values() for kind in points.values()))


def sources(diagram: Diagram, target: str, text: str) -> set[tuple[str, int]]:
    """Where a wire with this text comes from, with the registers behind the node or port that it starts at."""
    box = {b.name: b for b in diagram.boxes}
    found = set()
    for wire in diagram.wires:
        if wire.target != target or wire.text != text:
            continue
        name, registers = wire.source, 0
        while box[name].sort == "registers":
            registers += box[name].registers
            (name,) = (w.source for w in diagram.wires if w.target == name)
        found.add((name, registers))
    return found


def expected(choice: Choice, name: str) -> tuple[str, int]:
    if choice.port:
        return f"in {choice.port}", 0
    return (choice.local, choice.registers) if choice.local else (name, 0)


@pytest.mark.parametrize("case", CASES)
def test_everything_is_on_the_diagram(case: str) -> None:
    flows = tuple(case.split())
    for kind in kinds(case):
        diagram = unit_diagram(design(case), kind)
        box = {b.name: b for b in diagram.boxes}
        operations = {b.name: b.registers for b in diagram.boxes if b.sort == "operation"}
        assert operations == {use.node.name: use.node.latency_cycles for use in kind.uses}
        assert len(box) == len(diagram.boxes)
        assert {w.source for w in diagram.wires} | {w.target for w in diagram.wires} <= set(box)
        for use in kind.uses:
            for operand in use.operands:
                place = f"{use.node.name}.{operand.role}"
                end, text = use.node.name, operand.role
                if operand.fifo:
                    assert sources(diagram, end, text) == {(f"{place} delay", 0)}
                    assert box[f"{place} delay"].lines == ("delay", f"1 to {operand.fifo_depth} cycles")
                    end, text = f"{place} delay", ""
                if len(operand.choices) > 1:
                    assert sources(diagram, end, text) == {(f"{place} choice", 0)}
                    end = f"{place} choice"
                for number, choice in enumerate(operand.choices):
                    if len(operand.choices) > 1:
                        text = names_of(choice.modes, flows)
                    assert expected(choice, f"{place} {number}") in sources(diagram, end, text)
        taken = {choice.port for use in kind.uses for o in use.operands for choice in o.choices if choice.port}
        assert {name for name, b in box.items() if b.sort == "input"} == {f"in {port}" for port in taken}
        for name, registers in kind.exports:
            assert sources(diagram, f"out {name}_d{registers}", "") == {(name, registers)}
        # Registers that several taps share stand once.
        chains = defaultdict(int)
        for b in diagram.boxes:
            if b.sort == "registers":
                chains[b.name.partition(" +")[0]] += b.registers
        assert chains == {name: count for name, count in kind.chains.items() if count}


@pytest.mark.parametrize("case", CASES)
def test_every_box_and_wire_is_drawn(case: str) -> None:
    kind = most_frequent(design(case))
    diagram = unit_diagram(design(case), kind)
    (axes,) = unit_figure(design(case), kind).axes
    drawn = {patch.get_label() for patch in axes.patches} - {""}
    assert drawn == {b.name for b in diagram.boxes} | {f"{w.source} -> {w.target}" for w in diagram.wires}
    said = {line for text in axes.texts for line in text.get_text().splitlines()}
    assert {line for b in diagram.boxes for line in b.lines} <= said
    assert sum(len(text.get_text()) > 0 for text in axes.texts) >= len(diagram.wires)
    assert draw_unit(design(case)) == draw_unit(design(case), kind)


def test_the_kind_at_most_points_is_drawn() -> None:
    found = design("outputs weights window mttkrp")
    kinds_at = list(found.structure.kinds["fu"].values())
    assert kinds_at.count(most_frequent(found)) == max(map(kinds_at.count, kinds_at))


def test_names_are_short() -> None:
    flows = ("a", "b", "c", "d", "e")
    assert names_of((0, 1, 2, 3, 4), flows) == "all"
    assert names_of((0, 1, 2, 4), flows) == "all but d"
    assert names_of((0, 4), flows) == "a, e"
    assert names_of((0, 1, 2), flows) == "a, b, c"


def has_cycle(edges: list[tuple[str, str]]) -> bool:
    left = set(edges)
    while True:
        ends = {target for _, target in left}
        kept = {(source, target) for source, target in left if source in ends}
        if kept == left:
            return bool(left)
        left = kept


NODES = [f"n{k}" for k in range(9)]


@given(st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda e: e[0] != e[1]), max_size=25))
@settings(max_examples=200, deadline=None)
def test_layers(edges: list[tuple[str, str]]) -> None:
    heights = {name: 0.5 + 0.25 * k for k, name in enumerate(NODES)}
    into, out = {target for _, target in edges}, {source for source, _ in edges}
    first = [name for name in NODES if name not in into and name in out]
    last = [name for name in NODES if name not in out and name in into]
    placed = layered(heights, edges, first=first, last=last)
    assert placed == layered(heights, edges, first=first, last=last)
    forward = [edge for edge in edges if edge not in placed.back]
    sorter = TopologicalSorter({name: [s for s, t in forward if t == name] for name in NODES})
    assert len(list(sorter.static_order())) == len(NODES)
    assert bool(placed.back) == has_cycle(edges)
    for source, target in forward:
        assert placed.layer[source] < placed.layer[target]
        between = range(placed.layer[source] + 1, placed.layer[target])
        assert [layer for layer, _ in placed.bends[source, target]] == list(between)
    assert all(placed.layer[name] == 0 for name in first)
    for one in NODES:
        for other in NODES:
            if one < other and placed.layer[one] == placed.layer[other]:
                apart = abs(placed.y[one] - placed.y[other])
                assert apart >= (heights[one] + heights[other]) / 2 - 1e-9
