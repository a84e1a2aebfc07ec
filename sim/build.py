"""Compile a design with its bench for a simulator, once for each content."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from sim.bench_verilog import Bench, public_signals
from sim.cache import content_key, filled
from sim.errors import SimulationError
from sim.toolchain import icarus_version, require, verilator_version
from sim.verilator import MAIN, ToolFailureError, compile_model, compiler_version, run_tool

# Kinds of waveforms that each can write; Verilator's FST writer needs the headers of a library that few have.
SIMULATORS = {"verilator": ("vcd",), "icarus": ("vcd", "fst")}

# Least cycles from which compiling harder pays: both the compiler's time and a cycle's grow with the design.
LEVELS = ((0, "-O0"), (100_000, "-O1"), (10_000_000, "-O3"))


@dataclass(frozen=True, slots=True)
class Build:
    """A compiled simulation.

    Attributes
    ----------
    program : Path
        What to start; for Icarus, what ``vvp`` reads.
    reused : bool
        It was in the cache.
    """

    simulator: str
    program: Path
    reused: bool
    seconds: float


def build(
    name: str, verilog: str, bench: Bench, *, simulator: str, cycles: int, waveform: str | None, cache: Path
) -> Build:
    """Compile a design with its bench, or find it compiled.

    Parameters
    ----------
    cycles : int
        How long it will run: decides how hard to optimise.
    waveform : str or None
        The kind of waveform that will be written, if any.

    Raises
    ------
    SimulationError
        The simulator or the kind of waveform is unknown, or the Verilog is rejected.
    ToolError
        A program is missing.
    """
    if simulator not in SIMULATORS:
        raise SimulationError(name, f"simulator {simulator!r} is not known; expected one of {', '.join(SIMULATORS)}")
    if waveform is not None and waveform not in SIMULATORS[simulator]:
        kinds = " or ".join(f".{kind}" for kind in SIMULATORS[simulator])
        raise SimulationError(name, f"{simulator} writes waveforms as {kinds}, not as .{waveform}")
    start = time.perf_counter()
    wrapper = bench.verilog()
    if simulator == "icarus":
        levels, versions = [""], [icarus_version()]
    else:
        # A waveform's writing is most of the time, and the precompiled headers have none.
        levels = ["-O1"] if waveform else [level for least, level in LEVELS if least >= _least(cycles)]
        versions = [verilator_version(), compiler_version(), MAIN.read_text(), waveform or ""]
    folders = [
        cache / "builds" / f"{simulator}-{content_key(simulator, level, *versions, wrapper, verilog)}"
        for level in levels
    ]
    # A build of the same content that is optimised better serves as well.
    folder, level = next(
        ((found, level) for found, level in zip(folders, levels, strict=True) if found.exists()),
        (folders[0], levels[0]),
    )

    def fill(work: Path) -> None:
        generated = work / "generated"
        generated.mkdir()
        (work / "design.v").write_text(verilog)
        (work / "bench.v").write_text(wrapper)
        try:
            if simulator == "icarus":
                require("iverilog", "to simulate with Icarus")
                said = run_tool(
                    ["iverilog", "-g2012", "-s", "bench", "-o", work / "model", work / "bench.v", work / "design.v"],
                    work,
                )
            else:
                (work / "bench.vlt").write_text(public_signals())
                sources = [work / "bench.vlt", work / "bench.v", work / "design.v"]
                said = compile_model(generated, sources, "bench", cache=cache, optimize=level, waveform=waveform)
                (generated / "model").rename(work / "model")
        except ToolFailureError as failure:
            log = cache / "logs" / f"{name}-{simulator}-build.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(failure.said)
            raise SimulationError(name, f"{simulator} rejects the Verilog", log) from None
        (work / "build.log").write_text(said)
        # Generated C++ and objects are many times the size of the program.
        shutil.rmtree(generated)

    reused = filled(folder, fill)
    return Build(simulator, folder / "model", reused, time.perf_counter() - start)


def _least(cycles: int) -> int:
    """The threshold of the level that suits a number of cycles."""
    return max(least for least, _ in LEVELS if least <= cycles)
