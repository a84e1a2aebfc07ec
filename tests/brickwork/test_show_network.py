"""What `show` prints of networks and torch models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brickwork.cli import app

torch = pytest.importorskip("torch")

SMALL = f"{Path(__file__).parents[2] / 'examples' / 'models' / 'small_cnn.py'}:build"
ODD = """\
import torch


class Odd(torch.nn.Module):
    def forward(self, x):
        return torch.fft.rfft(x @ x).abs().sort()[0]


def build():
    return Odd(), (torch.zeros(8, 8),)
"""


def show(*arguments: str) -> tuple[int, str, str]:
    ran = CliRunner().invoke(app, ["show", *arguments], catch_exceptions=False)
    return ran.exit_code, ran.stdout, ran.stderr


def test_layers_of_a_model() -> None:
    status, out, _ = show(SMALL)
    assert status == 0
    assert (
        out
        == """\
SmallCnn, inputs 1x3x32x32: 1,483,392 products, 4,042 parameters
layer       operator                                                       times  products  parameters
stem.0      conv2d:n=1,oc=32,ic=3,h=32,w=32,kh=3,kw=3,stride=1,padding=1       1   884,736         896
depthwise   depthwise:n=1,c=32,h=32,w=32,kh=3,kw=3,stride=2,padding=1          1    73,728         320
pointwise   conv2d:n=1,oc=64,ic=32,h=16,w=16,kh=1,kw=1,stride=1,padding=0      1   524,288       2,112
classifier  gemm:m=1,n=10,k=64                                                 1       640         650
parameters outside the layers: normalisation 64

without products  times  elements   bytes
batch_norm            1    32,768  65,664
relu                  2    49,152  98,304
mean                  1    16,384  16,448
"""
    )


def test_totals_of_a_table() -> None:
    facts = json.loads(show("resnet50", "--json")[1])
    assert facts["macs"] == sum(layer["macs"] for layer in facts["layers"]) == 4_089_184_256
    assert facts["parameters"] == 25_557_032


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    path = tmp_path / "odd.py"
    path.write_text(ODD, encoding="utf-8")
    status, out, _ = show(f"{path}:build")
    assert status == 0
    assert out.splitlines()[-2:] == [
        "left out: fft_rfft (_fft_r2c), 1 times, in the module itself; it may multiply, so totals are too small",
        "left out: sort, 1 times, in the module itself; it does not multiply",
    ]


def test_options_of_one_nest() -> None:
    assert show("resnet50", "--space", "m=4") == (
        1,
        "",
        "brickwork: error: --space is about one nest; a network has many\n",
    )
