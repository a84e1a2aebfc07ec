"""An accelerator against a GPU: rows by hand, fairness notes, the verbs, and every message."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from study_samples import POINT, header, outcomes
from typer.testing import CliRunner

from brickwork.cli import app
from reports.compare import CompareError, compare_with_gpu
from reports.compare_gpu import GpuFileError, read_gpu, shipped_files
from reports.exploration.evaluate import evaluate
from reports.exploration.outcome import PointOutcome, WorkloadOutcome
from reports.exploration.workload import StudyWorkload
from reports.study_page.results import read_results

MEASURED = Path(__file__).parents[2] / "sw_kernels" / "measurements"
GPU = MEASURED / "h200.json"
LAYERS = (
    ("gemm:m=4096,n=4096,k=4096", 2),
    ("conv2d:n=32,oc=64,ic=64,h=56,w=56,kh=3,kw=3,stride=1,padding=1", 1),
    ("gemm:m=16,n=24,k=32", 3),
)


@cache
def outcome_in(number_format: str) -> PointOutcome:
    point = replace(POINT, format=number_format, array=(16, 16), buffer_bytes=1 << 17)
    spaces = (("m", "n"), ("oc", "ic"), ("n", "kb"))
    return evaluate(replace(point, spaces=spaces), (StudyWorkload("one", 1.0, LAYERS),))


@cache
def four_bit() -> PointOutcome:
    point = replace(POINT, format="nvfp4_weight", array=(16, 16), buffer_bytes=1 << 17, spaces=(("n", "kb"),))
    return evaluate(point, (StudyWorkload("token", 1.0, (("gemm:m=8,n=3584,k=3584", 2), ("gemm:m=7,n=64,k=64", 1))),))


def stored(folder: Path, *found: PointOutcome) -> Path:
    path = folder / "results.json"
    facts = {"study": header().name, "outcomes": [outcome.facts for outcome in found], "best": None}
    path.write_text(json.dumps(facts))
    return path


def entries(path: Path = GPU) -> dict[str, dict[str, float]]:
    return {case["name"]: case for case in json.loads(path.read_text())["cases"]}


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the H200's file that a function changed."""
    table = json.loads(GPU.read_text())
    change(table)
    path.write_text(json.dumps(table))
    return path


def test_row_by_hand() -> None:
    outcome = outcome_in("int8")
    layer = outcome.workloads[0].layers[0]
    row, convolution = compare_with_gpu(outcome, read_gpu(GPU)).layers
    assert convolution.case == "conv3x3-64ch-56-n32-int8"
    # The fastest of both layouts and both kernels.
    names = ("gemm-4096-int8", "gemm-4096-int8-columns")
    times = [entries()[name]["sustained_us"] for name in names]
    times += [entries()[name].get("peer_sustained_us", entries()[name]["peer_time_us"]) for name in names]
    assert row.gpu_us == min(times)
    assert row.ops == 2 * 4096**3
    assert row.accelerator_us == pytest.approx(layer.cycles / 0.5 / 1e3)
    assert row.accelerator_of_peak == pytest.approx(layer.macs / layer.cycles / 256)
    assert row.gpu_of_peak == pytest.approx(row.ops / row.gpu_us / 1e6 / 1978.9)
    assert row.equal_bandwidth_us == pytest.approx(layer.array_cycles / 0.5 / 1e3)
    assert row.facts["gpu_pj_per_op"] == pytest.approx(row.gpu_j / 2 / 4096**3 * 1e12)


def test_without_idle_power_there_is_no_energy_without_it(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "no.json", lambda table: table["provenance"].pop("idle_power_w", None))
    found = compare_with_gpu(outcome_in("int8"), read_gpu(path))
    assert found.layers[0].gpu_without_idle_j is None and found.workloads[0].gpu_without_idle_j is None
    says = "board energy from NVML with idle power; idle power was not measured, so there is no energy without it"
    assert any(note.startswith("NVIDIA H200, no.json: ") and note.endswith(says) for note in found.notes)


