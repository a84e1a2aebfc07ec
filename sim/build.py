"""Building a design for a simulator, once for each content."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cocotb_tools.runner import get_runner

from sim.bench_verilog import PUBLIC, Bench, bench_verilog
from sim.toolchain import cache_folder, icarus_version, require, verilator_environment, verilator_version
from workloads.errors import BrickworkError

SIMULATORS = ("verilator", "icarus")

# Above this many cycles a slower, optimising compilation pays.
LONG_RUN_CYCLES = 300_000


class SimulationError(BrickworkError):
    """A simulation that could not be built or did not finish."""


@dataclass(frozen=True, slots=True)
class Build:
    """A compiled simulation.

    Attributes
    ----------
    folder : Path
    reused : bool
        True if it was found in the cache.
    """

    simulator: str
    folder: Path
    reused: bool


@contextmanager
def tool_environment(simulator: str) -> Iterator[None]:
    """The process environment with the simulator on PATH."""
    changes = verilator_environment() if simulator == "verilator" else {}
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def build(
    verilog: str, bench: Bench, *, simulator: str, cycles: int, waveform: bool = False, cache: Path | None = None
) -> Build:
    """Compile a design with its bench, or find it compiled.

    Raises
    ------
    SimulationError
        The simulator is unknown, or rejects the Verilog.
    ToolError
        A program is missing.
    """
    if simulator not in SIMULATORS:
        raise SimulationError(f"simulator {simulator!r} is not known; expected one of {', '.join(SIMULATORS)}")
    wrapper = bench_verilog(bench, waveform="waveform.vcd" if waveform else None)
    arguments = _arguments(simulator, verilog, cycles, waveform)
    version = verilator_version() if simulator == "verilator" else icarus_version()
    key = hashlib.sha256("\0".join([version, simulator, verilog, wrapper, *arguments]).encode()).hexdigest()[:24]
    folder = (cache or cache_folder()) / "builds"
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{simulator}-{key}"
    if final.exists():
        os.utime(final)
        return Build(simulator, final, True)
    work = Path(tempfile.mkdtemp(prefix=f"{simulator}-", dir=folder))
    try:
        _compile(simulator, verilog, wrapper, arguments, work)
        _discard_intermediates(work)
        work.rename(final)
    except OSError:
        # Another process was first; its build is the same.
        if not final.exists():
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Build(simulator, final, False)


def _arguments(simulator: str, verilog: str, cycles: int, waveform: bool) -> list[str]:
    if simulator == "icarus":
        require("iverilog", "to simulate with Icarus")
        return ["-g2012"]
    fast = "-O3" if cycles > LONG_RUN_CYCLES else "-O1"
    ccache = " OBJCACHE=ccache" if shutil.which("ccache") else ""
    arguments = ["-Wno-fatal", "-Wno-lint", "-Wno-style", "--timing", "--no-public-flat-rw"]
    arguments += ["-MAKEFLAGS", f"OPT_FAST={fast} OPT_SLOW=-O0 OPT_GLOBAL=-O1{ccache}"]
    if len(verilog) > 400_000:
        arguments += ["--output-split", "2000"]
    if waveform:
        arguments.append("--trace")
    return arguments


def _compile(simulator: str, verilog: str, wrapper: str, arguments: list[str], work: Path) -> None:
    (work / "design.v").write_text(verilog)
    (work / "bench.v").write_text(wrapper)
    if simulator == "verilator":
        lines = ["`verilator_config", *(f'public_flat_rw -module "bench" -var "{name}"' for name in PUBLIC)]
        (work / "public.vlt").write_text("\n".join(lines) + "\n")
        arguments = [*arguments, str((work / "public.vlt").resolve())]
    log = work / "build.log"
    with tool_environment(simulator):
        runner = get_runner(simulator)
        try:
            runner.build(
                sources=[work / "design.v", work / "bench.v"],
                hdl_toplevel="bench",
                build_dir=work,
                always=True,
                timescale=("1ns", "1ps"),
                build_args=arguments,
                log_file=log,
                clean=False,
            )
        except (SystemExit, Exception) as error:
            kept = work.parent / f"failed-{work.name}.log"
            kept.write_text(log.read_text() if log.exists() else str(error))
            raise SimulationError(f"{simulator} rejects the design; what it says is in {kept}") from error


def _discard_intermediates(work: Path) -> None:
    """Keep the program and the sources; objects and generated C++ are many times larger."""
    for pattern in ("*.o", "*.a", "*.gch", "*.cpp", "*.h", "*.d", "*.dat"):
        for path in work.glob(pattern):
            path.unlink()


def run_test(build: Build, environment: dict[str, str], work: Path, log: Path) -> None:
    """Run cocotb's test module on a build; the working folder belongs to this run alone."""
    with tool_environment(build.simulator):
        runner: Any = get_runner(build.simulator)
        try:
            runner.test(
                hdl_toplevel="bench",
                hdl_toplevel_lang="verilog",
                test_module="sim.cocotb_bench",
                build_dir=build.folder,
                test_dir=work,
                results_xml=str(work / "results.xml"),
                extra_env=environment,
                log_file=log,
            )
        except (SystemExit, Exception) as error:
            raise SimulationError(f"the simulation stopped with an error; what it says is in {log}") from error
