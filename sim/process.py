"""The simulator as a process of its own, spoken to over a socket."""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cocotb_tools.config as cocotb_config
import find_libpython

from sim.bench_verilog import Bench
from sim.build import Build
from sim.errors import SimulationError
from sim.exchange import SOCKET_VARIABLE, Answer, Fault, Finished, Task, receive, send
from sim.toolchain import require


@functools.cache
def _python_library() -> str:
    found = find_libpython.find_libpython()
    if found is None:
        raise SimulationError("bench", f"no libpython found for {sys.executable}; cocotb needs a Python with one")
    return found


def _environment(folder: Path, link: int) -> dict[str, str]:
    """What cocotb reads; settings that a surrounding cocotb or user left are not passed on."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COCOTB_", "GPI_", "PYGPI_"))}
    here = str(Path(__file__).resolve().parents[1])
    return kept | {
        "COCOTB_TOPLEVEL": "bench",
        "COCOTB_TEST_MODULES": "sim.cocotb_bench",
        "COCOTB_RESULTS_FILE": str(folder / "results.xml"),
        "COCOTB_LOG_LEVEL": "WARNING",
        "COCOTB_REWRITE_ASSERTION_FILES": "",
        # What cocotb itself starts, after a step of our own.
        "PYGPI_USERS": ",".join(
            (
                "sim.bench_start:load_little",
                "cocotb.logging:_configure",
                "cocotb._init:init_package_from_simulation",
                "cocotb.regression:_run_regression",
            )
        ),
        # Verilator applies writes when it should; collecting them in Python first costs time.
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
        "TOPLEVEL_LANG": "verilog",
        "GPI_USERS": f"{_python_library()};{cocotb_config.pygpi_entry_point()}",
        "PYGPI_PYTHON_BIN": sys.executable,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([here, *(p for p in sys.path if p)])),
        SOCKET_VARIABLE: str(link),
    }


def _command(build: Build, waveform: Path | None) -> list[str]:
    if build.simulator == "icarus":
        vvp = require("vvp", "to simulate with Icarus")
        library = cocotb_config.lib_entry("vpi", "icarus")
        kind = f"-{waveform.suffix[1:]}" if waveform else "-none"
        named = [f"+waveform={waveform}"] if waveform else []
        return [vvp, "-m", library, str(build.program), kind, *named]
    return [str(build.program), *([str(waveform)] if waveform else [])]


class Simulator:
    """A running simulator; does one task after the other."""

    def __init__(self, name: str, stream: Any, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name, self.log = name, log
        self._stream, self._process = stream, process

    def _ask(self, message: Any) -> Any:
        try:
            send(self._stream, message)
            answer = receive(self._stream)
        except (EOFError, ConnectionError):
            self._process.wait()
            raise SimulationError(
                self.name, f"the simulator stopped with exit status {self._process.returncode}", self.log
            ) from None
        if isinstance(answer, Fault):
            raise SimulationError(self.name, answer.text, self.log)
        return answer

    def do(self, task: Task) -> Answer:
        """Do one run.

        Raises
        ------
        SimulationError
            The design hangs or breaks the rules of the host port, or the simulator dies.
        """
        answer = self._ask(task)
        assert isinstance(answer, Answer), answer
        return answer

    def finish(self, *, at_least: int) -> None:
        """End the simulation; the bench's scoreboard must be empty and have worked."""
        finished = self._ask(None)
        assert isinstance(finished, Finished), finished
        if finished.matched < at_least:
            raise SimulationError(self.name, f"only {finished.matched} of {at_least} runs were checked", self.log)


@contextmanager
def running(name: str, build: Build, bench: Bench, *, waveform: Path | None, log: Path) -> Iterator[Simulator]:
    """Start the simulator, and make sure that it is gone afterwards."""
    ours, theirs = socket.socketpair()
    with ours, tempfile.TemporaryDirectory(prefix="brickwork-") as scratch, log.open("wb") as out:
        with theirs:
            process = subprocess.Popen(
                _command(build, waveform),
                cwd=scratch,
                env=_environment(Path(scratch), theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
            )
        interrupted = False
        try:
            with ours.makefile("rwb") as stream:
                send(stream, bench)
                yield Simulator(name, stream, process, log)
            ours.close()
            process.wait()
        except KeyboardInterrupt:
            interrupted = True
            raise
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            # A fault's waveform is what shows the fault; half of one that nobody waited for shows nothing.
            if interrupted and waveform is not None:
                waveform.unlink(missing_ok=True)
