"""Kinds and wires, found for classes of points, against the choice made for every point alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from designs import random_design
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.architectures import literature
from benchmarks.fused_area import members
from dataflow import Architecture, Dataflow, build, fuse
from dataflow.dataflow import Point
from hw.accelerator import design_of
from hw.alike import alike
from hw.kinds import Structure, structure
from hw.netlist import Arc, Netlist, Node, Region
from hw.sources import EXCLUSIVE, composite, neutral_value
from workloads.spec import load

# Producer, its point and the registers between, or a constant.
Source = tuple[str, Point, int] | int
Slots = dict[tuple[str, Point], dict[str, dict[Source, tuple[int, ...]]]]


def chosen_alone(netlist: Netlist) -> Slots:
    """For each operand of each point, its sources with the modes that take them: the naive twin."""
    found: dict[tuple[str, Point], dict[str, dict[int, Source]]] = defaultdict(lambda: defaultdict(dict))
    for node, arc in netlist.arcs():
        for consumer, producer, span in netlist.spans(node, arc):
            registers = 0 if arc.fifo else span + netlist.slack(node, arc)
            found[node.name, consumer][role_of(node, arc)][arc.mode] = (arc.source, producer, registers)
    return {
        (name, point): {role: choice(netlist, netlist.node[name], point, role, m) for role, m in operands.items()}
        for (name, point), operands in found.items()
    }


def role_of(node: Node, arc: Arc) -> str:
    if arc.role == "bit":
        return f"bit_{arc.source}"
    return "main" if node.op == "source" and arc.role in EXCLUSIVE else arc.role


def choice(
    netlist: Netlist, node: Node, point: Point, role: str, by_mode: Mapping[int, Source]
) -> dict[Source, tuple[int, ...]]:
    groups: dict[Source, list[int]] = {}
    for mode, source in by_mode.items():
        groups.setdefault(source, []).append(mode)
    careless = []
    for mode in netlist.modes:
        if mode not in by_mode:
            works = point in netlist.active(node, mode) and any(a.mode == mode and a.pairs for a in node.args)
            matters = role == "enable" or (works and not role.startswith(("delayed", "pointer")))
            rests = {at_rest(netlist, s[0], s[1], mode) for s in groups if not isinstance(s, int)}
            neutral = neutral_value(node, role)
            if matters and rests != {neutral}:
                groups.setdefault(neutral, []).append(mode)
            else:
                careless.append(mode)
    most = max(groups, key=lambda source: len(groups[source]))
    for mode in careless:
        rests_here = node.op == "source" and len(groups) > 1 and point not in netlist.active(node, mode)
        groups.setdefault(0 if rests_here else most, []).append(mode)
    return {source: tuple(sorted(modes)) for source, modes in groups.items()}


def at_rest(netlist: Netlist, name: str, point: Point, mode: int) -> object:
    """The value of a launch or of a relay behind it where a mode has no use for it."""
    node = netlist.node[name]
    if node.op not in ("launch", "relay") or point in netlist.active(node, mode):
        return None
    if node.op == "launch":
        return node.parameter("idle")
    # What a point of a relay passes on is the same value in all modes.
    behind = ((arc.source, p) for arc in node.args for c, p in arc.pairs if c == point)
    return next((at_rest(netlist, *value, mode) for value in behind), None)


def built(structure: Structure) -> Slots:
    """The same, read back from kinds and wires."""
    found: Slots = {}
    for region, points in structure.kinds.items():
        for point, kind in points.items():
            wires = structure.wires.get((region, point), {})
            for use in kind.uses:
                operands = found[use.node.name, point] = {}
                for operand in use.operands:
                    sources: dict[Source, tuple[int, ...]] = operands.setdefault(operand.role, {})
                    for c in operand.choices:
                        if c.port:
                            wire = wires[c.port]
                            sources[wire.producer, wire.point, wire.tap + wire.beyond] = c.modes
                        else:
                            sources[(c.local, point, c.registers) if c.local else c.constant] = c.modes
    for name, places in structure.inputs.items():
        for (role, point), choices in places.items():
            found.setdefault((name, point), {})[role] = {
                (wire.producer, wire.point, wire.tap + wire.beyond) if wire else 0: modes for modes, wire in choices
            }
    return found


def check(netlist: Netlist, structure: Structure) -> None:
    wanted, found = chosen_alone(netlist), built(structure)
    assert found == wanted
    for slot, operands in wanted.items():
        assert list(found[slot]) == list(operands), f"operands of {slot} in another order"
    registers: dict[str, list[int]] = defaultdict(list)
    for wire in structure.all_wires():
        registers[wire.producer].append(wire.tap + wire.beyond)
    for wire in structure.all_wires():
        inside = 0 if composite(netlist.node[wire.producer]) else min(registers[wire.producer])
        assert wire.tap == inside
    for region, points in structure.kinds.items():
        for point, kind in points.items():
            leaving = {
                (w.producer, w.tap)
                for w in structure.all_wires()
                if w.point == point
                and not composite(producer := netlist.node[w.producer])
                and producer.region == region
            }
            assert set(kind.exports) == leaving


def flows(*seeds: int) -> Architecture:
    alone = []
    for seed in seeds:
        nest, dataflow, _ = random_design(seed)
        alone.append(build(nest, replace(dataflow, name=f"flow{seed}")))
    return fuse(alone, name="fused").architecture if len(alone) > 1 else alone[0]


FUSED = ((65368, 235325), (62023, 91199), (820550, 524419), (481516, 229614, 722307))


@pytest.mark.parametrize("seeds", [*((seed,) for seed in range(24)), *FUSED], ids=str)
def test_random_designs(seeds: tuple[int, ...]) -> None:
    design = design_of(flows(*seeds))
    check(design.netlist, design.structure)


@pytest.mark.parametrize("name", literature(4))
def test_literature(name: str) -> None:
    design = design_of(literature(4)[name]())
    check(design.netlist, design.structure)


def test_nine_fused_dataflows() -> None:
    design = design_of(fuse(list(members(4)), name="nine").architecture)
    check(design.netlist, design.structure)


POINTS: tuple[Point, ...] = ((0,), (1,), (2,), (3,))
MODES = range(3)


@st.composite
def netlists(draw: st.DrawFn) -> Netlist:
    """Nodes of all sorts of operands at four points in three modes, wired at random."""

    def region(name: str) -> Region:
        offsets = [tuple(draw(st.sampled_from((0, 0, 1, None))) for _ in POINTS) for _ in MODES]
        return Region(name, POINTS, tuple(offsets))

    regions = {name: region(name) for name in ("control", "relay", "fu", "tree")}

    def arcs(region: str, role: str, sources: Sequence[Node]) -> list[Arc]:
        found = []
        for mode in draw(st.permutations(MODES)):
            source = draw(st.sampled_from(sources))
            here, there = list(regions[region].active[mode]), list(regions[source.region].active[mode])
            pairs = tuple((c, draw(st.sampled_from(there))) for c in here if draw(st.booleans()) and there)
            found.append(Arc(source.name, role, pairs, mode=mode))
        return found

    go = [
        Node(name, "control", "launch", (), draw(st.integers(1, 2)), parameters=(("idle", draw(st.integers(0, 1))),))
        for name in ("first_go", "second_go")
    ]
    # Each point of a relay passes on one value, whatever the mode.
    of = {p: draw(st.sampled_from(POINTS)) for p in POINTS}
    passed = (
        Arc(
            go[0].name,
            "value",
            tuple((p, of[p]) for p in found.active[m] if of[p] in regions["control"].active[m]),
            0,
            None,
            m,
        )
        for found in (regions["relay"],)
        for m in MODES
    )
    relay = Node("relay", "relay", "relay", tuple(passed), go[0].width_bits)
    nodes = [*go, relay]
    for name, where, op, roles in (
        ("in", "fu", "source", ("port", "hop", "load", "bit")),
        ("masked", "fu", "mask", ("value", "bit")),
        ("sum", "tree", "add", ("a", "b", "enable")),
        ("total", "tree", "select", ("again", "start")),
    ):
        args = [arc for role in roles for arc in arcs(where, role, nodes)]
        nodes.append(Node(name, where, op, tuple(draw(st.permutations(args))), draw(st.integers(1, 3))))
    labels = tuple((n.name, 3 * k) for k, n in enumerate(nodes))
    plan = build(load("gemm:m=2,n=2,k=2").nest, Dataflow.of(load("gemm:m=2,n=2,k=2").nest, {"m": 2}))
    return Netlist("drawn", plan.plans * len(MODES), tuple(regions.values()), tuple(nodes), (labels,) * len(MODES))


@settings(derandomize=True, deadline=None, database=None, max_examples=80, suppress_health_check=list(HealthCheck))
@given(netlists())
def test_random_netlists(netlist: Netlist) -> None:
    check(netlist, structure(netlist, {}))


@settings(derandomize=True, deadline=None, database=None)
@given(st.integers(0, 40).flatmap(lambda n: st.lists(st.lists(st.integers(-2, 2), min_size=n, max_size=n), max_size=4)))
def test_equal_rows_are_one_class(columns: list[list[int]]) -> None:
    rows = list(zip(*columns, strict=True)) if columns else [()] * 7
    classes = alike([np.array(column, np.int64) for column in columns], len(rows))
    assert [rows[first] for first in classes.first] == list(dict.fromkeys(rows))
    assert [rows[classes.first[number]] for number in classes.of] == rows
    assert classes.counts == [rows.count(rows[first]) for first in classes.first]
    assert all(number in classes.of[classes.rows(number)] for number in range(len(classes.first)))
