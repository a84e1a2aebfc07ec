"""The verb ``fuse`` and the function behind it: what they print and write, and what they say to mistakes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import brickwork as api
from brickwork.cli import app
from brickwork.fusion_steps import Fused, FusedRun
from reports.fused_page import fused_page
from workloads.fusion_spec import load_fusion, parse_fusion

# A name that Verilog keeps for itself.
SMALL = """\
name: small
members:
  - nest: gemm:m=5,n=4,k=3
    dataflow: {name: outputs, space: {m: 2, n: 2}, skew: [1, 1]}
  - nest: gemm:m=5,n=4,k=3
    dataflow: {name: weights, space: {k: 2, n: 2}, skew: [1, 1], order: [n, k, m]}
  - nest: mttkrp:i=3,j=4,k=2,l=3
    dataflow: {name: mttkrp, space: {i: 2, j: 2}, skew: [1, 1], tile: {i: 2}}
"""
TABLE = """\
small_fused: links by operand, cycles
  dataflow  nest    space    links x0  links B  links x2  links O  model
  outputs   gemm    m=2,n=2         4        -         4        -     24
  weights   gemm    k=2,n=2         2        -         -        2     27
  mttkrp    mttkrp  i=2,j=2         4        2         4        -     36
"""
FILES = ("small_fused.html", "small_fused.json", "small_fused.svg", "small_fused.v", "small_fused_unit.svg")


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


def fuse(*arguments: str) -> Ran:
    done = CliRunner().invoke(app, ["fuse", *arguments], catch_exceptions=False)
    return Ran(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def fused() -> Fused:
    return api.fuse(parse_fusion(SMALL))


def test_simulates_every_dataflow_forward_and_back(small: Path, tmp_path: Path) -> None:
    ran = fuse(str(small), "--simulate", "--simulator", "icarus", "--json", "-o", str(tmp_path / "out"))
    facts = json.loads(ran.out)
    assert ran.status == 0
    assert facts["match"] is True
    assert [row["dataflow"] for row in facts["dataflows"]] == ["outputs", "weights", "mttkrp"]
    for row in facts["dataflows"]:
        assert row["simulated_cycles"] == 2 * [row["predicted_cycles"]]
        assert row["match"] is True
        assert row["faults"] == []
        assert 0 < row["utilization"] <= 1
    assert facts["cost"] <= facts["heuristic_cost"] + 1e-6
    assert facts["register_bits"] < sum(row["register_bits_alone"] for row in facts["dataflows"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(FILES)
    page = (tmp_path / "out" / "small_fused.html").read_text()
    for row in facts["dataflows"]:
        assert f"<td>{row['dataflow']}</td>" in page
        assert page.count(f'<td class="r good">{row["simulated_cycles"][0]:,}</td>') >= 2
    assert "http" not in re.sub(r'(xmlns(:\w+)?|about|rdf:\w+)="[^"]*"', "", page)


@pytest.mark.full
def test_writes_the_same_bytes_twice(small: Path, tmp_path: Path) -> None:
    texts = []
    said = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        ran = fuse(str(small), "-o", str(folder))
        assert ran.status == 0
        said.append(ran.out)
        texts.append([(folder / name).read_bytes() for name in FILES])
    assert texts[0] == texts[1]
    assert [out[: len(TABLE)] for out in said] == [TABLE, TABLE]
    costs = r"links, ports and banks: \d+ register bits' worth, chosen jointly; heuristic \d+ \(1\.\d\d times\)\n"
    bits = r"registers: \d+ bits; mttkrp alone, the largest, \d+ \(1\.\d\d times\)\n"
    assert re.match(costs + bits, said[0][len(TABLE) :])


@pytest.fixture(scope="module")
def right(fused: Fused) -> FusedRun:
    return api.simulate_fused(fused, simulator="icarus", seed=3)


def test_a_mismatch_is_told_and_fails(
    small: Path, tmp_path: Path, fused: Fused, right: FusedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert right.matches
    wrong = FusedRun(right.results, (replace(right.again[0], faults=("tensor 'O' differs",)), *right.again[1:]))
    monkeypatch.setattr("brickwork.fuse_command.fuse", lambda _: fused)
    monkeypatch.setattr("brickwork.fuse_command.simulate_fused", lambda *_, **__: wrong)
    ran = fuse(str(small), "--simulate", "-o", str(tmp_path / "out"))
    assert ran.status == 1
    assert "  outputs: tensor 'O' differs\n" in ran.out
    page = (tmp_path / "out" / "small_fused.html").read_text()
    assert '<p class="bad">outputs: tensor &#39;O&#39; differs</p>' in page


def test_results_follow_the_order_of_the_file(fused: Fused, right: FusedRun) -> None:
    """By the sizes of the outputs, which differ between the members."""
    shapes = [member.nest.tensor(member.nest.output.tensor).shape for member in fused.spec.members]
    assert [result.outputs.shape for result in right.results] == shapes
    assert [result.outputs.shape for result in right.again] == shapes
    assert tuple(result.simulated_cycles for result in right.results) == fused.predicted_cycles
    assert (right.results[0].outputs != right.again[0].outputs).any()


def test_page_without_a_simulation(fused: Fused) -> None:
    page = fused_page(fused.accelerator, fused.fusion, fused.alone_register_bits)
    assert '<p class="soft">Not simulated; cycles are the model\'s.</p>' in page
    assert "prefers-color-scheme: dark" in page


@dataclass(frozen=True)
class Mistake:
    id: str
    text: str
    options: tuple[str, ...]
    says: str


MISTAKES = (
    Mistake("simulator", SMALL, ("--simulator", "vcs"), "--simulator: expected one of verilator, icarus, not 'vcs'"),
    Mistake("seed", SMALL, ("--seed", "-1"), "--seed: expected 0 or more, not -1"),
    Mistake(
        "dataflows-that-do-not-fit",
        SMALL.replace("order: [n, k, m]", "order: [n, k]").replace("tile: {i: 2}", "order: [i, i, j, k]"),
        (),
        "dataflow 'weights': order leaves out 'm'; expected every loop once\n"
        "dataflow 'mttkrp': order names loop 'i' more than once\n"
        "dataflow 'mttkrp': order leaves out 'l'; expected every loop once",
    ),
    Mistake(
        "axes",
        SMALL.replace("{i: 2, j: 2}, skew: [1, 1]", "{i: 2}, skew: [1]"),
        (),
        "dataflow 'small_fused': dataflows in one array need the same number of axes, but 'outputs' has 2, "
        "'weights' has 2, 'mttkrp' has 1; an axis may have one functional unit",
    ),
    Mistake(
        "too-large",
        SMALL.replace("{m: 2, n: 2}", "{m: 1000, n: 1000}"),
        (),
        "dataflow 'outputs': an array of 1000 x 1000 has 1000000 functional units; at most 16384 are allowed",
    ),
    Mistake("spec", "name: small\nmembers: 3\n", (), "FILE:2:10: 'members' must be a list, not '3'"),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.id)
def test_mistakes_are_told_in_whole(mistake: Mistake, tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(mistake.text)
    ran = fuse(str(path), *mistake.options, "-o", str(tmp_path / "out"))
    told = "".join(f"brickwork: error: {line}\n" for line in mistake.says.splitlines())
    assert (ran.status, ran.err.replace(str(path), "FILE")) == (1, told)
    assert ran.out == ""
    assert not (tmp_path / "out").exists()


def test_the_example_is_nine_dataflows_that_fit() -> None:
    spec = load_fusion(Path(__file__).parents[2] / "examples" / "fused.yaml")
    assert len(spec.members) == 9
    for member in spec.members:
        flow = api.steps.checked_dataflow(member.nest, member.dataflow)
        assert flow.shape == (16, 16)


@pytest.mark.full
def test_the_example_is_exact_forward_and_back() -> None:
    fused = api.fuse(Path(__file__).parents[2] / "examples" / "fused.yaml")
    ran = api.simulate_fused(fused)
    assert [result.faults for result in (*ran.results, *ran.again)] == 18 * [()]
