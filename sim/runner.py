"""Simulate a generated design and compare it with the definition."""

from __future__ import annotations

import pickle
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.accelerator import Accelerator
from hw.program import runs
from sim.bench_verilog import Bench
from sim.build import SimulationError, build, run_test
from sim.job import Job, Outcome
from sim.scoreboard import Scoreboard
from sim.toolchain import cache_folder
from workloads.interpreter import check_inputs, run
from workloads.nest import Nest

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Result:
    """Outcome of simulating one nest on one design.

    Attributes
    ----------
    outputs : ndarray
        What the Verilog computed.
    faults : tuple of str
        Every disagreement with the definition or the cycle model; empty when there is none.
    predicted_cycles, simulated_cycles : int
        Totals over all runs: the model's and the design's own counter's.
    macs : int
        Points of the nest.
    utilization : float
        Points of the nest over (cycles times functional units).
    """

    outputs: npt.NDArray[np.generic]
    faults: tuple[str, ...]
    predicted_cycles: int
    simulated_cycles: int
    run_cycles: tuple[int, ...]
    macs: int
    utilization: float
    simulator: str
    build_seconds: float
    run_seconds: float
    reused_build: bool
    log: Path
    waveform: Path | None

    @property
    def matches(self) -> bool:
        """True if outputs agree bit for bit and cycles exactly."""
        return not self.faults

    @property
    def seconds(self) -> float:
        return self.build_seconds + self.run_seconds


def bench_of(accelerator: Accelerator) -> Bench:
    """The bench for a design."""
    rows = []
    for tensor in sorted(accelerator.manifest["tensors"], key=lambda t: t["id"]):
        total = tensor["word_bits"]
        for count in tensor["banks"]:
            total *= count
        rows.append(-(-total // 8))
    return Bench(accelerator.top, accelerator.host_bits, tuple(rows))


def simulate(
    accelerator: Accelerator,
    nest: Nest,
    inputs: Mapping[str, npt.NDArray[np.generic]],
    *,
    simulator: str = "verilator",
    waveform: Path | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run a nest on a design in a simulator and compare with the interpreter.

    Parameters
    ----------
    inputs
        Tensors by name, as the nest's formats and shapes ask.
    simulator
        "verilator" or "icarus".
    waveform
        Where to leave a VCD file of everything.
    progress
        Called with a phase ("build", "run") and the part that is done, 0 to 1.

    Raises
    ------
    SimulationError
        The simulator rejects the design, stops, or the design never finishes.
    ProgramError
        The nest does not fit the design.
    InputError
        The tensors do not fit the nest.
    """
    say = progress or (lambda phase, part: None)
    check_inputs(nest, inputs)
    work = runs(accelerator, nest)
    predicted = sum(r.predicted_cycles for r in work)
    began = time.perf_counter()
    say("build", 0.0)
    bench = bench_of(accelerator)
    made = build(
        accelerator.verilog, bench, simulator=simulator, cycles=predicted, waveform=waveform is not None, cache=cache
    )
    built = time.perf_counter()
    say("build", 1.0)
    tensor = nest.tensor(nest.output.tensor)
    initial = np.zeros(tensor.shape, tensor.format.dtype)
    log = (cache or cache_folder()) / "logs" / f"{accelerator.name}-{simulator}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="brickwork-"))
    try:
        outcome = _execute(made, Job(bench, work, dict(inputs), initial), folder, log, say)
        if waveform is not None:
            shutil.copyfile(folder / "waveform.vcd", waveform)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    ended = time.perf_counter()
    if outcome.hung is not None:
        raise SimulationError(
            f"run {outcome.hung} of design {accelerator.name!r} did not finish within "
            f"{4 * work[outcome.hung].predicted_cycles + 10_000} cycles; the model predicts "
            f"{work[outcome.hung].predicted_cycles}"
        )
    simulated = sum(counted for counted, _ in outcome.counts)
    return Result(
        outputs=outcome.output,
        faults=_faults(nest, inputs, work, outcome),
        predicted_cycles=predicted,
        simulated_cycles=simulated,
        run_cycles=tuple(counted for counted, _ in outcome.counts),
        macs=nest.points,
        utilization=nest.points / (simulated * len(accelerator.architecture.units)) if simulated else 0.0,
        simulator=simulator,
        build_seconds=built - began,
        run_seconds=ended - built,
        reused_build=made.reused,
        log=log,
        waveform=waveform,
    )


def _execute(made: Any, job: Job, folder: Path, log: Path, say: Progress) -> Outcome:
    path = folder / "job.pickle"
    path.write_bytes(pickle.dumps(job))
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(path.with_suffix(".progress"), stop, say), daemon=True)
    watcher.start()
    try:
        run_test(made, {"BRICKWORK_JOB": str(path), "COCOTB_LOG_LEVEL": "WARNING"}, folder, log)
    finally:
        stop.set()
        watcher.join()
    result = path.with_suffix(".out")
    if not result.exists():
        raise SimulationError(f"the simulation ended without a result; what it says is in {log}")
    say("run", 1.0)
    outcome: Outcome = pickle.loads(result.read_bytes())
    return outcome


def _watch(path: Path, stop: threading.Event, say: Progress) -> None:
    while not stop.wait(0.2):
        try:
            done, total = path.read_text().split()
        except (OSError, ValueError):
            continue
        say("run", int(done) / int(total))


def _faults(
    nest: Nest, inputs: Mapping[str, npt.NDArray[np.generic]], work: tuple[Any, ...], outcome: Outcome
) -> tuple[str, ...]:
    board = Scoreboard()
    expected = run(nest, inputs)
    board.expect(nest.output.tensor, expected)
    for number, (part, (counted, timed)) in enumerate(zip(work, outcome.counts, strict=True)):
        board.cycles(number, part.predicted_cycles, counted, timed)
    board.tensor(nest.output.tensor, outcome.output)
    return board.finish(at_least=expected.size + len(work))
