"""Models by name, in files and as exported programs: what `map` makes of them, and what it says to mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brickwork.cli import app
from brickwork.models import ModelError, network_of
from workloads.networks import network_named

torch = pytest.importorskip("torch")

EXAMPLES = Path(__file__).parents[2] / "examples" / "models"
SMALL = f"{EXAMPLES / 'small_cnn.py'}:build"
MODEL = """\
import torch
from torch import nn


def bare():
    return nn.Linear(4, 3)


def broken():
    return nn.Linear(4, -3)


def number():
    return 3


def relu():
    return nn.ReLU(), (torch.zeros(2),)


class Spectrum(nn.Module):
    def forward(self, x):
        return torch.fft.rfft(x)


def spectrum():
    return Spectrum(), (torch.zeros(8),)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.py"
    path.write_text(MODEL, encoding="utf-8")
    return path


def test_names_files_and_programs(model: Path, tmp_path: Path) -> None:
    assert network_of("gpt2:tokens=8") == network_named("gpt2:tokens=8")
    assert network_of(f"{model}:bare", ("5x4",)).operators == (("gemm:m=5,n=3,k=4", 1),)
    saved = tmp_path / "small.pt2"
    module = torch.nn.Linear(6, 2)
    torch.export.save(torch.export.export(module, (torch.zeros(3, 6),)), saved)
    assert network_of(str(saved)).operators == (("gemm:m=3,n=2,k=6", 1),)


def test_map_takes_a_model() -> None:
    ran = CliRunner().invoke(app, ["map", SMALL, "--array", "4x4", "--json"], catch_exceptions=False)
    facts = json.loads(ran.stdout)
    assert ran.exit_code == 0
    # Convolution, depthwise, pointwise, classifier.
    assert facts["macs"] == 27 * 32 * 32**2 + 9 * 32 * 16**2 + 32 * 64 * 16**2 + 640
    assert facts["network"] == "SmallCnn"


@pytest.mark.parametrize(
    ("text", "inputs", "says"),
    [
        ("resnet5", (), "network 'resnet5' is not known; did you mean 'resnet50'?"),
        ("gpt2", ("1x3",), "--input is for torch models; 'gpt2' has its sizes in its name"),
        ("none.py:build", (), "none.py: there is no such file"),
        ("none.pt2", (), "none.pt2: there is no such file"),
        ("FILE.py", (), "'FILE.py' names no model; expected FILE.py:FACTORY, as model.py:build"),
        ("{}:none", (), "{}: there is no function or class 'none'"),
        ("{}:bare", (), "{}:bare comes without example inputs; give their shapes, as --input 1x3x224x224"),
        ("{}:bare", ("5,4",), "--input: expected sizes, as in --input 1x3x224x224, not '5,4'"),
        (
            "{}:broken",
            (),
            "{}: broken() raises RuntimeError: Trying to create tensor with negative dimension -3: [-3, 4] at line 10",
        ),
        ("{}:number", (), "{}: number() returns int; expected a torch.nn.Module, or one with its inputs"),
        ("{}:relu", (), "ReLU: nothing in it multiplies; expected at least one layer"),
        (
            "{}:spectrum",
            (),
            "Spectrum: operator 'fft_rfft (_fft_r2c)' in the module itself may multiply, and is in no layer; "
            "expected operators that 'brickwork show' counts",
        ),
    ],
)
def test_mistakes(text: str, inputs: tuple[str, ...], says: str, model: Path) -> None:
    with pytest.raises(ModelError) as caught:
        network_of(text.format(model), inputs)
    assert str(caught.value) == says.format(model)


def test_files_that_are_broken(tmp_path: Path) -> None:
    for name, text, says in (
        ("a.py", "x = 1\ny = x / 0\n", "importing it raises ZeroDivisionError: division by zero at line 2"),
        ("b.py", "def f(:\n", "importing it raises SyntaxError: invalid syntax (b.py, line 1) at line 1"),
    ):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ModelError) as caught:
            network_of(f"{path}:f")
        assert str(caught.value) == f"{path}: {says}"
    path = tmp_path / "c.pt2"
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError) as caught:
        network_of(str(path))
    assert str(caught.value) == f"{path}: expected a program that torch.export.save wrote"


def test_inputs_that_do_not_fit_are_one_line(model: Path) -> None:
    ran = CliRunner().invoke(app, ["map", f"{model}:bare", "--input", "5x6"], catch_exceptions=False)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert ran.stderr.startswith("brickwork: error: Linear: torch.export cannot export it: ")
    assert ran.stderr.count("\n") == 1
