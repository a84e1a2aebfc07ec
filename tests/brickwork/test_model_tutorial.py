"""The tutorial on torch models, followed to the letter, from the model to its page and its comparison with a GPU.

``python tests/brickwork/test_model_tutorial.py`` writes what the commands print into the page, where that has changed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brickwork.cli import app
from brickwork.studies import load_study

pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "bring-your-own-model.md"
TUTORIAL = PAGE.read_text(encoding="utf-8")
BLOCK = re.compile(r"(?ms)^```console\n((?:\$ brickwork [^\n]+\n)+)(.*?)^```$")
# Commands, of which the last one prints what follows them.
BLOCKS = [(re.findall(r"\$ brickwork (.+)", commands), prints) for commands, prints in BLOCK.findall(TUTORIAL)]


def without_seconds(text: str) -> str:
    return "\n".join(re.sub(r"[\d.]+ s$", "", line).rstrip() for line in text.strip().splitlines())


def ran(command: str) -> str:
    done = CliRunner().invoke(app, shlex.split(command), catch_exceptions=False)
    assert (done.exit_code, done.stderr) == (0, ""), command
    return done.stdout


def test_every_step_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    for commands, prints in BLOCKS:
        out = [ran(command) for command in commands][-1]
        if prints:
            assert without_seconds(out) == without_seconds(prints), commands
    assert "small_cnn_pareto.svg" in {path.name for path in tmp_path.iterdir()}
    out = tmp_path / "brickwork-out" / "SmallCnn"
    assert {"study.yaml", "study.html", "results.json", "results.csv"} <= {path.name for path in out.iterdir()}
    assert "SmallCnn, inputs 1x3x32x32" in (out / "study.html").read_text(encoding="utf-8")


def test_the_study_in_the_page_is_one(tmp_path: Path) -> None:
    (workloads,) = re.findall(r"(?ms)^```yaml\n(.+?)^```$", TUTORIAL)
    (tmp_path / "models").mkdir()
    shutil.copy(ROOT / "examples" / "models" / "small_cnn.py", tmp_path / "models")
    path = tmp_path / "study.yaml"
    fixed = "fixed: {array: 8x8, bandwidth_gb_per_s: 16, dataflows: every}\naxes: {buffer: [64KB]}\n"
    path.write_text(f"name: mine\n{workloads}{fixed}")
    model, network = load_study(path).workloads
    assert (model.name, model.weight, network.name) == ("SmallCnn, inputs 1x3x64x64", 2, "mobilenet_v2")


def test_python(capsys: pytest.CaptureFixture[str]) -> None:
    (text,) = re.findall(r"(?ms)^```python\n(.+?)^```$", TUTORIAL)
    exec(text, {})
    assert capsys.readouterr().out == "640 (('gemm:m=1,n=10,k=64', 1),)\n"


def test_there_are_commands() -> None:
    verbs = [command.split()[0] for commands, _ in BLOCKS for command in commands]
    assert verbs == ["show", "map", "explore", "page", "compare", "explore", "compare", "show"]
    assert [bool(prints) for _, prints in BLOCKS] == [True, True, True, False, False, True, False]


def rewritten(page: str) -> str:
    """The page with what its commands print now, where it shows that."""

    def block(found: re.Match[str]) -> str:
        out = [ran(command) for command in re.findall(r"\$ brickwork (.+)", found[1])][-1]
        return f"```console\n{found[1]}{out if found[2] else ''}```"

    return BLOCK.sub(block, page)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(ROOT / "examples", Path(scratch) / "examples")
        os.chdir(scratch)
        PAGE.write_text(rewritten(TUTORIAL), encoding="utf-8")
    sys.stdout.write(f"{PAGE} shows what its commands print\n")
