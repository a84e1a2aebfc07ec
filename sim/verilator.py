"""Verilog to a program with Verilator: what all designs share is compiled once, so that a small design takes a second.

Verilator's own makefile compiles its run-time library and a precompiled header anew for every design; for a small
array that is nine tenths of the work.
"""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cocotb_tools.config as cocotb_config

from sim.cache import content_key, filled
from sim.toolchain import require, verilator_environment, verilator_version

MAIN = Path(__file__).with_name("verilator_main.cpp")
RUNTIME_SOURCES = ("verilated", "verilated_dpi", "verilated_vpi", "verilated_timing", "verilated_threads")
TRACE_SOURCES = {"vcd": "verilated_vcd_c"}
SHARED_HEADERS = ("verilated.h", "verilated_dpi.h", "verilated_vpi.h", "verilated_timing.h", "verilated_threads.h")
PREFIX = "Vtop"

# Verilator itself is slow on long files, the compiler on many of them, since each reads all headers again.
LINES_IN_ONE_FILE = 2000
BYTES_IN_ONE_PART = 400_000


class ToolFailureError(Exception):
    """A program that returned an error, with all that was said until then."""

    def __init__(self, said: str) -> None:
        self.said = said
        super().__init__(said)


def run_tool(command: Sequence[object], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and return what it says."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    said = f"$ {' '.join(str(part) for part in command)}\n{done.stdout}"
    if done.returncode:
        raise ToolFailureError(said)
    return said


@functools.cache
def include_folder() -> Path:
    """Verilator's own headers and run-time sources."""
    environment = {**os.environ, **verilator_environment()}
    asked = subprocess.run(
        ["verilator", "-getenv", "VERILATOR_ROOT"], capture_output=True, text=True, env=environment, check=True
    )
    return Path(asked.stdout.strip()) / "include"


@functools.cache
def compiler_version() -> str:
    """The first line of ``g++ --version``."""
    require("g++", "to build Verilator models")
    return subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def compiler_flags(waveform: str | None) -> tuple[str, ...]:
    """Flags that the run-time library and the models must share."""
    traced = [f"-DVM_TRACE={int(waveform is not None)}"]
    traced += [f"-DVM_TRACE_{kind.upper()}={int(kind == waveform)}" for kind in ("vcd", "fst", "saif")]
    include = include_folder()
    return (
        "-std=gnu++20",
        "-fcoroutines",
        "-faligned-new",
        "-fcf-protection=none",
        "-w",
        f"-I{include}",
        f"-I{include / 'vltstd'}",
        "-DVERILATOR=1",
        "-DVM_COVERAGE=0",
        "-DVM_SC=0",
        "-DVM_TIMING=1",
        *traced,
    )


def compile_model(
    folder: Path, sources: Iterable[Path], top: str, *, cache: Path, optimize: str, waveform: str | None
) -> str:
    """Leave the program ``model`` in ``folder`` and return what the tools said.

    Raises
    ------
    ToolFailureError
        Verilator or the compiler rejects something.
    """
    runtime = shared_runtime(cache, waveform)
    command = [
        "verilator",
        "--cc",
        "--vpi",
        "--timing",
        "-Wno-fatal",
        "-Wno-lint",
        "-Wno-style",
        "--top-module",
        top,
        "--prefix",
        PREFIX,
        "-Mdir",
        folder,
        "--output-split",
        str(LINES_IN_ONE_FILE),
        *(["--trace"] if waveform else []),
        *sources,
    ]
    said = run_tool(command, folder, verilator_environment())
    return said + _compile(folder, runtime, optimize, waveform)


def _compile(folder: Path, runtime: Path, optimize: str, waveform: str | None) -> str:
    found = sorted(folder.glob(f"{PREFIX}*.cpp"))
    # Files marked slow run once; optimising them costs more than it saves.
    fast = [MAIN, *(p for p in found if "Slow" not in p.name)]
    slow = [p for p in found if "Slow" in p.name]
    if sum(p.stat().st_size for p in (*fast, *slow)) < BYTES_IN_ONE_PART or optimize == "-O0":
        fast, slow = [*fast, *slow], []
    jobs = [
        (_unity(folder / f"{name}{number}.cpp", files), level)
        for name, level, group in (("fast", optimize, fast), ("slow", "-O0", slow))
        for number, files in enumerate(_parts(group))
    ]
    flags = compiler_flags(waveform)

    def compile_part(job: tuple[Path, str]) -> str:
        source, level = job
        shared = runtime / level.strip("-") / "shared.h"
        precompiled = ["-include", shared] if shared.exists() else []
        command = ["g++", level, *flags, f"-I{folder}", *precompiled, "-c", source, "-o", folder / f"{source.stem}.o"]
        return run_tool(command, folder)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        said = list(pool.map(compile_part, jobs))
    libraries = cocotb_config.libs_dir
    said.append(
        run_tool(
            [
                "g++",
                *(folder / f"{source.stem}.o" for source, _ in jobs),
                runtime / "libruntime.a",
                f"-Wl,-rpath,{libraries}",
                f"-L{libraries}",
                "-lcocotbvpi_verilator",
                "-pthread",
                "-latomic",
                "-s",
                "-o",
                folder / "model",
            ],
            folder,
        )
    )
    return "".join(said)


def _parts(files: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """Files in groups of about the same size, few enough that headers do not dominate."""
    sizes = {p: p.stat().st_size for p in files}
    count = -(-sum(sizes.values()) // BYTES_IN_ONE_PART)
    groups: list[list[Path]] = [[] for _ in range(count)]
    for file in sorted(files, key=lambda p: (-sizes[p], p.name)):
        min(groups, key=lambda group: sum(sizes[p] for p in group)).append(file)
    yield from (tuple(group) for group in groups if group)


def _unity(whole: Path, files: Iterable[Path]) -> Path:
    """One source that is all of ``files``."""
    whole.write_text("".join(f'#include "{p}"\n' for p in files))
    return whole


def shared_runtime(cache: Path, waveform: str | None) -> Path:
    """Folder of Verilator's run-time library and, where no waveform is written, its headers precompiled.

    Made on first use, which takes about half a minute; setting a machine up may call it ahead.
    """
    flags = compiler_flags(waveform)
    key = content_key(verilator_version(), compiler_version(), *flags, *RUNTIME_SOURCES, *SHARED_HEADERS)
    folder = cache / "runtimes" / key

    def fill(work: Path) -> None:
        names = [*RUNTIME_SOURCES, *([TRACE_SOURCES[waveform]] if waveform else [])]
        commands: list[list[object]] = [
            [
                "g++",
                "-O1" if waveform else "-O2",
                *flags,
                "-c",
                include_folder() / f"{name}.cpp",
                "-o",
                work / f"{name}.o",
            ]
            for name in names
        ]
        for level in () if waveform else ("O0", "O1"):
            (work / level).mkdir()
            header = work / level / "shared.h"
            header.write_text("".join(f'#include "{name}"\n' for name in SHARED_HEADERS))
            commands.append(["g++", f"-{level}", *flags, "-x", "c++-header", header, "-o", f"{header}.gch"])
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            list(pool.map(lambda command: run_tool(command, work), commands))
        run_tool(["ar", "rcs", work / "libruntime.a", *(work / f"{name}.o" for name in names)], work)
        for name in names:
            (work / f"{name}.o").unlink()

    filled(folder, fill)
    return folder