def test_every_kind_of_layer_is_found_in_its_format() -> None:
    found = compare_with_gpu(outcome_in("bf16"), read_gpu(GPU))
    assert [row.case for row in found.layers] == ["gemm-4096-bf16", "conv3x3-64ch-56-n32-bf16"]
    assert [layer.operator for layer in found.unmeasured] == ["gemm:m=16,n=24,k=32,format=bf16"]


def test_layers_that_were_not_measured_stand_beside_what_is_published() -> None:
    outcome = outcome_in("bf16")
    (layer,) = compare_with_gpu(outcome, read_gpu(GPU)).unmeasured
    # 16 bits in and out at 4800 GB/s take longer than 24,576 operations at 989.4 Top/s.
    assert layer.gpu_least_us == pytest.approx(2 * (16 * 32 + 32 * 24 + 16 * 24) / 4800e3)
    large = replace(outcome, workloads=(replace(outcome.workloads[0], layers=outcome.workloads[0].layers[:1]),))
    (work,) = compare_with_gpu(large, read_gpu(GPU)).workloads
    assert work.gpu_least_us == pytest.approx(2 * 2 * 4096**3 / 989.4e6)


def test_published_limits_are_no_more_than_what_was_measured() -> None:
    for outcome in (outcome_in("bf16"), outcome_in("int8"), four_bit()):
        for row in compare_with_gpu(outcome, read_gpu(GPU, MEASURED / "h200_nvfp4.json")).layers:
            alone = PointOutcome(outcome.point, (replace_layers(outcome, row.operator),), None)
            (work,) = compare_with_gpu(alone, read_gpu(GPU)).workloads
            assert work.gpu_least_us is not None
            assert work.gpu_least_us < row.gpu_us


def replace_layers(outcome: PointOutcome, operator: str) -> WorkloadOutcome:
    (work,) = outcome.workloads
    return replace(work, layers=tuple(replace(one, times=1) for one in work.layers if one.operator == operator))


def test_guards_leave_what_is_written_as_the_limit() -> None:
    point = replace(POINT, spaces=(("q", "k"),))
    layers = (("attention_scores:h=2,q=16,k=16,d=8,causal=1", 1),)
    found = compare_with_gpu(evaluate(point, (StudyWorkload("one", 1.0, layers),)), read_gpu(GPU))
    assert found.unmeasured[0].gpu_least_us == pytest.approx(2 * 16 * 16 / 4800e3)


def test_sums_of_a_workload_by_hand() -> None:
    outcome = outcome_in("bf16")
    found = compare_with_gpu(outcome, read_gpu(GPU))
    (work,), (product, image) = found.workloads, found.layers
    small = 2 * 16 * 24 * 32
    assert work.measured_share == pytest.approx(1 - 3 * small / (2 * product.ops + image.ops + 3 * small))
    assert work.gpu_us == pytest.approx(2 * product.gpu_us + image.gpu_us)
    assert work.gpu_j == pytest.approx(2 * product.gpu_j + image.gpu_j)
    assert work.accelerator_j == pytest.approx(2 * product.accelerator_j + image.accelerator_j)
    assert work.all_j == pytest.approx(outcome.energy_j)
    assert work.all_us == pytest.approx(outcome.time_s * 1e6)


def test_four_bit_weights_are_found_and_bf16_does_not_count() -> None:
    path = MEASURED / "h200_nvfp4.json"
    found = compare_with_gpu(four_bit(), read_gpu(GPU, path))
    (row,) = found.layers
    case = entries(path)["decode-qkv-m8"]
    assert (row.operator, row.case, row.file) == (
        "nvfp4_weight_gemm:m=8,n=3584,k=3584",
        "decode-qkv-m8",
        "h200_nvfp4.json",
    )
    assert (row.gpu_us, row.gpu_j, row.kernel) == (
        case["sustained_us"],
        case["energy_j"],
        "Brickwork's Triton kernel",
    )
    assert row.gpu_elsewhere == f"cublas bf16: {case['peer_sustained_us']:.2f} us, {case['peer_energy_j'] * 1e3:.4g} mJ"
    # Weights are decoded, so that the peak is that of bf16.
    assert row.gpu_of_peak == pytest.approx(2 * 8 * 3584**2 / row.gpu_us / 1e6 / 989.4)


