"""Mapping, exploring and comparing as functions: what the commands print is what these return."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import brickwork
from brickwork import exploration_steps
from brickwork.cli import app
from dataflow import Dataflow, Timing
from dataflow.mapping import best_mapping
from dataflow.technology import technology_named
from reports.exploration.engine import Progress, Shard
from reports.exploration.runners import Chunk, Done, serial

PYTHON = Path(__file__).parents[2] / "docs" / "reference" / "python.md"
STUDY = """\
name: small
workloads:
  - name: first
    operators: {"gemm:m=50,n=70,k=90": 2, "conv2d:n=1,oc=14,ic=13,h=15,w=15,kh=3,kw=3": 1}
axes: {array: [4x4, 2x8], buffer: [1KB, 4KB]}
fixed: {dataflows: k-n+ic-oc, bandwidth_gb_per_s: 8}
baselines:
  weights: {array: 4x4, buffer: 1KB}
"""
MACHINE = brickwork.Machine(1 << 10, 16.0, 100)


def ran(*arguments: str) -> dict:
    done = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert (done.exit_code, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(STUDY)
    return path


@pytest.mark.parametrize("tiler", ["optimal", "gemmini"])
def test_a_mapped_nest_is_what_the_command_prints(tiler: str) -> None:
    text = "gemm:m=20,n=12,k=30"
    nest = brickwork.load(text).nest
    mapped = brickwork.map_nest(nest, MACHINE, array=(4, 4), tiler=tiler, exact_timing=True)
    facts = ran("map", text, "--array", "4x4", "--buffer", "1KB", "--tiler", tiler, "--exact-timing")
    assert str(mapped) == facts["loop_nest"]
    assert (mapped.cycles, mapped.energy_pj, mapped.utilization) == (
        facts["cycles"],
        facts["energy_pj"],
        facts["utilization"],
    )
    assert mapped.units == 16
    assert (mapped.certificate.tiler, facts["certificate"]["tiler"]) == (tiler, tiler)
    assert mapped.certificate.proven == facts["certificate"]["proven"] == (tiler == "optimal")
    # Pipeline distances are those of the array, whatever the machine had.
    odd = replace(MACHINE, timing=Timing(write_cycles=9, hazard_cycles=8))
    assert brickwork.map_nest(nest, odd, array=(4, 4), tiler=tiler).machine == odd
    exact = brickwork.map_nest(nest, odd, array=(4, 4), tiler=tiler, exact_timing=True)
    assert exact.machine.timing != odd.timing
    assert brickwork.generate(nest, exact.dataflow).design.timings[0] == exact.machine.timing


def test_a_nest_on_given_dataflows() -> None:
    nest = brickwork.load("gemm:m=20,n=12,k=30").nest
    flows = [Dataflow.of(nest, {"m": 4, "n": 3}), Dataflow.of(nest, {"k": 5, "n": 4})]
    mapped = brickwork.map_nest(nest, MACHINE, flows, objective="cycles", every_tile=True)
    assert mapped.units == 20
    assert mapped.certificate.dataflows == 2
    # At most the evenly cut one.
    assert mapped.cycles <= best_mapping(nest, MACHINE, flows, objective="cycles").cost.cycles


@pytest.mark.parametrize("tiler", ["optimal", "gemmini"])
def test_a_mapped_network_is_what_the_command_prints(tiler: str) -> None:
    machine = brickwork.Machine(128 << 10, 16.0, 100, technology=technology_named("28nm"), off_chip="lpddr4")
    axes = [("oc", "ic"), ("n", "k")] if tiler == "optimal" else []
    mapped = brickwork.map_network("alexnet", machine, array=(8, 8), axes=axes, tiler=tiler, number_format="int8")
    options = ["--array", "8x8", "--technology", "28nm", "--off-chip", "lpddr4", "--tiler", tiler, "--format", "int8"]
    facts = ran("map", "alexnet", *options, *(part for space in axes for part in ("--axes", ",".join(space))))
    assert (mapped.cycles, mapped.energy_pj, mapped.proven) == (
        facts["cycles"],
        facts["energy_pj"],
        facts["proven"],
    )
    assert mapped.proven == (tiler == "optimal")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"objective": "speed"}, "--objective: expected one of cycles, energy, energy-delay, not 'speed'"),
        ({"tiler": "random"}, "--tiler: expected one of optimal, gemmini, not 'random'"),
        ({"array": (4, 0)}, "--array: expected one to three sizes, as in --array 16x16, not '4x0'"),
        (
            {"tiler": "gemmini", "every_tile": True},
            "--every-tile is for the optimal tiler; the gemmini tiler makes one tiling by its rules",
        ),
    ],
)
def test_a_nest_is_not_mapped(options: dict, says: str) -> None:
    nest = brickwork.load("gemm:m=20,n=12,k=30").nest
    with pytest.raises(brickwork.BrickworkError) as caught:
        brickwork.map_nest(nest, MACHINE, **options)
    assert str(caught.value) == says


def test_explore_page_and_compare_are_what_the_commands_write(study: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    results = brickwork.explore(brickwork.load_study(study), here, jobs=1, verified=1, simulator="icarus")
    facts = ran("explore", str(study), "--out", str(there), "--jobs", "1", "--verify", "1", "--simulator", "icarus")
    for name in ("results.json", "results.csv", "study.html"):
        assert (here / name).read_bytes() == (there / name).read_bytes()
    assert [outcome.point.key for outcome in results.front] == [point["key"] for point in facts["pareto"]]
    assert len(results.ranked[0].verifications) == 2
    assert all(check.passed for check in results.ranked[0].verifications)

    written = brickwork.page(here / "results.json", tmp_path / "page.html", figures="svg")
    assert written.page.read_bytes() == (here / "study.html").read_bytes()
    assert [path.name for path in written.figures] == ["page_pareto.svg", "page_energy.svg", "page_utilization.svg"]
    assert all(path.is_file() for path in written.figures)
    assert written.designs == 4

    files = ran("compare", str(there / "results.json"))
    from_results = brickwork.compare(results)
    assert json.loads(json.dumps(from_results.facts)) == {k: v for k, v in files.items() if k != "gpu_files"}
    # A study file is explored first; its store has everything already.
    assert brickwork.compare(study, folder=here).facts == from_results.facts
    # The simulations of the results file are not lost.
    stored = exploration_steps.stored_of(study, here)
    assert [len(outcome.verifications) for outcome in stored.outcomes].count(2) == 1


def test_a_watcher_is_told(study: Path, tmp_path: Path) -> None:
    told: list[object] = []

    @contextmanager
    def layers(title: str) -> Iterator[object]:
        told.append(title)
        yield lambda progress: told.append(progress)

    @contextmanager
    def phases(title: str) -> Iterator[object]:
        told.append(title)
        yield lambda phase, part: told.append(phase)

    watcher = brickwork.Watcher(layers, phases, told.append)
    (tmp_path / "out" / "store").mkdir(parents=True)
    store = tmp_path / "out" / "store" / "results.jsonl"
    store.write_text('{"key": "torn')
    brickwork.explore(study, tmp_path / "out", jobs=1, limit=1, watcher=watcher)
    assert told[:2] == [
        f"{store}: the last line was cut off when a run was killed; its layer runs again",
        "small",
    ]
    assert Progress(2, 2, 0, "layers") in told
    assert told[-2:] == ["page", "drawing the arrays"]


def test_nothing_is_printed(study: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    brickwork.compare(brickwork.explore(study, tmp_path / "out", jobs=1, limit=1))
    assert capfd.readouterr() == ("", "")


def test_ctrl_c_says_what_is_kept_and_the_rest_follows(study: Path, tmp_path: Path) -> None:
    @contextmanager
    def impatient() -> Iterator[object]:
        def first_only(chunks: list[Chunk]) -> Iterator[Done]:
            yield next(serial(chunks))
            raise KeyboardInterrupt

        yield first_only

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt) as caught:
        brickwork.explore(study, out, workers=impatient())
    assert isinstance(caught.value, brickwork.ExplorationInterrupted)
    kept = len((out / "store" / "results.jsonl").read_text().splitlines())
    assert 0 < kept == caught.value.layers
    assert (str(caught.value), caught.value.folder) == (f"interrupted; {kept} layers are kept in {out}", out)
    assert not (out / "results.json").exists()
    assert len(brickwork.explore(study, out, jobs=1).outcomes) == 4
    shards = exploration_steps.explore_shard(brickwork.load_study(study), Shard(2, 2), tmp_path / "parts", jobs=1)
    assert len(shards) == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"jobs": 0}, "--jobs: expected at least 1, not 0"),
        ({"limit": 0}, "--limit: expected at least 1, not 0"),
        ({"verified": -1}, "--verify: expected 0 or more, not -1"),
        ({"simulator": "spice"}, "--simulator: expected one of verilator, icarus, not 'spice'"),
    ],
)
def test_a_study_is_not_explored(study: Path, tmp_path: Path, options: dict, says: str) -> None:
    with pytest.raises(brickwork.BrickworkError) as caught:
        brickwork.explore(study, tmp_path / "out", **options)
    assert str(caught.value) == says
    assert not (tmp_path / "out").exists()


def test_the_program_of_the_reference_runs(tmp_path: Path) -> None:
    program = PYTHON.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "alexnet" / "again.html").read_bytes() == (tmp_path / "alexnet" / "study.html").read_bytes()
    assert "conv2d:" in done.stdout.splitlines()[-1]


def test_the_reference_names_every_command_and_every_function() -> None:
    table = PYTHON.read_text(encoding="utf-8").partition("| command |")[2].partition("\n\n")[0]
    verbs = {command.name for command in app.registered_commands} - {"demo", None}
    unnamed = {
        command.callback.__name__ for command in app.registered_commands if command.callback and not command.name
    }
    rows = [line.split("|") for line in table.splitlines()[2:]]
    assert {verb.strip("` ") for row in rows for verb in row[1].split(",")} == verbs | unnamed - {"demo"}
    functions = {name for name in brickwork.__all__ if name[0].islower()}
    named = {word.strip("` ;,") for row in rows for word in row[2].split() if word.startswith("`")}
    assert functions == {name for name in named if "." not in name}
