"""An array for several dataflows: what each of them uses of it, a panel each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, hypot
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from dataflow.architecture import Architecture, Plan
from dataflow.dataflow import Point
from reports.charts import svg_of
from reports.fused_links import RESULT, Link, all_links, links_of, slots_of

# Okabe and Ito's palette, its two lightest colours darkened, and three more that stay apart for colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B07D00", "#2E9BD6", "#6A3D9A", "#8C3B00", "#00543C")
IDLE = "#BDBDBD"
PANEL_INCHES = 3.4
HALF = 0.2
Style = Literal["-"] | tuple[float, tuple[float, ...]]
STYLES: tuple[Style, ...] = ("-", (0, (3.2, 1.2)), (0, (1.1, 0.9)), (0, (4, 1, 1, 1)))
RESULT_STYLE: Style = (0, (0.5, 0.9))
SQUARE = ((-HALF, -HALF), (HALF, -HALF), (HALF, HALF), (-HALF, HALF))
DOWN = ((-0.11, 0.08), (0.11, 0.08), (0.0, -0.09))
DIAMOND = ((-0.11, 0.0), (0.0, 0.11), (0.11, 0.0), (0.0, -0.11))


def draw_fused(architecture: Architecture) -> str:
    """SVG with a panel for each dataflow; the same architecture gives the same bytes."""
    return svg_of(fused_figure(architecture))


def fused_figure(architecture: Architecture) -> Figure:
    """All links of the array in grey, those that a dataflow uses in its colour, its ports as triangles."""
    plans = architecture.plans
    place = _Place.of(plans)
    columns = min(3, len(plans))
    rows = ceil(len(plans) / columns)
    panel = PANEL_INCHES * min(1.3, max(0.35, place.height / place.width))
    figure = Figure(figsize=(columns * PANEL_INCHES, rows * (panel + 0.35)), layout="tight")
    links = all_links(plans)
    for number, plan in enumerate(plans):
        axes = figure.add_subplot(rows, columns, number + 1)
        _panel(axes, place, plan, links, COLOURS[number % len(COLOURS)])
    figure.legend(
        handles=_legend(plans), loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=3, fontsize=8, frameon=False
    )
    return figure


@dataclass(frozen=True, slots=True)
class _Place:
    """Where things stand: the last axis runs to the right, the one before downwards, a third in slices side by side.

    Attributes
    ----------
    lanes : tuple of int
        The slots of the array; links of one slot keep to one side of the line between two units.
    """

    shape: Point
    units: tuple[Point, ...]
    lanes: tuple[int, ...]

    @staticmethod
    def of(plans: Sequence[Plan]) -> _Place:
        shape = tuple(max(sizes) for sizes in zip(*(plan.dataflow.shape for plan in plans), strict=True))
        units = tuple(dict.fromkeys(unit for plan in plans for unit in plan.dataflow.units))
        return _Place(shape, units, (*slots_of(plans), RESULT))

    @property
    def width(self) -> float:
        slices = self.shape[0] if len(self.shape) == 3 else 1
        return slices * (self.shape[-1] + 1.0)

    @property
    def height(self) -> float:
        return (self.shape[-2] if len(self.shape) > 1 else 1) + 1.0

    def unit(self, unit: Point) -> tuple[float, float]:
        x, y = float(unit[-1]), -float(unit[-2]) if len(unit) > 1 else 0.0
        return (x + unit[0] * (self.shape[-1] + 1.0), y) if len(unit) == 3 else (x, y)

    def link(self, link: Link) -> tuple[tuple[float, float], ...]:
        """Corners of the line of a link: two for neighbours, else those of a quadratic curve around what is between."""
        (x0, y0), (x1, y1) = self.unit(link.source), self.unit(link.target)
        dx, dy = x1 - x0, y1 - y0
        length = hypot(dx, dy)
        # The same side whichever way the link runs.
        turn = -1.0 if (dx, dy) < (0.0, 0.0) else 1.0
        lane = self.lanes.index(link.slot) - (len(self.lanes) - 1) / 2
        spread = turn * lane * 2 * HALF * 0.8 / max(1, len(self.lanes) - 1)
        ox, oy = -dy / length * spread, dx / length * spread
        cut = HALF / max(abs(dx), abs(dy))
        start = x0 + ox + cut * dx, y0 + oy + cut * dy
        end = x1 + ox - cut * dx, y1 + oy - cut * dy
        if length < 1.5:
            return start, end
        bow = 0.18 * length
        return start, ((x0 + x1) / 2 - dy / length * bow, (y0 + y1) / 2 + dx / length * bow), end

    def corner(self, unit: Point, slot: int) -> tuple[float, float]:
        """Where the port of a slot stands: above the unit, that of the result below."""
        x, y = self.unit(unit)
        if slot == RESULT:
            return x + HALF, y - HALF - 0.08
        slots = self.lanes[:-1]
        return x + (slots.index(slot) - (len(slots) - 1) / 2) * 0.3, y + HALF + 0.08


def _panel(axes: Axes, place: _Place, plan: Plan, links: Sequence[Link], colour: str) -> None:
    axes.set_aspect("equal")
    axes.axis("off")
    axes.set_xlim(-0.8, place.width - 1.2)
    axes.set_ylim(0.8 - place.height, 0.8)
    axes.set_title(plan.dataflow.name, fontsize=9, color=colour, fontweight="bold", pad=3)
    mine = links_of(plan)
    used = frozenset(mine)
    axes.add_patch(_lines((place.link(link) for link in links if link not in used), "idle", IDLE, "-", 0.5, 1))
    for slot in place.lanes:
        lines = [place.link(link) for link in mine if link.slot == slot]
        axes.add_patch(_lines(lines, f"slot {slot}", colour, _style(slot), 1.0, 2))
    working = frozenset(plan.dataflow.units)
    resting = [unit for unit in place.units if unit not in working]
    reads = [place.corner(unit, feed.slot) for feed in plan.feeds for unit in feed.roots]
    writes = [place.corner(unit, RESULT) for unit in plan.drain.collectors]
    for centres, outline, name, edge, face in (
        ([place.unit(unit) for unit in plan.dataflow.units], SQUARE, "working", colour, f"{colour}22"),
        ([place.unit(unit) for unit in resting], SQUARE, "resting", IDLE, "white"),
        ([place.link(link)[-1] for link in mine], _scaled(DIAMOND, 0.5), "arrivals", colour, colour),
        ([_middle(place.link(link)) for link in mine if link.delayed], DIAMOND, "delays", colour, "white"),
        (reads, DOWN, "reads", colour, colour),
        (writes, _scaled(DOWN, -1.0), "writes", "#222222", "white"),
    ):
        axes.add_patch(_shapes(centres, outline, name, edge, face))


def _scaled(outline: Sequence[tuple[float, float]], by: float) -> tuple[tuple[float, float], ...]:
    return tuple((x * by, y * by) for x, y in outline)


def _style(slot: int) -> Style:
    return RESULT_STYLE if slot == RESULT else STYLES[slot % len(STYLES)]


# One path for all lines of a kind: an element each would make files of megabytes.
def _lines(
    lines: Iterable[Sequence[tuple[float, float]]],
    name: str,
    colour: str,
    style: Style,
    width: float,
    layer: int,
) -> PathPatch:
    corners: list[tuple[float, float]] = []
    codes: list[np.uint8] = []
    for line in lines:
        corners += line
        codes += [Path.MOVETO, *([Path.LINETO] if len(line) == 2 else [Path.CURVE3, Path.CURVE3])]
    path = Path(corners, codes) if corners else Path([(0.0, 0.0)], [Path.MOVETO])
    return PathPatch(
        path, fill=False, edgecolor=colour, linestyle=style, linewidth=width, capstyle="butt", label=name, zorder=layer
    )


def _shapes(
    centres: Iterable[tuple[float, float]], outline: Sequence[tuple[float, float]], name: str, edge: str, face: str
) -> PathPatch:
    corners: list[tuple[float, float]] = []
    codes: list[np.uint8] = []
    for x, y in centres:
        corners += [(x + dx, y + dy) for dx, dy in (*outline, outline[0])]
        codes += [Path.MOVETO, *[Path.LINETO] * (len(outline) - 1), Path.CLOSEPOLY]
    path = Path(corners, codes) if corners else Path([(0.0, 0.0)], [Path.MOVETO])
    return PathPatch(path, facecolor=face, edgecolor=edge, linewidth=0.4, label=name, zorder=3)


def _middle(line: Sequence[tuple[float, float]]) -> tuple[float, float]:
    (x0, y0), (x1, y1) = line[0], line[-1]
    if len(line) == 2:
        return (x0 + x1) / 2, (y0 + y1) / 2
    (x, y) = line[1]
    return (x0 + 2 * x + x1) / 4, (y0 + 2 * y + y1) / 4


def _legend(plans: Sequence[Plan]) -> list[Artist]:
    names = {feed.slot: feed.operand for plan in plans for feed in plan.feeds} | {RESULT: plans[0].drain.operand}
    line = "#444444"
    handles: list[Artist] = [
        Line2D([], [], color=line, linestyle=_style(slot), label=f"link of operand {names[slot]}")
        for slot in slots_of(plans)
    ]
    if any(plan.drain.stages for plan in plans):
        handles.append(Line2D([], [], color=line, linestyle=_style(RESULT), label=f"link of result {names[RESULT]}"))
    handles += [
        Line2D([], [], color=IDLE, label="link that only others use"),
        Line2D([], [], color=line, marker="D", markersize=2, linestyle="none", label="where the value arrives"),
        Line2D([], [], color=line, marker="v", markersize=4, linestyle="none", label="port that reads a bank"),
        Line2D(
            [], [], color=line, marker="^", markersize=4, linestyle="none", markerfacecolor="white",
            label="port that writes a bank",
        ),
    ]  # fmt: skip
    if any(link.delayed for link in all_links(plans)):
        handles.append(
            Line2D([], [], color=line, marker="D", markersize=4, markerfacecolor="white", label="delayed link")
        )
    return handles