def test_products_with_a_branch_are_other_work(tmp_path: Path) -> None:
    row = entries(MEASURED / "h200_nvfp4.json")["decode-qkv-m8"] | {"rank": 32}
    gpu = read_gpu(rewritten(tmp_path / "branch.json", lambda table: table.update(cases=[row])))
    assert [case.work for case in gpu.cases] == [None]
    cases = {case.name: case for case in read_gpu(MEASURED / "h200_nvfp4.json").cases}
    assert cases["decode-down-m8"].work is not None
    assert all(case.work is None for name, case in cases.items() if "lora" in name)


def test_files_that_name_their_operators(tmp_path: Path) -> None:
    operator = "conv2d:n=32,oc=64,ic=64,h=56,w=56,kh=3,kw=3,stride=1,padding=1"
    row = {
        "name": "ours",
        "operator": operator,
        "format": "int8",
        "flop": 2,
        "bytes": 3,
        "time_us": 5,
        "energy_j": 0.001,
    }

    def change(table: dict[str, Any]) -> None:
        table["cases"].append(row | {"peer": "cudnn bf16", "peer_time_us": 1, "peer_energy_j": 0.0001})
        table["provenance"]["idle_power_w"] = 80.0

    gpu = read_gpu(rewritten(tmp_path / "named.json", change))
    found = compare_with_gpu(outcome_in("int8"), gpu)
    by_name = {layer.case: layer for layer in found.layers}
    assert (by_name["ours"].gpu_us, by_name["ours"].kernel) == (5, "Brickwork's Triton kernel")
    assert by_name["ours"].gpu_without_idle_j == pytest.approx(0.001 - 80 * 5e-6)
    (work,) = found.workloads
    assert work.gpu_without_idle_j == pytest.approx(work.gpu_j - 80 * work.gpu_us / 1e6)
    assert any(note.endswith("board energy from NVML with idle power; idle power 80 W") for note in found.notes)


def test_unknown_gpu_is_not_normalized() -> None:
    gpu = replace(read_gpu(GPU), gpu="Some GPU", device=None)
    found = compare_with_gpu(outcome_in("int8"), gpu)
    assert found.layers[0].equal_bandwidth_us is None and found.layers[0].gpu_of_peak is None
    assert found.unmeasured[0].gpu_least_us is None and found.workloads[0].gpu_least_us is None
    assert "peaks, bandwidth and area of Some GPU are not on file, so nothing is normalized" in found.notes


def test_a_failed_design_has_nothing_to_compare() -> None:
    with pytest.raises(CompareError) as caught:
        compare_with_gpu(outcomes()[-1], read_gpu(GPU))
    failed = outcomes()[-1]
    assert str(caught.value) == f"the design {failed.point} has no mapping to compare: {failed.failure}"


def test_files_of_two_gpus(tmp_path: Path) -> None:
    other = rewritten(tmp_path / "other.json", lambda table: table.update(gpu="Other GPU"))
    with pytest.raises(GpuFileError) as caught:
        read_gpu(GPU, other)
    assert str(caught.value) == f"{other} is of Other GPU and {GPU} of NVIDIA H200; expected files of one GPU"


def test_an_operator_that_is_none(tmp_path: Path) -> None:
    row = {"name": "x", "operator": "gem:m=4", "format": "int8", "flop": 1, "bytes": 1, "time_us": 1, "energy_j": 1}
    path = rewritten(tmp_path / "bad.json", lambda table: table["cases"].append(row))
    with pytest.raises(GpuFileError) as caught:
        read_gpu(path)
    assert str(caught.value) == (
        f"{path}: case 'x', operator 'gem:m=4' in 'int8': 'gem' is neither a spec file nor in the "
        "library; did you mean 'gemm'?"
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "{}: there is no such file; expected measurements of `brickwork bench`"),
        ("no", "{} is not JSON; expected measurements of `brickwork bench`"),
        ("[]", "{} is no measurement file; expected what `brickwork bench` writes"),
    ],
)
def test_gpu_file_rejects(tmp_path: Path, content: str | None, says: str) -> None:
    path = tmp_path / "gpu.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(GpuFileError) as caught:
        read_gpu(path)
    assert str(caught.value) == says.format(path)


