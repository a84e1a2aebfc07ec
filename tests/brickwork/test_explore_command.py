"""The verb ``explore``: what it prints and writes, resuming, shards, and what it says to mistakes."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brickwork.cli import app
from reports.exploration.outcome import PointOutcome
from reports.exploration.study_file import load_study, parse_study

STUDY = """\
name: small
question: Which is best?
workloads:
  - name: first
    operators: {"gemm:m=50,n=70,k=90": 2, "conv2d:n=1,oc=14,ic=13,h=15,w=15,kh=3,kw=3": 1}
axes:
  array: [4x4, 2x8]
  dataflows: [k-n+ic-oc, k-n]
  buffer: {from: 1KB, to: 4KB, times: 2}
baselines:
  weights: {array: 4x4, dataflows: k-n+ic-oc, buffer: 1KB}
constraints: [power_w < 0.08]
fixed: {bandwidth_gb_per_s: 8}
"""
FILES = ("results.json", "results.csv", "study.html")
LARGE = STUDY.replace("to: 4KB, times: 2", "to: 64KB, step: 100B").replace("[k-n+ic-oc, k-n]", "[every]")


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


def explore(*arguments: str) -> Ran:
    done = CliRunner().invoke(app, ["explore", *arguments], catch_exceptions=False)
    return Ran(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(STUDY)
    return path


def test_says_and_writes_which_designs_are_best(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = explore(str(study), "--out", str(out), "--jobs", "1", "--verify", "1", "--simulator", "icarus")
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert lines[:2] == [
        "small: 12 points, 6 failed, 2 excluded by constraints; 4 on the Pareto front",
        "Which is best?",
    ]
    assert lines[2].strip() == "Pareto front, fastest first; all k-n+ic-oc, int8, 8 GB/s, 1 GHz, 7nm"
    assert lines[-1] == f"written to {out / 'results.json'}, results.csv and study.html: open the page in a browser"
    assert "2 of 2" in (out / "study.html").read_text()
    assert sum(line.startswith("  simulated ") and ": match, " in line for line in lines) == 2
    facts = json.loads((out / "results.json").read_text())
    best = next(PointOutcome.of_facts(o) for o in facts["outcomes"] if o["key"] == facts["best"])
    assert f"best by edp: {best.point}" in lines
    assert len(best.verifications) == 2
    assert all(check.passed for check in best.verifications)
    assert len(list(csv.DictReader((out / "results.csv").read_text().splitlines()))) == 13
    speed = facts["comparisons"][0]["speed"]
    assert any(line.startswith(f"  against weights: {speed:.2f} times the speed, ") for line in lines)


def test_the_second_run_gives_the_same_bytes(study: Path, tmp_path: Path) -> None:
    files = []
    for folder, jobs in (("a", "1"), ("a", "1"), ("b", "2")):
        explore(str(study), "--out", str(tmp_path / folder), "--jobs", jobs)
        files.append([(tmp_path / folder / name).read_bytes() for name in FILES])
    assert files[0] == files[1] == files[2]


def test_shards_merge_to_the_same_bytes(study: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    facts = explore(str(study), "--out", str(whole), "--jobs", "1", "--json")
    for number in (3, 1, 2):
        ran = explore(str(study), "--out", str(parts), "--jobs", "1", "--shard", f"{number}/3", "--json")
        assert json.loads(ran.out) == {"shard": number, "shards": 3, "points": [5, 4, 4][number - 1], "failed": 2}
        assert not (parts / "results.json").exists()
    ran = explore(str(study), "--out", str(parts), "--jobs", "1", "--json")
    merged, at_once = json.loads(ran.out), json.loads(facts.out)
    for each, folder in ((merged, parts), (at_once, whole)):
        assert each.pop("seconds") > 0
        paths = [each.pop(name) for name in ("store", "results", "report")]
        assert paths == [str(folder / name) for name in ("store", "results.json", "study.html")]
    assert merged == at_once
    assert list(merged) == ["points", "failed", "best", "pareto", "verified"]
    assert (merged["points"], merged["failed"], len(merged["pareto"])) == (12, 6, 4)
    assert merged["best"] in [point["key"] for point in merged["pareto"]]
    assert (parts / "store" / "results.jsonl").read_bytes() == b""
    assert (parts / "results.json").read_bytes() == (whole / "results.json").read_bytes()


def test_killed_and_resumed_gives_the_same_bytes(tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(LARGE.replace("100B", "9KB"))
    command = [sys.executable, "-m", "brickwork.cli", "explore", str(study), "--jobs", "1", "--out"]
    store = tmp_path / "killed" / "store" / "results.jsonl"
    child = subprocess.Popen([*command, str(tmp_path / "killed")], stdout=subprocess.DEVNULL)
    while child.poll() is None and (not store.exists() or store.stat().st_size == 0):
        time.sleep(0.01)
    child.kill()
    assert child.wait() == -signal.SIGKILL, "it was done before it could be killed"
    before = store.stat().st_size
    assert before > 0
    for folder in ("killed", "whole"):
        assert explore(str(study), "--jobs", "1", "--out", str(tmp_path / folder)).status == 0
    assert store.stat().st_size > before
    for name in FILES:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(LARGE)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "brickwork.cli", "explore", str(study), "--jobs", "2", "--out", str(out)]
    # A shell that started the tests in the background would have left the signal ignored.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heard)
    store = out / "store" / "results.jsonl"
    while child.poll() is None and (not store.exists() or store.stat().st_size == 0):
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGINT)
    try:
        _, err = child.communicate(timeout=30)
    finally:
        child.kill()
    layers = len(store.read_text().splitlines())
    assert err == f"brickwork: interrupted; {layers} layers are kept in {out}: run the same command to go on\n"
    assert child.returncode == 130
    assert not (out / "results.json").exists()


def test_a_study_in_which_nothing_may_be_chosen(study: Path, tmp_path: Path) -> None:
    study.write_text(STUDY.replace("0.08", "0.001"))
    ran = explore(str(study), "--out", str(tmp_path / "out"), "--jobs", "1", "--limit", "2")
    assert ran.status == 0
    first, _, *points, last = ran.out.splitlines()
    assert first == "small: 2 points, 0 failed, 2 excluded by constraints; 0 on the Pareto front"
    assert all("W" not in point and ", and must be < 0.001" in point for point in points)
    assert last.startswith("written to ")


FAULTS = [
    (("--jobs", "0"), "--jobs: expected at least 1, not 0"),
    (("--limit", "-1"), "--limit: expected at least 1, not -1"),
    (("--verify", "-1"), "--verify: expected 0 or more, not -1"),
    (("--shard", "3/2"), "--shard: expected a number and how many there are, as 2/8, not '3/2'"),
    (("--shard", "x"), "--shard: expected a number and how many there are, as 2/8, not 'x'"),
    (
        ("--shard", "1/2", "--verify", "1"),
        "--verify needs the results of all shards; run without --shard to merge and verify",
    ),
    (("--simulator", "spice"), "--simulator: expected one of verilator, icarus, not 'spice'"),
    (("--cluster", "cloud"), "--cluster: expected one of slurm, lsf, sge, not 'cloud'"),
    (
        ("--cluster", "lsf", "--dask", "tcp://a:1"),
        "--dask and --cluster exclude each other: the one runs already, the other is started",
    ),
    (("--queue", "long"), "--queue is for jobs of a cluster; give --cluster too"),
    (("--walltime", "4h"), "--walltime: expected hours, minutes and seconds, as 04:00:00, not '4h'"),
]


@pytest.mark.parametrize(("options", "says"), FAULTS)
def test_a_wrong_option_is_one_line(study: Path, tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    ran = explore(str(study), "--out", str(tmp_path / "out"), *options)
    assert (ran.status, ran.out, ran.err) == (1, "", f"brickwork: error: {says}\n")
    assert not (tmp_path / "out").exists()


def test_optuna_has_no_shards(study: Path, tmp_path: Path) -> None:
    study.write_text(STUDY + "strategy: {kind: optuna, points: 3, seed: 1}\n")
    ran = explore(str(study), "--out", str(tmp_path / "out"), "--shard", "1/2")
    says = "--shard: Optuna chooses each point by the ones before it; use --jobs, --dask or --cluster"
    assert (ran.status, ran.err) == (1, f"brickwork: error: {says}\n")


def test_every_mistake_of_a_study_is_told(study: Path) -> None:
    study.write_text(STUDY.replace("gemm:m=50", "gem:m=50").replace("4x4, 2x8", "4y4, 2x8"))
    ran = explore(str(study))
    assert ran.status == 1
    assert [line.split(":")[3] for line in ran.err.splitlines()] == ["5", "7"]


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "examples").glob("study_*.yaml")), ids=str)
def test_the_studies_that_come_with_brickwork_are_read(path: Path) -> None:
    study = load_study(path)
    assert study.question.endswith("?")
    assert study.points()
    assert study.baselines


def test_the_study_in_the_description_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "exploration.md").read_text()
    study = parse_study(text.partition("```yaml\n")[2].partition("```")[0])
    assert len(study.points()) == 8
    assert {p.buffer_bytes for p in study.points()} <= {64 << 10, 128 << 10, 256 << 10, 512 << 10}
    assert [str(c) for c in study.constraints] == ["power_w <= 0.5", "buffer <= 524288B"]


def test_the_program_in_the_description_runs(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "exploration.md").read_text()
    program = text.partition("```python\n")[2].partition("```")[0]
    study = tmp_path / "examples" / "study_dc_ae.yaml"
    study.parent.mkdir()
    study.write_text(STUDY.replace("0.08", "1"))
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"4x4, k-n\+ic-oc, int8, 2 KB, 8 GB/s, 1 GHz, 7nm \d\.\d+e-05\n", done.stdout)
