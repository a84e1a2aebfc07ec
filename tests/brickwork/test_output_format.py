"""The option and spec key that quantize a design's results: what the verbs print and write, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import brickwork as api
from brickwork.cli import app
from workloads.formats import BLOCK_FORMATS
from workloads.formats.encoding import FP32
from workloads.formats.exact import rounded_once
from workloads.formats.quantize import encode_multiplier, quantize
from workloads.interpreter import run_points
from workloads.spec import load

GEMM = "gemm:m=3,n=32,k=4"
ODD = "gemm:m=6,n=5,k=7"
ARRAY = ("--space", "m=2,n=2")
ICARUS = (*ARRAY, "--simulator", "icarus")
QUANTIZED = (GEMM, *ICARUS, "--output-format", "nvfp4", "--alpha", "0.03")


def said(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_simulate_with_quantized_results(tmp_path: Path) -> None:
    path = tmp_path / "out.npz"
    facts = json.loads(said("simulate", *QUANTIZED, "--outputs", str(path), "--json"))
    assert facts["match"]
    assert facts["cycles"]["predicted"] == facts["cycles"]["simulated"]
    assert facts["output_format"] == "nvfp4"
    nest = load(GEMM).nest
    totals = run_points(nest, api.inputs_for(nest, None, 0)).astype(np.int64)
    values = rounded_once(totals, np.float32(0.03), 0, FP32)
    expected = quantize(values, BLOCK_FORMATS["nvfp4"])
    assert facts["multiplier"] == float(encode_multiplier(np.abs(values).max()))
    with np.load(path) as archive:
        assert (archive["O"] == expected.codes).all()
        assert (archive["O_scales"] == expected.scale_codes).all()
    assert f"results in nvfp4: 58 bytes, multiplier {facts['multiplier']:g}" in said("simulate", *QUANTIZED)


def test_spec_file_names_the_output_format(tmp_path: Path) -> None:
    path = tmp_path / "gemm.yaml"
    path.write_text(f"{load(GEMM)}output_format: mxfp4\n", encoding="utf-8")
    assert str(load(path)) == path.read_text(encoding="utf-8")
    made = json.loads(said("generate", str(path), *ARRAY, "-o", str(tmp_path), "--json"))
    manifest = json.loads(Path(made["manifest"]).read_text(encoding="utf-8"))
    assert manifest["post"]["format"] == "mxfp4"
    other = json.loads(said("simulate", str(path), *ICARUS, "--output-format", "int4_g16", "--json"))
    assert other["output_format"] == "int4_g16"
    ran = json.loads(said("report", str(path), *ICARUS, "-o", str(tmp_path), "--json"))
    assert "results quantized" in Path(ran["report"]).read_text(encoding="utf-8")


KNOWN = "expected one of nvfp4, mxfp4, int4_g16, int4_g32, int4_g64, int4_g128"
MISTAKES = (
    (("generate", ODD, *ARRAY, "--output-format", "fp4"), f"output format 'fp4' is not known; {KNOWN}"),
    (
        ("simulate", ODD, *ICARUS, "--output-format", "mxfp4"),
        "output format 'mxfp4': tensor 'O' has 5 elements along its last dimension; "
        "expected a multiple of the block, 32",
    ),
    (
        ("generate", GEMM, *ARRAY, "--quantizers", "1"),
        "quantizers: expected an output format (--output-format) that they make",
    ),
    (
        ("generate", GEMM, *ARRAY, "--output-format", "nvfp4", "--quantizers", "3"),
        "3 quantizers: expected a divisor of the 2 groups of output banks",
    ),
    (
        ("simulate", GEMM, *ICARUS, "--multiplier", "2"),
        "--alpha and --multiplier: expected --output-format beside them, to quantize results",
    ),
    (
        ("simulate", GEMM, *ICARUS, "--output-format", "nvfp4", "--multiplier", "-2"),
        "multiplier -2: expected 2**-100 to 2**100",
    ),
)


@pytest.mark.parametrize(("arguments", "says"), MISTAKES)
def test_mistakes(arguments: tuple[str, ...], says: str) -> None:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"brickwork: error: {says}\n"
