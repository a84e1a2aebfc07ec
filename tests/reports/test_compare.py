"""An accelerator against a GPU: rows by hand, fairness notes, the verbs, and every message."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from study_samples import POINT, header, outcomes
from typer.testing import CliRunner

from brickwork.cli import app
from reports.compare import CompareError, compare_with_gpu
from reports.compare_gpu import GpuFileError, read_gpu
from reports.exploration.evaluate import evaluate
from reports.exploration.outcome import PointOutcome
from reports.exploration.workload import StudyWorkload
from reports.study_page.results import read_results

MEASURED = Path(__file__).parents[2] / "sw_kernels" / "measurements"
GPU = MEASURED / "h200.json"


@cache
def product(number_format: str) -> PointOutcome:
    point = replace(POINT, format=number_format, array=(16, 16), buffer_bytes=1 << 17)
    return evaluate(point, (StudyWorkload("one", 1.0, (("gemm:m=4096,n=4096,k=4096", 2),)),))


def stored(folder: Path, *found: PointOutcome) -> Path:
    path = folder / "results.json"
    facts = {"study": header().name, "outcomes": [outcome.facts for outcome in found], "best": None}
    path.write_text(json.dumps(facts))
    return path


def test_row_by_hand() -> None:
    outcome = product("int8")
    layer = outcome.workloads[0].layers[0]
    (row,) = compare_with_gpu(outcome, read_gpu(GPU)).layers
    entries = {case["name"]: case for case in json.loads(GPU.read_text())["cases"]}
    # The fastest of both layouts and both kernels.
    times = [entries[n][key] for n in ("gemm-4096-int8", "gemm-4096-int8-columns") for key in ("sustained_us",)]
    times += [entries[n]["peer_time_us"] for n in ("gemm-4096-int8", "gemm-4096-int8-columns")]
    assert row.gpu_us == min(times)
    assert row.ops == 2 * 4096**3
    assert row.accelerator_us == pytest.approx(layer.cycles / 0.5 / 1e3)
    assert row.accelerator_of_peak == pytest.approx(layer.macs / layer.cycles / 256)
    assert row.gpu_of_peak == pytest.approx(row.ops / row.gpu_us / 1e6 / 1978.9)
    assert row.equal_bandwidth_us == pytest.approx(layer.array_cycles / 0.5 / 1e3)


def test_formats_are_not_mixed() -> None:
    (row,) = compare_with_gpu(product("bf16"), read_gpu(GPU)).layers
    assert row.case == "gemm-4096-bf16"
    four_bit = read_gpu(MEASURED / "h200_nvfp4.json")
    assert not any(case.kernel.endswith("bf16") for case in four_bit.cases if case.name.startswith("decode-"))


def test_unknown_gpu_is_not_normalized() -> None:
    gpu = replace(read_gpu(GPU), gpu="Some GPU", device=None)
    found = compare_with_gpu(product("int8"), gpu)
    assert found.layers[0].equal_bandwidth_us is None and found.layers[0].gpu_of_peak is None
    assert "peaks, bandwidth and area of Some GPU are not on file, so nothing is normalized" in found.notes


def test_nothing_in_common() -> None:
    with pytest.raises(CompareError) as caught:
        compare_with_gpu(outcomes()[0], read_gpu(GPU))
    assert str(caught.value) == (
        "no matrix product of the design is in the measurements of NVIDIA H200 with the same sizes and format; "
        "measured ones are gemm-4096-bf16, gemm-4096-fp16, gemm-4096-int8, gemm-4096-int8-columns, gemm-128-bf16, "
        "gemm-4608x12288x3072-bf16"
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
    path, out = stored(tmp_path, product("int8"), outcomes()[-1]), tmp_path / "study.html"
    assert read_results(path).outcomes == (product("int8"), outcomes()[-1])
    runner = CliRunner()
    shown = runner.invoke(app, ["compare", str(path), "--gpu", str(GPU)])
    assert shown.exit_code == 0
    machine = runner.invoke(app, ["compare", str(path), "--gpu", str(GPU), "--json"])
    assert json.loads(machine.stdout)["layers"][0]["case"] == "gemm-4096-int8-columns"
    written = runner.invoke(app, ["page", str(path), "--out", str(out), "--gpu", str(GPU)])
    assert written.exit_code == 0 and "NVIDIA H200" in out.read_text()
    (tmp_path / "bad.json").write_text('{"study": "x"}')
    wrong = runner.invoke(app, ["page", str(tmp_path / "bad.json"), "--out", str(tmp_path / "no.html")])
    assert (wrong.exit_code, wrong.stderr) == (
        1,
        f"brickwork: error: {tmp_path / 'bad.json'} holds no results; expected what an exploration writes\n",
    )
    assert not (tmp_path / "no.html").exists()
