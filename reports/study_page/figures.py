"""Figures of a study for papers: SVG, PDF or PNG, the same bytes for the same outcomes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from reports.charts import svg_of
from reports.exploration.brief import brief_names
from reports.exploration.outcome import PointOutcome
from reports.exploration.pareto import pareto_front

FileKind = Literal["svg", "pdf", "png"]
FILE_KINDS: tuple[FileKind, ...] = ("svg", "pdf", "png")

_CAUSES = (
    ("operation_pj", "operations", "#0072B2"),
    ("hop_pj", "hops between units", "#56B4E9"),
    ("buffer_pj", "buffer", "#009E73"),
    ("off_chip_pj", "off-chip memory", "#E69F00"),
    ("leakage_pj", "leakage", "#CC79A7"),
)


def figure_bytes(figure: Figure, kind: FileKind) -> bytes:
    """The figure as a file, without dates."""
    if kind == "svg":
        return svg_of(figure).encode()
    out = io.BytesIO()
    metadata = {"CreationDate": None} if kind == "pdf" else {"Software": "brickwork"}
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(out, format=kind, dpi=200, metadata=metadata, bbox_inches="tight")
    return out.getvalue()


def pareto_figure(outcomes: Sequence[PointOutcome]) -> Figure:
    """Time and energy of all points, with the front as a line; modelled."""
    able = [outcome for outcome in outcomes if outcome.failure is None]
    front = pareto_front(outcomes)
    figure = Figure(figsize=(5.2, 3.6))
    axes = figure.add_subplot()
    axes.scatter([o.time_s for o in able], [o.energy_j for o in able], s=18, facecolors="none", edgecolors="#777777")
    axes.scatter([o.time_s for o in front], [o.energy_j for o in front], s=26, color="#0072B2", label="none is better")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis, unit in ((axes.xaxis, "s"), (axes.yaxis, "J")):
        axis.set_major_formatter(EngFormatter(unit))
        axis.set_minor_formatter(EngFormatter(unit))
        axis.set_tick_params(which="both", labelsize=8)
    axes.set_xlabel("time (modelled)")
    axes.set_ylabel("energy (modelled)")
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def energy_figure(outcomes: Sequence[PointOutcome]) -> Figure:
    """Energy by cause of the front's points, fastest first; modelled."""
    front = pareto_front(outcomes)
    figure = Figure(figsize=(6.4, 0.35 * len(front) + 1.2))
    axes = figure.add_subplot()
    left = [0.0] * len(front)
    for part, name, colour in _CAUSES:
        amounts = [sum(w.weight * getattr(w.energy, part) for w in o.workloads) / 1e12 for o in front]
        if any(amounts):
            axes.barh(range(len(front)), amounts, left=left, color=colour, label=name)
        left = [a + b for a, b in zip(left, amounts, strict=True)]
    axes.set_yticks(range(len(front)), brief_names([outcome.point for outcome in front])[0], fontsize=6)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(EngFormatter("J"))
    axes.set_xlabel("energy (modelled)")
    axes.legend(frameon=False, fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return figure


def utilization_figure(outcomes: Sequence[PointOutcome]) -> Figure:
    """Utilization of each layer on the front's points; modelled."""
    front = pareto_front(outcomes)
    rows = [
        [layer.macs / (layer.cycles * outcome.point.units) for w in outcome.workloads for layer in w.layers]
        for outcome in front
    ]
    names = [layer.operator for w in front[0].workloads for layer in w.layers] if front else []
    figure = Figure(figsize=(1.2 + 0.3 * len(front), 1.2 + 0.2 * len(names)))
    axes = figure.add_subplot()
    if rows:
        image = axes.imshow(list(zip(*rows, strict=True)), vmin=0, vmax=1, cmap="viridis", aspect="auto")
        figure.colorbar(image, label="utilization (modelled)")
    axes.set_xticks(range(len(front)), brief_names([outcome.point for outcome in front])[0], rotation=90, fontsize=6)
    axes.set_yticks(range(len(names)), names, fontsize=6)
    return figure


def study_figures(outcomes: Sequence[PointOutcome], kind: str) -> dict[str, bytes]:
    """Every figure as a file of a kind of `FILE_KINDS`, by name."""
    chosen = next(known for known in FILE_KINDS if known == kind)
    made = {"pareto": pareto_figure, "energy": energy_figure, "utilization": utilization_figure}
    return {name: figure_bytes(make(outcomes), chosen) for name, make in made.items()}
