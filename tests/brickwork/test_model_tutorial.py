"""The tutorial on torch models, followed to the letter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brickwork.cli import app

pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs" / "bring-your-own-model.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"(?ms)^```console\n\$ brickwork ([^\n]+)\n(.*?)^```$", TUTORIAL)


def without_seconds(text: str) -> str:
    return re.sub(r"[\d.]+ s$", "", text.strip())


@pytest.mark.parametrize(("command", "prints"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_commands(command: str, prints: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    ran = CliRunner().invoke(app, command.split(), catch_exceptions=False)
    assert (ran.exit_code, ran.stderr) == (0, "")
    if prints:
        assert without_seconds(ran.stdout) == without_seconds(prints)


def test_python(capsys: pytest.CaptureFixture[str]) -> None:
    (text,) = re.findall(r"(?ms)^```python\n(.+?)^```$", TUTORIAL)
    exec(text, {})
    assert capsys.readouterr().out == "640 (('gemm:m=1,n=10,k=64', 1),)\n"


def test_there_are_commands() -> None:
    assert [command.split()[0] for command, _ in COMMANDS] == ["show", "map", "show"]
