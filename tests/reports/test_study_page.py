"""The page of an exploration: its numbers, its bytes, and a real browser that hovers, clicks and types."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from browser import LOOKS, faults_in
from study_samples import header, outcomes

from reports.compare_gpu import read_gpu
from reports.study_page import study_page, write_study_page
from reports.study_page.arrays import array_key, plan_of
from reports.study_page.content import study_content

GPU = Path(__file__).parents[2] / "sw_kernels" / "measurements" / "h200.json"

STEPS = """
  const marks = [...document.querySelectorAll("#pareto .point")];
  see("a mark for each point", marks.length === able.length);
  const other = marks.find(mark => !mark.classList.contains("chosen"));
  other.dispatchEvent(new PointerEvent("pointerenter", { clientX: 50, clientY: 50 }));
  see("tooltip", !place("tooltip").hidden && place("tooltip").textContent.includes("energy"));
  other.dispatchEvent(new PointerEvent("pointerleave"));
  see("no tooltip", place("tooltip").hidden);
  const key = other.dataset.key;
  other.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  see("click selects", chosen.point.key === key && document.querySelectorAll("#pareto .chosen").length === 1);
  see("panel follows", place("selected-name").textContent.endsWith(chosen.point.text));
  document.querySelector("#pareto .chosen").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
  see("arrow keys move", chosen.point.key !== key && document.activeElement.dataset.key === chosen.point.key);
  place("axis-x").value = "area";
  place("axis-x").dispatchEvent(new Event("change"));
  see("axis changes", place("pareto").textContent.includes("mm"));
  const lines = () => [...document.querySelectorAll("#layers tr[tabindex]")];
  const rows = () => lines().map(row => Number(row.cells[4].textContent.replaceAll(",", "")));
  see("sorted down", rows().length === 4 && rows().every((n, i, all) => !i || n <= all[i - 1]));
  [...document.querySelectorAll("#layers th button")].find(b => b.textContent.startsWith("cycles")).click();
  see("sorted up", rows().every((n, i, all) => !i || n >= all[i - 1]));
  document.querySelectorAll("#layers tr[tabindex]")[1].click();
  const mapping = place("mapping").textContent;
  see("mapping follows", mapping.includes(chosen.layer.operator) && mapping.includes("brickwork simulate"));
  see("array drawn", place("array").querySelector("svg") !== null);
  see("heat map", document.querySelectorAll(".heat td").length > 0);
  see("beside the GPU", place("gpu-workloads").rows.length === 3);
"""


@cache
def page() -> str:
    return study_page(header(), outcomes(), read_gpu(GPU))


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_in_a_browser(tmp_path: Path, width: int, scheme: str) -> None:
    assert faults_in(page(), tmp_path, width, scheme, STEPS) == []


def test_nothing_comes_from_elsewhere_and_bytes_repeat(tmp_path: Path) -> None:
    html = study_page(header(), outcomes(), read_gpu(GPU))
    assert html == page()
    # Namespaces and identifiers of metadata in drawings are names, not addresses that anything loads.
    assert not re.search(r'(?:src|href)="(?!#)|@import|url\((?!#)|fetch\(', re.sub(r'xlink:href="#[^"]*"', "", html))
    write_study_page(header(), outcomes(), tmp_path / "page.html", read_gpu(GPU))
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert (tmp_path / "page.html").read_text() == html


def test_numbers_are_the_outcomes() -> None:
    content = study_content(header(), outcomes())
    for outcome, point in zip(outcomes(), content["points"], strict=True):
        assert (point["key"], point["time_s"], point["energy_j"]) == (
            outcome.point.key,
            outcome.time_s,
            outcome.energy_j,
        )
        for workload, shown in zip(outcome.workloads, point["workloads"], strict=True):
            assert shown["cycles"] == sum(layer["times"] * layer["cycles"] for layer in shown["layers"])
            assert sum(shown["energy"]) == pytest.approx(workload.energy.total_pj)
            for layer, row in zip(workload.layers, shown["layers"], strict=True):
                assert content["texts"][row["nest"]] == layer.loop_nest
                assert content["texts"][row["simulate"]] == layer.simulate


def test_failures_and_simulations_are_told() -> None:
    html = page()
    assert "the buffer of 3 bytes excludes every mapping" in html
    assert "1 of 2" in html and "differ" in html
    assert "M. Horowitz" in html and "<head> &" not in html.split('id="study"')[0]


def test_layers_that_do_not_fit_are_left_out_of_the_worst_points() -> None:
    content = study_content(header(), outcomes(), most_layers=9)
    held = [p for p in content["points"] if p["workloads"] and p["workloads"][0]["layers"] is not None]
    assert len(held) == 2
    assert all(point["front"] for point in held)


def test_only_failures() -> None:
    html = study_page(header(), outcomes()[-1:])
    assert "No design could be evaluated." in html
    assert "<script>" not in html


def test_arrays_are_those_of_the_layers() -> None:
    layer = outcomes()[0].workloads[0].layers[0]
    plan = plan_of(layer)
    assert layer.dataflow.startswith("_".join(loop for loop, _ in plan.dataflow.space))
    assert plan.dataflow.shape == (4, 4)
    assert array_key(layer) == array_key(replace(layer, macs=1))
