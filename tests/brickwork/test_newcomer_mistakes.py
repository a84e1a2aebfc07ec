"""The first mistakes with map, explore, compare and a torch model: one sentence that says what to do instead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import brickwork
from brickwork.cli import app

STUDY = """\
name: mine
workloads:
  - {network: resnet50}
fixed: {bandwidth_gb_per_s: 16, dataflows: k-n+ic-oc, array: 4x4}
axes: {buffer: [64KB, 256KB]}
"""
SPEC = """\
name: product
loops: {m: 8, n: 8, k: 8}
body: C[m, n] += A[m, k] * B[k, n]
formats: {C: int32, A: int8, B: int8}
"""
MODEL = """\
import torch
from torch import nn


class Branch(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x):
        print("in forward")
        return self.linear(x) if x.sum() > 0 else x


def branch():
    return Branch(), (torch.zeros(5, 4),)


def wrong():
    return nn.Linear(4, 3), (torch.zeros(5, 6),)


def tensor():
    return nn.Linear(4, 3), torch.zeros(5, 4)


def listed():
    return nn.Linear(4, 3), [torch.zeros(5, 4)]


def nothing():
    return nn.Linear(4, 3), None
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "key.yaml").write_text(STUDY.replace("fixed", "fixd"))
    (tmp_path / "network.yaml").write_text(STUDY.replace("resnet50", "resnet5"))
    (tmp_path / "negative.yaml").write_text(STUDY.replace("16,", "-16,"))
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "other.json").write_text("{}")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("explore key.yaml", "key.yaml:4:1: the study: 'fixd' is not a key; did you mean 'fixed'?"),
        ("explore network.yaml", "network.yaml:3:15: network 'resnet5' is not known; did you mean 'resnet50'?"),
        (
            "explore negative.yaml",
            "negative.yaml:4:29: setting 'bandwidth_gb_per_s': '-16': expected a number above 0",
        ),
        ("explore none.yaml", "none.yaml: cannot read the file: no such file or directory"),
        ("explore resnet5", "'resnet5' is neither a study file nor a network; did you mean 'resnet50'?"),
        (
            "explore gemm:m=4",
            "gemm:m=4 is one nest; expected a study file or a network, or run: brickwork map gemm:m=4",
        ),
        (
            "explore spec.yaml",
            "spec.yaml is one nest; expected a study file or a network, or run: brickwork map spec.yaml",
        ),
        (
            "map study.yaml",
            "study.yaml is a study of many designs; expected one nest, or run: brickwork explore study.yaml",
        ),
        ("map none.yaml", "none.yaml: cannot read the file: no such file or directory"),
        ("map gemm --bandwidth -3", "machine: the off-chip bandwidth must be more than 0 bytes a cycle, not -3"),
        ("compare none.json", "none.json: there is no such file; expected the results of an exploration"),
        ("compare other.json", "other.json holds no results; expected what an exploration writes"),
        (
            "compare resnet50",
            "resnet50 has no results by itself; run: brickwork explore resnet50, then give the results.json that it "
            "writes",
        ),
        (
            "page model.py:tensor",
            "model.py:tensor has no results by itself; run: brickwork explore model.py:tensor, then give the "
            "results.json that it writes",
        ),
    ],
)
def test_command(command: str, says: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = CliRunner().invoke(app, command.split(), catch_exceptions=False)
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"brickwork: error: {says}\n")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        (
            "listed",
            "model.py: listed() returns a module with list; expected its example inputs as a tuple, or one tensor",
        ),
        ("nothing", "model.py:nothing comes without example inputs; give their shapes, as --input 1x3x224x224"),
    ],
)
def test_model(factory: str, says: str) -> None:
    pytest.importorskip("torch")
    done = CliRunner().invoke(app, ["map", f"model.py:{factory}"], catch_exceptions=False)
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"brickwork: error: {says}\n")


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("wrong", "Linear: torch.export cannot export it: RuntimeError: a and b must have same reduction dim, "),
        ("branch", "Branch: torch.export cannot export it: GuardOnDataDependentSymNode: "),
    ],
)
def test_torch_itself_says_nothing(factory: str, says: str) -> None:
    """In a process of its own: torch writes to the error output that it found when it was imported."""
    pytest.importorskip("torch")
    command = [sys.executable, "-m", "brickwork.cli", "map", f"model.py:{factory}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"brickwork: error: {says}")
    assert done.stderr.count("\n") == 1


def test_one_tensor_is_enough() -> None:
    torch = pytest.importorskip("torch")
    product = (("gemm:m=5,n=3,k=4", 1),)
    assert brickwork.from_torch(torch.nn.Linear(4, 3), torch.zeros(5, 4)).operators == product
    done = CliRunner().invoke(app, ["show", "model.py:tensor", "--json"], catch_exceptions=False)
    assert (done.exit_code, product[0][0] in done.stdout) == (0, True)
