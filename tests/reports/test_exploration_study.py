"""Study files: what they mean, the order of their points, and what each mistake is told."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.exploration.constraint import Constraint
from reports.exploration.design_point import DesignPoint
from reports.exploration.outcome import Area, EnergyParts, LayerOutcome, PointOutcome, WorkloadOutcome
from reports.exploration.study import Strategy
from reports.exploration.study_file import load_study, parse_study
from workloads.errors import SpecError

STUDY = """\
name: small
question: >
  Which buffer
  is best?
workloads:
  - {network: alexnet, weight: 2}
  - {rollout: qwen2.5_3b, batch: 8, completion: 16}
  - name: head
    operators: {"gemm:m=1,n=1000,k=2048": 3}
fixed: {array: 16x16, technology: 28nm, off_chip: lpddr4, result_bits: 8}
axes:
  dataflows: [k-n+ic-oc, every]
  buffer: {from: 64KB, to: 512KB, times: 2}
  bandwidth_gb_per_s: {from: 8, to: 24, step: 8}
baselines:
  fixed: {dataflows: k-n, buffer: 256KB, bandwidth_gb_per_s: 16}
objective: energy
constraints: [units <= 256, buffer < 512KB, power_w <= 2]
"""


def test_a_study_means_what_it_says():
    study = parse_study(STUDY)
    assert (study.name, study.question, study.objective) == ("small", "Which buffer is best?", "energy")
    assert study.mapped_for == "energy"
    assert [(w.name, w.weight) for w in study.workloads] == [
        ("alexnet", 2.0),
        ("qwen2.5_3b rollout of 8", 1.0),
        ("head", 1.0),
    ]
    assert study.workloads[2].operators == (("gemm:m=1,n=1000,k=2048", 3),)
    assert study.axes[1:] == (
        ("buffer", (64 << 10, 128 << 10, 256 << 10, 512 << 10)),
        ("bandwidth_gb_per_s", (8.0, 16.0, 24.0)),
    )
    base = DesignPoint((16, 16), (("k", "n"),), "int8", 256 << 10, 16.0, 100.0, 1.0, "28nm", "lpddr4", 8)
    assert study.baselines == (("fixed", base),)
    assert [str(each) for each in study.constraints] == ["units <= 256", "buffer < 524288B", "power_w <= 2"]
    assert study.strategy == Strategy("grid")


def test_a_grid_is_the_product_without_what_constraints_forbid():
    study = parse_study(STUDY)
    expected = [
        (spaces, kilobytes << 10, bandwidth)
        for spaces in ((("k", "n"), ("ic", "oc")), ())
        for kilobytes in (64, 128, 256)
        for bandwidth in (8.0, 16.0, 24.0)
    ]
    assert [(p.spaces, p.buffer_bytes, p.bandwidth_gb_per_s) for p in study.points()] == expected


@settings(max_examples=20, deadline=None)
@given(points=st.integers(1, 30), seed=st.integers(0, 1000))
def test_random_points_are_points_of_the_grid_each_once(points, seed):
    study = parse_study(STUDY)
    drawn = replace(study, strategy=Strategy("random", points, seed)).points()
    assert len(drawn) == len(set(drawn)) == min(points, 18)
    assert set(drawn) <= set(study.points())
    assert drawn == replace(study, strategy=Strategy("random", points, seed)).points()


def test_another_seed_draws_other_points():
    study = parse_study(STUDY)
    first, second = (replace(study, strategy=Strategy("random", 6, seed)).points() for seed in (0, 1))
    assert first != second


def test_constraints_that_forbid_everything_end():
    study = replace(parse_study(STUDY), constraints=(Constraint.parse("units > 999"),))
    assert study.points() == ()
    assert replace(study, strategy=Strategy("random", 3, 0)).points() == ()


def test_without_an_off_chip_memory_the_first_of_the_technology_is_taken():
    study = parse_study(STUDY.replace("off_chip: lpddr4, ", ""))
    assert {point.off_chip for point in study.points()} == {"lpddr4"}
    other = parse_study(STUDY.replace("off_chip: lpddr4, ", "").replace("28nm", "7nm"))
    assert {point.off_chip for point in other.points()} == {"hbm2"}


def outcome(cycles: int, energy_pj: float, area_um2: float | None = None, failure: str | None = None) -> PointOutcome:
    point = replace(parse_study(STUDY).baselines[0][1], latency_ns=float(cycles))
    layer = LayerOutcome(
        "gemm", 1, 256, "d", (), "", "", cycles, cycles, 0, 0, EnergyParts(energy_pj, 0.0, 0.0, 0.0), True
    )
    workloads = () if failure else (WorkloadOutcome("w", 1.0, (layer,)),)
    return PointOutcome(point, workloads, area_um2 and Area((("array", area_um2),), ""), failure)


FAST, FRUGAL, TINY = outcome(1000, 9e9, 4e6), outcome(4000, 2e9, 3e6), outcome(9000, 8e9, 1e6)


@pytest.mark.parametrize(
    ("objective", "order"),
    [
        ("time", (FAST, FRUGAL, TINY)),
        ("energy", (FRUGAL, TINY, FAST)),
        ("edp", (FRUGAL, FAST, TINY)),
        ("area", (TINY, FRUGAL, FAST)),
    ],
)
def test_the_objective_ranks(objective, order):
    study = replace(parse_study(STUDY), objective=objective, constraints=())
    assert study.ranked((TINY, FAST, FRUGAL)) == order


def test_without_an_area_nothing_is_best_by_area():
    study = replace(parse_study(STUDY), objective="area", constraints=())
    unknown = outcome(2000, 1e9)
    assert study.ranked((unknown, FAST)) == (FAST,)
    assert study.broken(unknown) == ("area_mm2 is not known, and is the objective",)
    reasoned = replace(unknown, no_area="nobody counted it")
    assert study.broken(reasoned) == ("area_mm2 is not known, and is the objective: nobody counted it",)
    (limit,) = (Constraint.parse("area_mm2 < 4"),)
    assert limit.broken_by(reasoned) == "area_mm2 is not known, and must be < 4: nobody counted it"


def test_the_energy_delay_product_is_in_joule_seconds():
    assert parse_study(STUDY.replace("energy", "edp")).score(FAST) == pytest.approx(1e-6 * 9e-3)


def test_constraints_take_points_out_of_the_ranking_and_say_why():
    limits = tuple(Constraint.parse(text) for text in ("area_mm2 < 4", "power_w <= 5000", "utilization > 0.0002"))
    study = replace(parse_study(STUDY), constraints=limits, objective="time")
    failed = outcome(1, 1.0, failure="nest 'gemm': no")
    unknown = outcome(2000, 1e9)
    assert study.ranked((FAST, FRUGAL, TINY, failed, unknown)) == (FRUGAL,)
    assert study.broken(FAST) == (
        "area_mm2 is 4, and must be < 4",
        "power_w is 9000, and must be <= 5000",
    )
    assert study.broken(TINY) == ("utilization is 0.0001111, and must be > 0.0002",)
    assert study.broken(failed) == ("nest 'gemm': no",)
    assert study.broken(unknown) == ("area_mm2 is not known, and must be < 4",)


FAULTS = [
    ("name: small", "name: 3d", "1:7: 'name' must be letters, digits and '_', starting with a letter, not '3d'"),
    (
        "objective: energy",
        "goal: energy",
        "17:1: the study: 'goal' is not a key; expected one of name, question, workloads, fixe"
        "d, axes, baselines, objective, constraints, strategy",
    ),
    (
        "objective: energy",
        "objective: speed",
        "17:12: 'objective': 'speed' is not known; expected one of time, energy, edp, area",
    ),
    ("network: alexnet", "network: alexnot", "6:15: network 'alexnot' is not known; did you mean 'alexnet'?"),
    ("weight: 2", "weight: -2", "6:32: a workload: 'weight': expected a number above 0, not '-2'"),
    (
        "{network: alexnet, weight: 2}",
        "{weight: 2}",
        "6:5: a workload: expected one of the keys 'network', 'rollout', 'model' and 'operators'",
    ),
    (
        "network: alexnet, ",
        "network: alexnet, batch: 2, ",
        "6:24: a workload: 'batch' is not for 'network', which takes network, weight",
    ),
    ("qwen2.5_3b", "gpt2", "7:15: network 'gpt2' is no decoder with a gated MLP: it has no 'mlp.gate_and_up'"),
    ("batch: 8", "batch: 0", "7:34: a workload: 'batch' must be an integer of at least 1, not '0'"),
    (
        'k=2048": 3',
        'k=2048": 0',
        "9:43: operator 'gemm:m=1,n=1000,k=2048': how often it runs must be an integer of at least 1, not '0'",
    ),
    ("gemm:m=1,n", "gemm:x=1,n", "9:17: gemm: 'x' is not a parameter; expected one of m, n, k, format"),
    ("array: 16x16", "array: 16*16", "10:16: setting 'array': '16*16': expected one to three sizes, as 16x16"),
    (
        "array: 16x16, ",
        "",
        "1:1: setting 'array' is neither fixed nor an axis; expected for example 'fixed: {array: 16x16}'",
    ),
    (
        "array: 16x16",
        "array: 16x16, buffer: 1KB",
        "13:3: setting 'buffer' is both fixed and an axis; expected one of them",
    ),
    (
        "technology: 28nm",
        "technology: 3nm",
        "10:35: setting 'technology': technology '3nm': not known; expected one of 7nm, 28nm, 45nm or a .toml file",
    ),
    (
        "off_chip: lpddr4",
        "off_chip: tape",
        "10:51: off-chip memory 'tape' is not known; expected one of lpddr4, ddr3, gddr6",
    ),
    (
        "[k-n+ic-oc, every]",
        "[k-n+ic-zz, every]",
        "12:15: dataflow 'ic-zz': no operator of the workloads has all of its loops",
    ),
    (
        "[k-n+ic-oc, every]",
        "[k n, every]",
        "12:15: setting 'dataflows': 'k n': expected the loops on the axes of each dataflow, as k-n+ic-oc, or 'every'",
    ),
    ("[k-n+ic-oc, every]", "[]", "12:14: axis 'dataflows' is empty; expected at least one value"),
    ("[k-n+ic-oc, every]", "[every, every]", "12:22: axis 'dataflows' has the value 'every' twice"),
    (
        "[k-n+ic-oc, every]",
        "{from: k-n, to: every, step: k-n}",
        "12:14: axis 'dataflows': a range is for numbers; expected a list of values",
    ),
    ("times: 2", "times: 1", "13:42: axis 'buffer': 'times' must be a number above 1"),
    ("from: 64KB", "from: 1MB", "13:11: axis 'buffer': the range has no value; expected 1 to 1000"),
    (
        "step: 8",
        "step: 0.001",
        "14:23: axis 'bandwidth_gb_per_s': the range has more than 1000 values; expected 1 to 1000",
    ),
    (
        "to: 24, step: 8",
        "to: 24",
        "14:23: axis 'bandwidth_gb_per_s': expected either 'times' or 'step' beside 'from' and 'to'",
    ),
    ("buffer: 256KB, ", "", "16:3: baseline 'fixed' does not say 'buffer', which is an axis; expected one value"),
    ("units <= 256", "units = 256", "18:15: constraint 'units = 256': expected a comparison, as 'area_mm2 <= 4'"),
    ("units <= 256", "unit <= 256", "18:15: constraint 'unit <= 256': 'unit' is not a quantity; did you mean 'units'?"),
    ("units <= 256", "units <= many", "18:15: constraint 'units <= many': expected a number above 0"),
    (
        "objective: energy",
        "strategy: {kind: grid, points: 3}",
        "17:24: 'strategy': 'points' is not for 'grid', which takes every point",
    ),
    (
        "objective: energy",
        "strategy: {kind: random}",
        "17:11: 'strategy': key 'points' is missing; expected for example 'points: 100' for 'random'",
    ),
    (
        "objective: energy",
        "strategy: {kind: anneal}",
        "17:18: 'strategy': 'kind': 'anneal' is not known; expected one of grid, random, optuna",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "says"), FAULTS, ids=[f"{new[:30]}-{n}" for n, (_, new, _) in enumerate(FAULTS)]
)
def test_a_mistake_is_named_with_its_place(old, new, says):
    assert STUDY.count(old) == 1
    with pytest.raises(SpecError) as caught:
        parse_study(STUDY.replace(old, new))
    assert str(caught.value) == f"study:{says}"


def test_all_mistakes_are_told_at_once():
    text = STUDY.replace("alexnet", "alexnot").replace("16x16", "0x1").replace("units <= 256", "units <= x")
    with pytest.raises(SpecError) as caught:
        parse_study(text)
    assert [fault.split(":")[1] for fault in caught.value.faults] == ["6", "10", "18"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read the file: no such file or directory"),
        (b"\xff\xfe", "the file is not text; expected YAML in UTF-8"),
        (b"# nothing\n", "1:1: the study is empty; expected a mapping with 'name', 'workloads', 'axes'"),
        (b"[1]", "1:1: the study must be a mapping of keys to values, not a list"),
        (b"a: [", "1:5: this is not YAML: expected the node content, but found '<stream end>'"),
    ],
)
def test_a_file_that_is_no_study(tmp_path, content, says):
    path = tmp_path / "study.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load_study(path)
    first = str(caught.value).splitlines()[0]
    assert first.removeprefix(f"{path}:").strip() == says


def test_a_technology_file_lies_beside_the_study(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("technology: 28nm", "technology: my.toml"))
    with pytest.raises(SpecError) as caught:
        load_study(path)
    where = tmp_path / "my.toml"
    assert str(caught.value) == (
        f"{path}:10:35: setting 'technology': technology '{where}': cannot be read: No such file or directory"
    )
