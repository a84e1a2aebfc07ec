"""Studies of torch models and networks: in a file, written for them, and every mistake with its line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import brickwork
from brickwork.cli import app
from brickwork.studies import study_for, study_name
from reports.exploration.study_file import load_study, parse_study
from workloads.errors import SpecError
from workloads.networks import network_named

torch = pytest.importorskip("torch")

EXAMPLES = Path(__file__).parents[2] / "examples" / "models"
MODEL = """\
import torch
from torch import nn


def line():
    return nn.Linear(4, 3)


def pair():
    return nn.Bilinear(4, 3, 2)


def tokens():
    return nn.Sequential(nn.Embedding(9, 6), nn.Linear(6, 2))


def broken():
    return nn.Linear(4, -3)


class Spectrum(nn.Module):
    def forward(self, x):
        return torch.fft.rfft(x)


def spectrum():
    return Spectrum(), (torch.zeros(8),)
"""
STUDY = """\
name: own
workloads:
  - {MODEL}
fixed: {bandwidth_gb_per_s: 8, array: 4x4, buffer: 4KB}
axes: {dataflows: [k-n, m-n]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model.py").write_text(MODEL)
    return tmp_path


def written(folder: Path, model: str) -> Path:
    path = folder / "own.yaml"
    path.write_text(STUDY.replace("{MODEL}", f"{{{model}}}"))
    return path


def test_files_and_programs_stand_beside_the_study(folder: Path) -> None:
    torch.export.save(torch.export.export(torch.nn.Linear(6, 2), (torch.zeros(3, 6),)), folder / "models" / "saved.pt2")
    for model, name, operators, weight in (
        ("model: models/model.py:line, input: 5x4, weight: 2", "Linear, inputs 5x4", (("gemm:m=5,n=3,k=4", 1),), 2),
        ("model: models/saved.pt2", "saved, inputs 3x6", (("gemm:m=3,n=2,k=6", 1),), 1),
        (
            "model: models/model.py:tokens, input: [2x5], input_dtype: int64",
            "Sequential, inputs 2x5",
            (("gemm:m=10,n=2,k=6", 1),),
            1,
        ),
    ):
        (workload,) = brickwork.load_study(written(folder, model)).workloads
        assert (workload.name, workload.operators, workload.weight) == (name, operators, weight)


def test_processes_explore_a_model(folder: Path) -> None:
    path, out = written(folder, "model: models/model.py:line, input: 5x4"), folder / "out"
    options = ["explore", str(path), "--jobs", "2", "--out", str(out), "--json"]
    facts = json.loads(CliRunner().invoke(app, options, catch_exceptions=False).stdout)
    assert (facts["points"], facts["failed"]) == (2, 0)
    (workload,) = json.loads((out / "results.json").read_text())["outcomes"][0]["workloads"]
    assert workload["layers"][0]["macs"] == 5 * 4 * 3


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("model: none.py:build", "3:13: {}/none.py: there is no such file"),
        ("model: models/none.pt2", "3:13: {}/models/none.pt2: there is no such file"),
        (
            "model: models/model.py",
            "3:13: '{}/models/model.py' names no model; expected FILE.py:FACTORY, as model.py:build",
        ),
        ("model: resnet50", "3:13: '{}/resnet50' names no model; expected FILE.py:FACTORY, as model.py:build"),
        ("model: models/model.py:nine", "3:13: {}/models/model.py: there is no function or class 'nine'"),
        (
            "model: models/model.py:line",
            "3:13: {}/models/model.py:line comes without example inputs; give their shapes, as 'input: 1x3x224x224'",
        ),
        (
            "model: models/model.py:line, input: 5*4",
            "3:13: 'input': expected sizes, as in 'input: 1x3x224x224', not '5*4'",
        ),
        (
            "model: models/model.py:line, input: 5x3",
            "3:13: Linear: torch.export cannot export it: RuntimeError: ",
        ),
        (
            "model: models/model.py:line, input: 5x4, input_dtype: int3000",
            "3:13: 'input_dtype': expected a type of torch such as float32 or int64, not 'int3000'",
        ),
        (
            "model: models/model.py:broken",
            "3:13: {}/models/model.py: broken() raises RuntimeError: Trying to create tensor with negative "
            "dimension -3: [-3, 4] at line 18",
        ),
        (
            "model: models/model.py:spectrum",
            "3:13: Spectrum: operator 'fft_rfft (_fft_r2c)' in the module itself may multiply, and is in no layer; "
            "expected operators that 'brickwork show' counts",
        ),
        (
            "model: models/model.py:line, inputs: 5x4",
            "3:35: a workload: 'inputs' is not a key; did you mean 'input'?",
        ),
        (
            "model: models/model.py:line, input: 5x4, batch: 2",
            "3:47: a workload: 'batch' is not for 'model', which takes model, input, input_dtype, weight",
        ),
        (
            "model: models/model.py:line, network: alexnet",
            "3:5: a workload: expected one of the keys 'network', 'rollout', 'model' and 'operators'",
        ),
        ("model: models/model.py:line, input: {a: 1}", "3:42: a workload: 'input' must be text, not a mapping"),
    ],
)
def test_mistakes_in_a_study(model: str, says: str, folder: Path) -> None:
    path = written(folder, model)
    ran = CliRunner().invoke(app, ["explore", str(path), "--out", str(folder / "out")], catch_exceptions=False)
    (first,) = ran.stderr.splitlines()
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert first == f"brickwork: error: {path}:{says.format(folder)}" or (
        says.endswith(": ") and first.startswith(f"brickwork: error: {path}:{says}")
    )
    assert not (folder / "out").exists()


