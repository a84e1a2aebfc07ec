"""The charts of a report, as SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib

matplotlib.use("Agg")

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from dataflow.cycles import Cycles

CAUSES = (
    ("steady", "#0072B2", "full use of every unit"),
    ("border", "#56B4E9", "sizes that do not divide the array"),
    ("gap", "#D55E00", "waiting for spilled sums"),
    ("fill", "#E69F00", "control reaching the last unit"),
    ("drain", "#CC79A7", "pipeline emptying"),
)
_POST = ("post", "#009E73", "results quantized")


def svg_of(figure: Figure) -> str:
    """A figure as SVG text, the same bytes for the same figure."""
    out = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "brickwork"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": "brickwork"}, bbox_inches="tight")
    text = out.getvalue()
    return text[text.index("<svg") :]


def utilization_chart(share: npt.NDArray[np.float64], total_cycles: int) -> str:
    """Share of functional units at work over the cycles of a run."""
    figure = Figure(figsize=(8.2, 2.3))
    axes = figure.add_subplot()
    x = np.linspace(0, total_cycles, len(share) + 1)
    axes.stairs(share * 100, x, fill=True, color="#0072B2", alpha=0.85)
    axes.set_ylim(0, 105)
    axes.set_xlim(0, total_cycles)
    axes.set_xlabel("cycle")
    axes.set_ylabel("units at work, %")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return svg_of(figure)


def causes_of(cycles: Cycles) -> tuple[tuple[str, str, str], ...]:
    """Causes with colour and meaning; what comes behind the array only where there is something."""
    return (*CAUSES, _POST) if cycles.post else CAUSES


def cycles_chart(cycles: Cycles) -> str:
    """Cycles of a run by cause, stacked."""
    figure = Figure(figsize=(8.2, 1.5))
    axes = figure.add_subplot()
    left = 0
    for cause, colour, why in causes_of(cycles):
        amount = getattr(cycles, cause)
        axes.barh([0], [amount], left=left, color=colour, label=f"{cause}: {amount:,} ({why})", height=0.5)
        left += amount
    axes.set_xlim(0, max(1, left))
    axes.set_yticks([])
    axes.set_xlabel("cycles")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.45), ncols=2, fontsize=8, frameon=False)
    return svg_of(figure)


def passes_chart(names: Sequence[str], register_bits: Sequence[int]) -> str:
    """Register bits after each pass."""
    figure = Figure(figsize=(8.2, 0.45 * len(names) + 0.7))
    axes = figure.add_subplot()
    places = range(len(names))
    axes.barh(places, register_bits, color="#009E73", height=0.6)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlabel("register bits")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return svg_of(figure)
