"""The array as a picture: functional units, links, ports and banks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from dataflow.architecture import Plan
from dataflow.banking import Banking
from dataflow.dataflow import Point
from dataflow.feed import Feed, minus
from reports.charts import svg_of

# Okabe and Ito's palette, told apart by colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
OUTPUT = "#444444"
CELL = 1.0


def draw_array(plan: Plan) -> str:
    """SVG of the array; the same plan gives the same bytes."""
    return svg_of(array_figure(plan))


def array_figure(plan: Plan) -> Figure:
    """The array with links coloured by tensor; a third axis is drawn as slices side by side."""
    shape = plan.dataflow.shape
    rows, columns = _plane(shape)
    slices = shape[0] if len(shape) == 3 else 1
    width, height = slices * (columns + 2.4), rows + 2.6
    scale = min(0.62, 13 / width, 9 / height)
    figure = Figure(figsize=(max(5.0, width * scale), max(2.6, height * scale)))
    axes = figure.add_subplot()
    axes.set_aspect("equal")
    axes.axis("off")
    size = max(5.0, 62 * scale / 3.6)
    for feed_number, feed in enumerate(plan.feeds):
        _draw_feed(axes, plan, feed, feed_number, scale)
    _draw_output(axes, plan, scale)
    margin = _Margin()
    for number, feed in enumerate(plan.feeds):
        _draw_banks(axes, plan, feed.banking, COLOURS[number % len(COLOURS)], margin)
    _draw_banks(axes, plan, plan.drain.banking, OUTPUT, margin)
    for unit in plan.dataflow.units:
        _draw_unit(axes, plan, unit, size if rows * columns <= 100 else 0)
    for k in range(slices):
        if slices > 1:
            x, y = _where(plan, (k, 0, 0))
            axes.text(x - 0.4, y + 1.5, f"{plan.dataflow.space[0][0]} = {k}", fontsize=8, color="#555555")
    _label_axes(axes, plan, margin)
    _legend(axes, plan)
    axes.autoscale_view()
    return figure


def _plane(shape: Point) -> tuple[int, int]:
    if len(shape) == 1:
        return 1, shape[0]
    return shape[-2], shape[-1]


def _where(plan: Plan, unit: Point) -> tuple[float, float]:
    """Centre of a unit: the last axis runs to the right, the one before downwards, a third in slices."""
    shape = plan.dataflow.shape
    if len(unit) == 1:
        return unit[0] * CELL, 0.0
    x, y = unit[-1] * CELL, -unit[-2] * CELL
    return (x + unit[0] * (shape[-1] + 2.4), y) if len(unit) == 3 else (x, y)


def _draw_unit(axes: Axes, plan: Plan, unit: Point, fontsize: float) -> None:
    x, y = _where(plan, unit)
    axes.add_patch(
        FancyBboxPatch(
            (x - 0.24, y - 0.24),
            0.48,
            0.48,
            boxstyle="round,pad=0.02,rounding_size=0.06",
            facecolor="#F4F1EA",
            edgecolor="#333333",
            linewidth=0.8,
            zorder=3,
        )
    )
    if fontsize:
        text = ",".join(map(str, unit))
        axes.text(x, y, text, ha="center", va="center", fontsize=min(7.0, fontsize), color="#222222", zorder=4)


def _draw_feed(axes: Axes, plan: Plan, feed: Feed, number: int, scale: float) -> None:
    colour = COLOURS[number % len(COLOURS)]
    spread = (number - (len(plan.feeds) - 1) / 2) * 0.13
    for unit, step in feed.parents:
        if step is not None:
            lag = sum(c * d for c, d in zip(plan.dataflow.skew, step.space, strict=True))
            _arrow(axes, plan, minus(unit, step.space), unit, colour, spread, scale, broadcast=lag == 0)
    for unit in feed.roots:
        _port(axes, plan, unit, colour, number, incoming=True)
        for step in feed.delayed:
            source = minus(unit, step.space)
            if plan.dataflow.contains(source) and source != unit:
                _arrow(axes, plan, source, unit, colour, spread, scale, dashed=True)


def _draw_output(axes: Axes, plan: Plan, scale: float) -> None:
    spread = len(plan.feeds) * 0.07 + 0.07
    for stage in plan.drain.stages:
        for group in stage.groups:
            for source, target in pairwise(group):
                _arrow(axes, plan, source, target, OUTPUT, spread, scale, broadcast=stage.tree)
    for unit in plan.drain.collectors:
        _port(axes, plan, unit, OUTPUT, len(plan.feeds), incoming=False)


def _arrow(
    axes: Axes,
    plan: Plan,
    source: Point,
    target: Point,
    colour: str,
    spread: float,
    scale: float,
    *,
    broadcast: bool = False,
    dashed: bool = False,
) -> None:
    (x0, y0), (x1, y1) = _where(plan, source), _where(plan, target)
    dx, dy = x1 - x0, y1 - y0
    length = max((dx * dx + dy * dy) ** 0.5, 1e-9)
    ox, oy = -dy / length * spread, dx / length * spread
    far = length > 1.5
    axes.add_patch(
        FancyArrowPatch(
            (x0 + ox, y0 + oy),
            (x1 + ox, y1 + oy),
            arrowstyle="-" if broadcast else "-|>",
            mutation_scale=max(3.0, 12 * scale),
            shrinkA=19.5 * scale,
            shrinkB=19.5 * scale,
            linewidth=max(0.5, 1.7 * scale),
            linestyle=(0, (3, 2)) if dashed else "-",
            color=colour,
            connectionstyle="arc3,rad=0.25" if far else "arc3,rad=0",
            zorder=2 if not dashed else 1,
        )
    )


def _port(axes: Axes, plan: Plan, unit: Point, colour: str, number: int, *, incoming: bool) -> None:
    """A triangle at the corner of a unit: one corner for each tensor."""
    x, y = _where(plan, unit)
    corners = ((-0.30, 0.30), (0.30, 0.30), (-0.30, -0.30), (0.30, -0.30))
    dx, dy = corners[-1] if not incoming else corners[number % 3]
    axes.plot(
        [x + dx], [y + dy], marker="v" if incoming else "^", color=colour, markersize=3.2, linestyle="none", zorder=5
    )


@dataclass
class _Margin:
    """How far the banks reach beyond the array, to the left and above."""

    left: float = 0.55
    top: float = 0.55


def _draw_banks(axes: Axes, plan: Plan, banking: Banking, colour: str, margin: _Margin) -> None:
    """Banks as squares: beside the edge that their ports lie on, behind a switch, or at their unit."""
    units = [unit for unit, _ in banking.ports]
    shape = plan.dataflow.shape
    if banking.switched:
        margin.left += 0.55
        rows = _plane(shape)[0]
        axes.add_patch(_box(-margin.left + 0.17, -(rows - 1) / 2, 0.1, rows - 0.4, colour, 0.45))
        shown = min(banking.total, max(2, 2 * rows))
        for k in range(shown):
            y = -(rows - 1) / 2 + ((k + 0.5) / shown - 0.5) * (rows - 0.4)
            axes.add_patch(_box(-margin.left - 0.08, y, 0.2, min(0.2, 0.7 * (rows - 0.4) / shown), colour, 0.9))
        margin.left += 0.1
    elif len(shape) == 2 and len(units) < len(plan.dataflow.units) and all(unit[-1] == 0 for unit in units):
        margin.left += 0.4
        for unit in units:
            y = _where(plan, unit)[1]
            axes.add_patch(_box(-margin.left, y, 0.26, 0.26, colour, 0.9))
            axes.plot([-margin.left + 0.13, -0.26], [y, y], color=colour, linewidth=0.7, zorder=1)
    elif len(shape) == 1 or (len(shape) == 2 and all(unit[0] == 0 for unit in units)):
        margin.top += 0.4
        for unit in units:
            x = _where(plan, unit)[0]
            axes.add_patch(_box(x, margin.top, 0.26, 0.26, colour, 0.9))
            axes.plot([x, x], [margin.top - 0.13, 0.26], color=colour, linewidth=0.7, zorder=1)
    else:
        for unit in units:
            x, y = _where(plan, unit)
            axes.add_patch(_box(x + 0.42, y - 0.36, 0.13, 0.13, colour, 0.9))


def _box(x: float, y: float, width: float, height: float, colour: str, strength: float) -> Rectangle:
    return Rectangle(
        (x - width / 2, y - height / 2), width, height, facecolor=colour, alpha=strength, edgecolor="none", zorder=3
    )


def _label_axes(axes: Axes, plan: Plan, margin: _Margin) -> None:
    space = plan.dataflow.space
    rows, columns = _plane(plan.dataflow.shape)
    above, beside, middle = margin.top + 0.35, -margin.left - 0.35, -(rows - 1) / 2
    axes.text((columns - 1) / 2, above, f"{space[-1][0]} →", ha="center", fontsize=9, color="#333333")
    if len(space) > 1:
        text = f"{space[-2][0]} →"
        axes.text(beside, middle, text, ha="right", va="center", fontsize=9, rotation=-90, color="#333333")


def _legend(axes: Axes, plan: Plan) -> None:
    handles = []
    for number, feed in enumerate(plan.feeds):
        colour = COLOURS[number % len(COLOURS)]
        handles.append(Line2D([], [], color=colour, marker="v", markersize=5, label=f"{feed.access}: {feed.banking}"))
    drain = plan.drain
    handles.append(Line2D([], [], color=OUTPUT, marker="^", markersize=5, label=f"{drain.access}: {drain.banking}"))
    handles.append(
        Line2D(
            [],
            [],
            color="#888888",
            linestyle="-",
            label="square: bank; triangle: port; arrow: one hop in time; line: same cycle",
        )
    )
    if any(feed.delayed for feed in plan.feeds):
        handles.append(Line2D([], [], color="#888888", linestyle=(0, (3, 2)), label="delayed link"))
    axes.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.02),
        fontsize=8,
        frameon=False,
        handlelength=2.2,
    )