def test_verbs(tmp_path: Path) -> None:
    path, out = stored(tmp_path, outcome_in("int8"), outcomes()[-1]), tmp_path / "study.html"
    assert read_results(path).outcomes == (outcome_in("int8"), outcomes()[-1])
    runner = CliRunner()
    shown = runner.invoke(app, ["compare", str(path), "--gpu", str(GPU)])
    assert shown.exit_code == 0
    assert "  accelerator                modelled  " in shown.stdout
    assert f"GPU measurements from {GPU} (NVIDIA H200)" in shown.stdout.splitlines()
    machine = runner.invoke(app, ["compare", str(path), "--gpu", str(GPU), "--json"])
    assert json.loads(machine.stdout)["layers"][0]["case"] == "gemm-4096-int8-columns"
    written = runner.invoke(app, ["page", str(path), "--out", str(out), "--gpu", str(GPU), "--figures", "pdf"])
    assert written.exit_code == 0 and "NVIDIA H200" in out.read_text()
    names = sorted(path.name for path in tmp_path.glob("study*"))
    assert names == ["study.html", "study_energy.pdf", "study_pareto.pdf", "study_utilization.pdf"]


def test_the_measurements_that_come_with_brickwork_are_the_default(tmp_path: Path) -> None:
    names = [path.name for path in shipped_files()]
    assert {"h200.json", "h200_nvfp4.json"} <= set(names)
    ran = CliRunner().invoke(app, ["compare", str(stored(tmp_path, outcome_in("int8")))])
    assert ran.stdout.splitlines()[-1] == (
        f"GPU measurements that come with Brickwork, as --gpu names none: {', '.join(names)} (NVIDIA H200)"
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("page", "BAD"), "BAD holds no results; expected what an exploration writes"),
        (("compare", "BAD"), "BAD holds no results; expected what an exploration writes"),
        (("page", "none.json"), "none.json: there is no such file; expected the results of an exploration"),
        (("compare", "none.yaml"), "none.yaml: cannot read the file: no such file or directory"),
        (("page", "GOOD", "--figures", "gif"), "--figures: expected one of svg, pdf, png, not 'gif'"),
        (
            ("page", "GOOD", "--gpu", "none.json"),
            "none.json: there is no such file; expected measurements of `brickwork bench`",
        ),
        (("compare", "GOOD", "--gpu", "GOOD"), "GOOD is no measurement file; expected what `brickwork bench` writes"),
        (("compare", "GOOD", "--store", "x"), "--store is for a study file (.yaml), not for GOOD"),
        (("compare", "FAILED"), "study 'small study': no design could be evaluated, so there is no best one"),
        (("page", "GOOD", "--out", "FOLDER"), "cannot write FOLDER: it is a folder"),
    ],
)
def test_mistakes(options: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, folder = stored(tmp_path, outcome_in("int8")), tmp_path / "folder"
    (tmp_path / "bad.json").write_text('{"study": "x"}')
    folder.mkdir()
    failed = stored(folder, outcomes()[-1])
    for word, path in (("BAD", tmp_path / "bad.json"), ("GOOD", good), ("FAILED", failed), ("FOLDER", folder)):
        options = tuple(str(path) if option == word else option for option in options)
        says = says.replace(word, str(path))
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(app, list(options), catch_exceptions=False)
    assert (ran.exit_code, ran.stdout, ran.stderr) == (1, "", f"brickwork: error: {says}\n")
    assert sorted(tmp_path.rglob("*")) == before
