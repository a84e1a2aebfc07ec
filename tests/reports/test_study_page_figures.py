"""Figures of a study: what they show, and the same bytes every time."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_hex
from study_samples import outcomes

from reports.exploration.pareto import pareto_front
from reports.study_page.figures import energy_figure, figure_bytes, pareto_figure, utilization_figure

BEGINS = {"svg": b"<svg", "pdf": b"%PDF", "png": b"\x89PNG"}


@pytest.mark.parametrize("make", [pareto_figure, energy_figure, utilization_figure])
@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_files(make, kind) -> None:
    first = figure_bytes(make(outcomes()), kind)
    assert first.startswith(BEGINS[kind])
    assert first == figure_bytes(make(outcomes()), kind)


def test_energy_bars_add_up() -> None:
    front = pareto_front(outcomes())
    bars = energy_figure(outcomes()).axes[0].patches
    assert sum(bar.get_width() for bar in bars) == pytest.approx(sum(o.energy_j for o in front))
    assert "#0072b2" in {to_hex(bar.get_facecolor()) for bar in bars}


def test_every_point_is_shown() -> None:
    everything, front = pareto_figure(outcomes()).axes[0].collections
    assert len(everything.get_offsets()) == len(outcomes()) - 1
    assert len(front.get_offsets()) == len(pareto_front(outcomes()))


def test_utilization_is_that_of_the_layers() -> None:
    image = utilization_figure(outcomes()).axes[0].images[0].get_array()
    best = pareto_front(outcomes())[0]
    layer = best.workloads[0].layers[0]
    assert image[0][0] == pytest.approx(layer.macs / layer.cycles / best.point.units)
    assert image.shape == (len(pareto_front(outcomes())), 4)
