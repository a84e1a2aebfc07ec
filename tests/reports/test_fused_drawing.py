"""The drawing of a fused array: every link, unit and port of every dataflow, and the same bytes every time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
from matplotlib.path import Path

from dataflow import Architecture, Dataflow, build, fuse
from dataflow.architecture import Plan
from reports.fused_drawing import draw_fused, fused_figure
from reports.fused_links import RESULT, Link, all_links, links_of
from workloads.spec import load


@dataclass(frozen=True)
class Member:
    spec: str
    space: dict[str, int]
    skew: tuple[int, ...]
    order: str | None = None


GEMM = "gemm:m=9,n=7,k=10"
CONV = "conv2d:n=1,oc=5,ic=6,h=7,w=5,kh=3,kw=3"
OUTPUT = Member(GEMM, {"m": 4, "n": 4}, (1, 1))
WEIGHT = Member(GEMM, {"k": 4, "n": 4}, (1, 1), "n k m")
WINDOW = Member(CONV, {"oh": 4, "ow": 4}, (0, 0), "n oc oh ow ic kh kw")
EYERISS = Member(CONV, {"kh": 3, "oh": 4}, (1, 0), "n oc oh ow ic kw kh")
MTTKRP = Member("mttkrp:i=5,j=6,k=4,l=3", {"i": 4, "j": 4}, (1, 1))
LINE = Member(GEMM, {"k": 6}, (1,))
CUBE = Member("gemm:m=5,n=7,k=10", {"m": 3, "n": 2, "k": 3}, (1, 0, 1))


@dataclass(frozen=True)
class Case:
    id: str
    members: tuple[Member, ...]


CASES = (
    Case("one-alone", (OUTPUT,)),
    Case("systolic-and-delayed", (WEIGHT, WINDOW)),
    Case("two-sizes", (EYERISS, OUTPUT, MTTKRP)),
    Case("one-axis", (LINE, replace(LINE, skew=(0,)))),
    Case("three-axes", (CUBE, replace(CUBE, skew=(1, 1, 1)))),
)


def fused(case: Case) -> Architecture:
    parts = []
    for number, member in enumerate(case.members):
        nest = load(member.spec).nest
        order = tuple(member.order.split()) if member.order else None
        flow = Dataflow.of(nest, member.space, skew=member.skew, order=order, name=f"flow{number}")
        parts.append(build(nest, flow))
    return fuse(parts, name="fused").architecture


def walked(plan: Plan) -> Counter[Link]:
    """Links found by asking at every unit from where each operand may come."""
    found: Counter[Link] = Counter()
    for unit in plan.dataflow.units:
        for feed in plan.feeds:
            step = feed.parent[unit]
            for each, late in [(step, False)] if step else [(s, True) for s in feed.delayed]:
                assert each is not None
                source = tuple(u - d for u, d in zip(unit, each.space, strict=True))
                if plan.dataflow.contains(source) and source != unit:
                    found[Link(feed.slot, source, unit, late)] = 1
    for stage in plan.drain.stages:
        for group in stage.groups:
            for place in range(len(group) - 1):
                found[Link(RESULT, group[place], group[place + 1])] = 1
    return found


def pieces(axes: Any, name: str) -> int:
    """How many separate lines or shapes the path of this name has."""
    (patch,) = (p for p in axes.patches if p.get_label() == name)
    path = patch.get_path()
    return 0 if len(path) == 1 else int((path.codes == Path.MOVETO).sum())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_every_link_unit_and_port_is_drawn(case: Case) -> None:
    architecture = fused(case)
    figure = fused_figure(architecture)
    assert [axes.get_title() for axes in figure.axes] == [plan.dataflow.name for plan in architecture.plans]
    everything = all_links(architecture.plans)
    units = {unit for plan in architecture.plans for unit in plan.dataflow.units}
    for axes, plan in zip(figure.axes, architecture.plans, strict=True):
        links = walked(plan)
        assert Counter(links_of(plan)) == links
        for slot in (*(feed.slot for feed in plan.feeds), RESULT):
            assert pieces(axes, f"slot {slot}") == sum(link.slot == slot for link in links)
        assert pieces(axes, "idle") == len(set(everything) - set(links))
        assert pieces(axes, "arrivals") == len(links)
        assert pieces(axes, "delays") == sum(link.delayed for link in links)
        assert pieces(axes, "working") == len(plan.dataflow.units)
        assert pieces(axes, "resting") == len(units) - len(plan.dataflow.units)
        assert pieces(axes, "reads") == sum(len(feed.roots) for feed in plan.feeds)
        assert pieces(axes, "writes") == len(plan.drain.collectors)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_lines_stay_apart(case: Case) -> None:
    """No two links of a panel lie on the same line: a reader could not tell them apart."""
    for axes in fused_figure(fused(case)).axes:
        found = Counter()
        for patch in axes.patches:
            name = patch.get_label()
            path = patch.get_path()
            if name.startswith("slot") and len(path) > 1:
                starts = [*(path.codes == Path.MOVETO).nonzero()[0], len(path)]
                for first, last in pairwise(starts):
                    found[tuple(path.vertices[first:last].round(6).ravel().tolist())] += 1
        assert [line for line, count in found.items() if count > 1] == []


def test_the_same_bytes_twice() -> None:
    for case in CASES:
        assert draw_fused(fused(case)) == draw_fused(fused(case))


def test_the_legend_names_every_slot() -> None:
    architecture = fused(CASES[2])
    (legend,) = fused_figure(architecture).legends
    said = {text.get_text() for text in legend.get_texts()}
    assert {f"link of operand {feed.operand}" for plan in architecture.plans for feed in plan.feeds} <= said
