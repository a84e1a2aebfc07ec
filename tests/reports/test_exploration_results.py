"""What a study found: ranks, front, ratios, tables; and the points that Optuna proposes."""

import csv
import json
from dataclasses import replace
from math import prod

import pytest

from reports.exploration.comparison import compare
from reports.exploration.engine import explore
from reports.exploration.outcome import PointOutcome
from reports.exploration.pareto import pareto_front
from reports.exploration.runners import serial
from reports.exploration.store import Store
from reports.exploration.study import Strategy
from reports.exploration.study_file import parse_study

STUDY = parse_study("""\
name: small
question: Which is best?
workloads:
  - name: first
    operators: {"gemm:m=5,n=7,k=9": 2, "conv2d:n=1,oc=4,ic=3,h=5,w=5,kh=3,kw=3": 1}
  - {name: second, weight: 0.5, operators: {"gemm:m=1,n=33,k=20": 3, "gemm:m=5,n=7,k=9": 7}}
axes:
  array: [4x4, 2x8]
  dataflows: [k-n+ic-oc, m-n+oh-ow, k-n]
  buffer: {from: 64B, to: 4KB, times: 2}
baselines:
  weights: {array: 4x4, dataflows: k-n+ic-oc, buffer: 4KB}
  lost: {array: 4x4, dataflows: k-n, buffer: 4KB}
constraints: [power_w < 0.04]
fixed: {bandwidth_gb_per_s: 8}
""")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("store")) as store:
        return explore(STUDY, store, serial)


def test_the_json_holds_everything(results):
    facts = json.loads(json.dumps(results.facts))
    assert tuple(PointOutcome.of_facts(each) for each in facts["outcomes"]) == results.outcomes
    assert [(b["name"], PointOutcome.of_facts(b["outcome"])) for b in facts["baselines"]] == list(results.baselines)
    able = [o for o in results.outcomes if not STUDY.broken(o)]
    assert facts["best"] == min(able, key=lambda o: o.time_s * o.energy_j).point.key
    assert facts["pareto"] == [o.point.key for o in pareto_front(able)]
    assert [s["band"] for s in facts["stability"]] == ["low", "high"]
    assert set(facts["excluded"]) == {o.point.key for o in results.outcomes} - {o.point.key for o in able}
    assert any("power_w is" in why[0] for why in facts["excluded"].values())
    assert any("none of the axes" in why[0] for why in facts["excluded"].values())


def test_the_table_has_a_line_for_every_point(results):
    rows = list(csv.DictReader(results.csv.splitlines()))
    assert [row["baseline"] for row in rows] == ["weights", "lost"] + [""] * len(results.outcomes)
    assert [row["key"] for row in rows[2:]] == [o.point.key for o in results.outcomes]
    ranked = sorted((row for row in rows if row["rank"]), key=lambda row: int(row["rank"]))
    assert [row["key"] for row in ranked] == [o.point.key for o in results.ranked]
    edp = [float(row["time_s"]) * float(row["energy_j"]) for row in ranked]
    assert edp == sorted(edp)
    assert {row["key"] for row in rows if row["pareto"] == "1"} == {o.point.key for o in results.front}
    for row in rows[2:]:
        assert bool(row["excluded"]) != bool(row["rank"])
    assert rows[1]["time_s"] == ""


def test_the_best_is_compared_with_each_baseline_that_ran(results):
    best, base = results.ranked[0], results.baselines[0][1]
    assert [name for name, _ in results.comparisons] == ["weights"]
    found = results.comparisons[0][1]
    for ratio, mine, theirs in zip(found.ratios, best.workloads, base.workloads, strict=True):
        assert ratio.workload == mine.name
        assert ratio.speed == theirs.cycles / mine.cycles
        assert ratio.energy == theirs.energy.total_pj / mine.energy.total_pj
    assert found.speed == pytest.approx(prod(r.speed for r in found.ratios) ** 0.5)
    assert found.energy == pytest.approx(prod(r.energy for r in found.ratios) ** 0.5)


def test_a_faster_clock_counts_as_speed(results):
    base = results.baselines[0][1]
    quicker = replace(base, point=replace(base.point, clock_ghz=2.0))
    assert compare(quicker, base).speed == pytest.approx(2.0)
    assert compare(base, base).speed == compare(base, base).energy == pytest.approx(1.0)


def test_a_limit_takes_the_first_points(tmp_path, results):
    with Store(tmp_path) as store:
        assert explore(STUDY, store, serial, limit=3).outcomes == results.outcomes[:3]


@pytest.mark.parametrize("objective", ["edp", "time"])
def test_optuna_repeats_itself_and_resumes(tmp_path, results, objective):
    study = replace(STUDY, objective=objective, strategy=Strategy("optuna", 20, seed=3))
    mapped = []

    def watching(chunks):
        mapped.extend(task for chunk in chunks for task in chunk)
        return serial(chunks)

    with Store(tmp_path / "part") as store:
        part = explore(study, store, watching, limit=9)
        first = len(mapped)
        whole = explore(study, store, watching)
    assert whole.outcomes[: len(part.outcomes)][:8] == part.outcomes[:8]
    assert len(mapped) == len(set(mapped)) > first
    with Store(tmp_path / "again") as store:
        assert explore(study, store, serial).outcomes == whole.outcomes
    points = [outcome.point for outcome in whole.outcomes]
    assert len(points) == len(set(points)) <= 20
    assert set(points) <= set(STUDY.points())
    other = replace(study, strategy=replace(study.strategy, seed=4))
    with Store(tmp_path / "other") as store:
        assert [o.point for o in explore(other, store, serial).outcomes] != points


def test_optuna_finds_the_best_of_a_small_space(tmp_path):
    study = replace(STUDY, strategy=Strategy("optuna", 60, seed=0))
    with Store(tmp_path) as store:
        every = explore(STUDY, store, serial)
        found = explore(study, store, serial)
    assert study.score(found.ranked[0]) == study.score(every.ranked[0])
