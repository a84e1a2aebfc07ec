"""The tutorial on functional units, followed to the letter: one new file is all that a new unit takes."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from brickwork.cli import app
from workloads import functional_units as package
from workloads.functional_units import functional_units
from workloads.interpreter import random_inputs, run, run_points
from workloads.spec import load
from workloads.text import body_text

TUTORIAL = (Path(__file__).parents[2] / "docs" / "add-a-functional-unit.md").read_text()
COMMANDS = re.findall(r"(?m)^    brickwork (.+)$", TUTORIAL)


def block(language: str) -> str:
    (found,) = re.findall(rf"(?ms)^```{language}\n(.+?)^```$", TUTORIAL)
    return str(found)


@pytest.fixture
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The tutorial's unit, in a folder that becomes part of the registry's package, and its spec beside it."""
    (tmp_path / "squared_difference.py").write_text(block("python"))
    (tmp_path / "squares.yaml").write_text(block("yaml"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    functional_units.cache_clear()
    yield "squared_difference"
    functional_units.cache_clear()
    sys.modules.pop(f"{package.__name__}.squared_difference", None)


def test_the_language_knows_it(unit: str) -> None:
    nest = load("squares.yaml").nest
    assert nest.unit.name == unit
    assert body_text(nest) == "D[m, n] += (A[m, k] - B[k, n]) * (A[m, k] - B[k, n])"
    assert load(str(nest)).nest == nest
    inputs = random_inputs(nest, 0)
    a, b = inputs["A"].astype(int)[:, None, :], inputs["B"].astype(int).T[None]
    np.testing.assert_array_equal(run(nest, inputs), ((a - b) ** 2).sum(axis=2))
    np.testing.assert_array_equal(run_points(nest, inputs), run(nest, inputs))


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_tutorial(command: str, unit: str) -> None:
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, result.output
    said = {
        "show": "D[m, n] += (A[m, k] - B[k, n]) * (A[m, k] - B[k, n])",
        "simulate": "match",
    }
    assert said[command.split()[0]] in result.output


def test_the_table_lists_every_unit() -> None:
    listed = re.findall(r"`(\w+)\.py`", TUTORIAL.partition("What is exact")[0])
    assert sorted(listed) == [u.name for u in functional_units()]
