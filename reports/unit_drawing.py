"""The inside of a functional unit as a block diagram."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Polygon, Rectangle
from matplotlib.path import Path

from hw.design import Design
from hw.kinds import Kind
from reports.charts import svg_of
from reports.layers import Layers, layered
from reports.unit_diagram import Box, Wire, most_frequent, unit_diagram

# Fill and edge of each sort of box.
COLOURS = {
    "input": ("#FFFFFF", "#5D6670"),
    "output": ("#FFFFFF", "#5D6670"),
    "constant": ("#FFFFFF", "#9AA0A6"),
    "operation": ("#DCEBF7", "#0072B2"),
    "multiplexer": ("#FBE3D4", "#D55E00"),
    "registers": ("#D9F0E8", "#009E73"),
    "delay": ("#F3E0EC", "#CC79A7"),
}
WIRE = "#444444"
WIDTH = 1.5
LINE = 0.3
MARGIN = 0.4
INCHES = 0.62
LETTER = 0.082
NAMES_A_LINE = 24


def draw_unit(design: Design, kind: Kind | None = None) -> str:
    """SVG of one functional unit, of the kind that stands most often where none is given; always the same bytes."""
    return svg_of(unit_figure(design, kind))


def unit_figure(design: Design, kind: Kind | None = None) -> Figure:
    """Operations, multiplexers with the dataflows at their inputs, registers, widths, and ports at the rim."""
    diagram = unit_diagram(design, kind or most_frequent(design))
    into: dict[str, list[Wire]] = {box.name: [] for box in diagram.boxes}
    for wire in diagram.wires:
        into[wire.target].append(wire)
    heights = {box.name: _height(box, into[box.name]) for box in diagram.boxes}
    placed = layered(
        {name: height + MARGIN for name, height in heights.items()},
        [(wire.source, wire.target) for wire in diagram.wires],
        first=[box.name for box in diagram.boxes if box.sort == "input"],
        last=[box.name for box in diagram.boxes if box.sort == "output"],
    )
    columns = _columns(into, placed)
    low = min(placed.y[name] - height / 2 for name, height in heights.items()) - 0.3
    high = max(placed.y[name] + height / 2 for name, height in heights.items())
    floor = low - 0.35 * len(placed.back)
    width = columns[-1] + WIDTH + 0.6
    figure = Figure(figsize=(width * INCHES, (high - floor + 0.6) * INCHES))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(-WIDTH / 2 - 0.1, width - WIDTH / 2 - 0.1)
    axes.set_ylim(floor - 0.2, high + 0.4)
    axes.set_title(f"{diagram.title}. At wires: bits. Green bar: a pipeline register.", fontsize=8, loc="left")
    for box in diagram.boxes:
        _draw_box(axes, box, (columns[placed.layer[box.name]], placed.y[box.name]), heights[box.name])
    sort = {box.name: box.sort for box in diagram.boxes}
    lanes = [low - 0.35 * k for k in range(len(placed.back))]
    for name, wires in into.items():
        half = _half(sort[name])
        ends = _ends(wires, placed, heights[name])
        for wire, y in ends:
            begin = columns[placed.layer[wire.source]] + _half(sort[wire.source]), placed.y[wire.source]
            end = columns[placed.layer[name]] - half, y
            if (wire.source, name) in placed.back:
                _draw_back(axes, wire, begin, end, lanes.pop(0))
            else:
                bends = [(columns[k], bend) for k, bend in placed.bends[wire.source, name]]
                _draw_wire(axes, wire, begin, bends, end)
    return figure


def _columns(into: Mapping[str, Sequence[Wire]], placed: Layers) -> list[float]:
    """Where the layers stand: as far apart as the words at the ends of their wires need."""
    room = [0.0] * (max(placed.layer.values()) + 1)
    for name, wires in into.items():
        room[placed.layer[name]] = max([room[placed.layer[name]], *(_words(wire) for wire in wires)])
    columns = [0.0]
    for width in room[1:]:
        columns.append(columns[-1] + WIDTH + 0.9 + width)
    return columns


def _words(wire: Wire) -> float:
    return LETTER * max(map(len, _label(wire))) + 0.1


def _ends(wires: Sequence[Wire], placed: Layers, height: float) -> list[tuple[Wire, float]]:
    """Wires with the places at which they end, from top to bottom as they come."""

    def comes_from(wire: Wire) -> float:
        if (wire.source, wire.target) in placed.back:
            return float("-inf")
        bends = placed.bends[wire.source, wire.target]
        return bends[-1][1] if bends else placed.y[wire.source]

    ordered = sorted(wires, key=comes_from, reverse=True)
    slots = _slots(ordered)
    top = placed.y[wires[0].target] + sum(slots) / 2 if wires else 0.0
    found = []
    for wire, slot in zip(ordered, slots, strict=True):
        top -= slot
        # Words stand above the end of their wire; a wire alone ends in the middle.
        found.append((wire, placed.y[wire.target] if len(ordered) == 1 else top + 0.1))
    return found


def _half(sort: str) -> float:
    """Half the width of a box, without the tip of a port."""
    return 0.22 if sort == "multiplexer" else WIDTH / 2


def _label(wire: Wire) -> list[str]:
    lines = textwrap.wrap(wire.text, NAMES_A_LINE) if wire.text else []
    return [*lines[:-1], f"{lines[-1]} · {wire.width_bits}"] if lines else [str(wire.width_bits)]


def _slots(wires: Sequence[Wire]) -> list[float]:
    """How much height the end of each wire takes, its words above it."""
    return [0.14 + 0.24 * len(_label(wire)) for wire in wires]


def _height(box: Box, wires: Sequence[Wire]) -> float:
    return max(LINE * len(box.lines) + 0.2, sum(_slots(wires)) if len(wires) > 1 else 0.0)


def _draw_box(axes: Axes, box: Box, centre: tuple[float, float], height: float) -> None:
    x, y = centre
    fill, edge = COLOURS[box.sort]
    half = _half(box.sort)
    if box.sort == "multiplexer":
        corners = [
            (x - half, y - height / 2), (x + half, y - height / 2 + 0.18), (x + half, y + height / 2 - 0.18),
            (x - half, y + height / 2),
        ]  # fmt: skip
        axes.add_patch(Polygon(corners, facecolor=fill, edgecolor=edge, linewidth=1.0, label=box.name, zorder=3))
    elif box.sort in ("input", "output"):
        tip = x + half + 0.15
        corners = [
            (x - half, y - height / 2), (x + half, y - height / 2), (tip, y), (x + half, y + height / 2),
            (x - half, y + height / 2),
        ]  # fmt: skip
        axes.add_patch(Polygon(corners, facecolor=fill, edgecolor=edge, linewidth=1.0, label=box.name, zorder=3))
    else:
        low = (x - half, y - height / 2)
        axes.add_patch(
            Rectangle(low, 2 * half, height, facecolor=fill, edgecolor=edge, linewidth=1.0, label=box.name, zorder=3)
        )
    top = y + LINE * (len(box.lines) - 1) / 2
    for number, line in enumerate(box.lines):
        name = box.sort == "operation" and number == len(box.lines) - 1
        axes.text(
            x,
            top - LINE * number,
            line,
            ha="center",
            va="center",
            fontsize=6.5 if len(line) <= 14 else 5.5,
            color="#5D6670" if name else "#1D2125",
            zorder=4,
        )
    # One bar for each register of an operation's pipeline, at the edge where it stands.
    for number in range(box.registers if box.sort == "operation" else 0):
        bar = x + half - 0.09 * (number + 1)
        axes.plot([bar, bar], [y - height / 2, y + height / 2], color="#009E73", linewidth=1.6, zorder=4)


def _draw_wire(
    axes: Axes, wire: Wire, begin: tuple[float, float], bends: Sequence[tuple[float, float]], end: tuple[float, float]
) -> None:
    """A wire that is level at its words, at its bends and at both ends."""
    corners, codes = [begin], [Path.MOVETO]
    level = [(begin, begin)]
    level += [((x - WIDTH / 2, y), (x + WIDTH / 2, y)) for x, y in bends]
    level += [((end[0] - _words(wire), end[1]), end)]
    for (_, (x0, y0)), ((x1, y1), until) in pairwise(level):
        middle = (x0 + x1) / 2
        corners += [(middle, y0), (middle, y1), (x1, y1), until]
        codes += [Path.CURVE4, Path.CURVE4, Path.CURVE4, Path.LINETO]
    _finish(axes, wire, Path(corners, codes), end)


def _draw_back(axes: Axes, wire: Wire, begin: tuple[float, float], end: tuple[float, float], lane: float) -> None:
    """A wire that closes a cycle, below everything else."""
    out, back = begin[0] + 0.2, end[0] - _words(wire) - 0.15
    corners = [begin, (out, begin[1]), (out, lane), (back, lane), (back, end[1]), end]
    _finish(axes, wire, Path(corners, [Path.MOVETO, *[Path.LINETO] * 5]), end)


def _finish(axes: Axes, wire: Wire, path: Path, end: tuple[float, float]) -> None:
    name = f"{wire.source} -> {wire.target}"
    axes.add_patch(PathPatch(path, fill=False, edgecolor=WIRE, linewidth=0.8, label=name, zorder=2))
    x, y = end
    tip = [(x, y), (x - 0.1, y + 0.05), (x - 0.1, y - 0.05)]
    axes.add_patch(Polygon(tip, facecolor=WIRE, edgecolor="none", zorder=3))
    axes.text(
        x - 0.12, y + 0.03, "\n".join(_label(wire)), ha="right", va="bottom", fontsize=5.2, linespacing=1.0, color=WIRE
    )