def test_without_a_reader_of_models_it_says_who_reads_them(folder: Path) -> None:
    path = written(folder, "model: models/model.py:line, input: 5x4")
    with pytest.raises(SpecError) as caught:
        load_study(path)
    assert caught.value.faults == (
        f"{path}:3:13: model '{folder}/models/model.py:line': models are read by 'brickwork explore' and "
        "brickwork.load_study",
    )


def test_torch_is_only_imported_where_a_study_names_a_model(folder: Path) -> None:
    path = written(folder, "network: 'gpt2:tokens=8'")
    program = f"import sys, brickwork; brickwork.load_study({str(path)!r}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("text", "flows"),
    [
        ("alexnet", ["ic-oc+k-n", "oc-ow+m-n"]),
        ("mobilenet_v2", ["ic-oc+c-ow+k-n", "oc-ow+oh-ow+m-n"]),
        ("gpt2:tokens=8", ["k-n+d-k", "m-n+q-k+q-d"]),
    ],
)
def test_a_written_study_suits_its_network(text: str, flows: list[str], tmp_path: Path) -> None:
    network = network_named(text)
    study = parse_study(study_for(network, text, tmp_path))
    assert [workload.operators for workload in study.workloads] == [network.operators]
    found = ["+".join("-".join(space) for space in spaces) for spaces in dict(study.axes)["dataflows"]]
    assert found[:2] == flows
    assert len(study.points()) == 12 and len(study.baselines) == 1


def test_block_scaled_formats_have_dataflows_too(tmp_path: Path) -> None:
    study = parse_study(study_for(network_named("gpt2:tokens=8"), "gpt2:tokens=8", tmp_path, number_format="nvfp4"))
    assert study.fixed["format"] == "nvfp4"
    assert ("kb", "n") in dict(study.axes)["dataflows"][0]


def test_a_name_for_any_network() -> None:
    assert study_name(network_named("gpt2:tokens=8")) == "gpt2"
    assert study_name(network_named("qwen2.5_0.5b")) == "qwen2_5_0_5b"


def test_a_model_gets_a_study_that_is_never_overwritten(tmp_path: Path) -> None:
    model, out = f"{EXAMPLES / 'small_cnn.py'}:build", tmp_path / "out"
    options = ["explore", model, "--input", "1x3x8x8", "--out", str(out), "--jobs", "1", "--limit", "1"]
    runner = CliRunner()
    first = runner.invoke(app, options, catch_exceptions=False)
    assert first.stdout.startswith("SmallCnn: 1 points, 0 failed")
    text = (out / "study.yaml").read_text()
    (workload,) = brickwork.load_study(out / "study.yaml").workloads
    assert workload.name == "SmallCnn, inputs 1x3x8x8"
    assert runner.invoke(app, options, catch_exceptions=False).stdout == first.stdout
    (out / "study.yaml").write_text(text.replace("64KB, 256KB", "32KB"))
    again = runner.invoke(app, options, catch_exceptions=False)
    path = out / "study.yaml"
    says = f"{path} is another study than this command writes; run 'brickwork explore {path}', or give another --out"
    assert (again.exit_code, again.stdout, again.stderr) == (1, "", f"brickwork: error: {says}\n")
    assert "32KB" in (out / "study.yaml").read_text()
    found = runner.invoke(app, ["compare", str(out / "study.yaml"), "--store", str(out), "--json"])
    assert [work["name"] for work in json.loads(found.stdout)["workloads"]] == ["SmallCnn, inputs 1x3x8x8"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("resnet5",), "'resnet5' is neither a study file nor a network; did you mean 'resnet50'?"),
        (("resnet50", "--format", "int7"), "--format int7: it is not known; did you mean 'int4'?"),
        (("resnet50", "--input", "1x3x8x8"), "--input is for torch models; 'resnet50' has its sizes in its name"),
        (("STUDY", "--input", "1x3"), "--input is for networks that have no study yet; STUDY says it itself"),
        (("STUDY", "--format", "bf16"), "--format is for networks that have no study yet; STUDY says it itself"),
        (
            ("STUDY", "--gpu", "none.json"),
            "none.json: there is no such file; expected measurements of `brickwork bench`",
        ),
        (("MODEL.py",), "'MODEL.py' names no model; expected FILE.py:FACTORY, as model.py:build"),
        (("MODEL.py:line",), "MODEL.py:line comes without example inputs; give their shapes, as --input 1x3x224x224"),
        (("MODEL.py:pair", "--input", "5x4"), "Bilinear: torch.export cannot export it: TypeError: "),
    ],
)
def test_mistakes_on_the_command_line(
    options: tuple[str, ...], says: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = written(folder, "network: alexnet")
    for word, path in (("STUDY", study), ("MODEL", folder / "models" / "model")):
        options = tuple(option.replace(word, str(path)) for option in options)
        says = says.replace(word, str(path))
    monkeypatch.chdir(folder)
    before = sorted(path for path in folder.rglob("*") if "__pycache__" not in str(path))
    ran = CliRunner().invoke(app, ["explore", *options], catch_exceptions=False)
    assert (ran.exit_code, ran.stdout) == (1, "")
    (line,) = ran.stderr.splitlines()
    assert line == f"brickwork: error: {says}" or (says.endswith(": ") and line.startswith(f"brickwork: error: {says}"))
    assert sorted(path for path in folder.rglob("*") if "__pycache__" not in str(path)) == before
