"""The verb ``synth``: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brickwork.cli import app

GEMM = ("synth", "gemm:m=4,n=4,k=4", "--space", "m=2,n=2")


def test_prints_modules_and_writes_files(tmp_path: Path) -> None:
    table = CliRunner().invoke(app, [*GEMM])
    done = CliRunner().invoke(app, [*GEMM, "--json", "-o", str(tmp_path)])
    facts = json.loads(done.stdout)
    assert (table.exit_code, done.exit_code) == (0, 0)
    assert sum(m["instances"] for m in facts["modules"] if "_fu_" in m["name"]) == 4
    assert facts["area_um2"] == sum(m["instances"] * m["area_um2"] for m in facts["modules"])
    assert f"{facts['area_um2']:,.0f}" in table.stdout
    assert json.loads((tmp_path / "gemm_m_n.synthesis.json").read_text()) == facts
    assert "module gemm_m_n(" in (tmp_path / "gemm_m_n.mapped.v").read_text()


def test_library_that_is_not_there(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [*GEMM, "--liberty", str(tmp_path / "x.lib"), "-o", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert done.stderr == f"brickwork: error: cell library '{tmp_path / 'x.lib'}': No such file or directory\n"
    assert not (tmp_path / "out").exists()


def test_power_of_a_small_run() -> None:
    done = CliRunner().invoke(app, [*GEMM, "--power", "--size", "m=2,n=3,k=4", "--json"])
    facts = json.loads(done.stdout)["power"]
    assert done.exit_code == 0
    assert set(facts["components"]) == {"wiring", "functional units", "banks' ports", "control"}
    assert facts["pj_per_cycle"] > 0
    table = CliRunner().invoke(app, [*GEMM, "--power", "--size", "m=2,n=3,k=4"])
    assert f"mean of {facts['cycles']} cycles" in table.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("synth", "gemm:m=64,n=64,k=64", "--space", "m=2,n=2", "--power"),
            "--power: nest 'gemm' takes 65541 cycles; at most 5000 are recorded; run it at smaller extents with --size",
        ),
        ((*GEMM, "--size", "m=2"), "--size: only --power runs the design; expected both or none"),
    ],
)
def test_power_refuses(arguments: tuple[str, ...], says: str) -> None:
    done = CliRunner().invoke(app, list(arguments))
    assert (done.exit_code, done.stderr) == (1, f"brickwork: error: {says}\n")
