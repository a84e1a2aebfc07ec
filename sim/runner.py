"""Simulate a nest on a design and compare with what the nest means."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from sim.bench_verilog import Bench
from sim.build import build
from sim.exchange import Answer, Rows, Task
from sim.process import Simulator, running
from sim.toolchain import cache_folder
from workloads.interpreter import check_inputs, run, start_of
from workloads.nest import Nest

Array = npt.NDArray[np.generic]
Bytes = npt.NDArray[np.uint8]
Progress = Callable[[str, float], None]


class Accelerator(Protocol):
    """A design behind the host port."""

    @property
    def name(self) -> str: ...
    @property
    def top(self) -> str: ...
    @property
    def verilog(self) -> str: ...
    @property
    def host_bits(self) -> int: ...
    @property
    def manifest(self) -> Mapping[str, Any]: ...


class Load(Protocol):
    """Rows for the banks of one tensor, from an in-bank address on."""

    @property
    def tensor_id(self) -> int: ...
    @property
    def address(self) -> int: ...
    @property
    def rows(self) -> Bytes: ...


class Run(Protocol):
    """One start-to-done of a design."""

    @property
    def registers(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def predicted_cycles(self) -> int: ...
    @property
    def readback(self) -> tuple[int, int, int, int]: ...
    def loads(self, tensors: Mapping[str, Array], output: Array) -> Sequence[Load]: ...
    def store(self, rows: Bytes, output: Array) -> None: ...


Program = Callable[[Any, Nest], Sequence[Run]]


class RunCycles(NamedTuple):
    """Cycles of one run: the model's, the design's own counter's, and the bench's clock's."""

    predicted: int
    counted: int
    timed: int


@dataclass(frozen=True)
class Result:
    """What a simulated nest gave.

    Attributes
    ----------
    outputs : ndarray
        What the Verilog computed.
    faults : tuple of str
        Every disagreement of outputs with the nest's meaning and of cycles with the prediction.
    runs : tuple of RunCycles
    predicted_cycles, simulated_cycles, timed_cycles : int
        Sums over all runs: the model's, the design's own counter's, and the bench's clock's.
    macs : int
        Points of the nest.
    utilization : float
        Points of the nest over cycles times functional units.
    seconds : float
        All of the call.
    rows_written, rows_read : int
        Rows that passed the host port, a cycle each: inputs and sums before the runs, results after them.
    """

    outputs: Array
    faults: tuple[str, ...]
    runs: tuple[RunCycles, ...]
    macs: int
    utilization: float
    simulator: str
    reused_build: bool
    build_seconds: float
    run_seconds: float
    seconds: float
    log: Path
    waveform: Path | None
    rows_written: int = 0
    rows_read: int = 0

    @property
    def matches(self) -> bool:
        """Outputs agree bit for bit, and cycles exactly."""
        return not self.faults

    @property
    def first_mismatch(self) -> str | None:
        """The first disagreement in words."""
        return self.faults[0] if self.faults else None

    @property
    def run_cycles(self) -> tuple[int, ...]:
        """The design's own count, one entry a run."""
        return tuple(each.counted for each in self.runs)

    @property
    def predicted_cycles(self) -> int:
        return sum(each.predicted for each in self.runs)

    @property
    def simulated_cycles(self) -> int:
        return sum(each.counted for each in self.runs)

    @property
    def timed_cycles(self) -> int:
        return sum(each.timed for each in self.runs)


@dataclass(frozen=True)
class Job:
    """A nest to run on a design.

    Attributes
    ----------
    inputs : mapping
        Tensors by name, as the nest's formats and shapes ask.
    dataflow : str or None
        Name of the dataflow to use, where the design has several; the first that fits when left out.
    continues : bool
        Start from the sums that the job before left in the output banks.
    reads : bool
        Read the result, to compare it; otherwise it stays in the banks, for a job that continues it.
    placed : mapping of input to address
        Where inputs begin in their banks, so that they leave there what other jobs need.
    """

    nest: Nest
    inputs: Mapping[str, npt.ArrayLike]
    dataflow: str | None = None
    continues: bool = False
    reads: bool = True
    placed: Mapping[str, int] | None = None


def simulate(
    accelerator: Accelerator,
    nest: Nest,
    inputs: Mapping[str, npt.ArrayLike],
    *,
    dataflow: str | None = None,
    simulator: str = "verilator",
    waveform: Path | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    program: Program | None = None,
) -> Result:
    """Run a nest on a design in a simulator and compare with the interpreter.

    Parameters
    ----------
    inputs
        Tensors by name, as the nest's formats and shapes ask.
    dataflow
        Name of the dataflow to use, where the design has several; the first that fits when left out.
    simulator
        "verilator" or "icarus".
    waveform
        Where to leave a waveform; its suffix, .vcd or with Icarus also .fst, says how it is written.
    cache
        Where builds and logs are kept, instead of the usual place.
    progress
        Called with a phase ("build" or "run") and the part of it that is done, 0 to 1.
    program
        Cuts the nest into runs; ``hw.program.runs`` unless given.

    Raises
    ------
    SimulationError
        The simulator rejects the design or stops, or the design hangs or breaks the rules of the host port.
    InputError
        The tensors do not fit the nest.
    """
    (result,) = simulate_all(
        accelerator,
        (Job(nest, inputs, dataflow),),
        simulator=simulator,
        waveform=waveform,
        cache=cache,
        progress=progress,
        program=program,
    )
    return result


def simulate_all(
    accelerator: Accelerator,
    jobs: Sequence[Job],
    *,
    simulator: str = "verilator",
    waveform: Path | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    program: Program | None = None,
    remember: bool = False,
) -> tuple[Result, ...]:
    """Run several nests one after the other in one simulation, without a reset between them.

    Parameters and errors are those of `simulate`.

    Parameters
    ----------
    remember
        Do not write rows of an input again that lie in its banks already.
    """
    began = time.perf_counter()
    say: Progress = progress or (lambda phase, part: None)
    tensors = [check_inputs(job.nest, job.inputs) for job in jobs]
    runs = [tuple(program(accelerator, job.nest) if program else _runs(accelerator, job)) for job in jobs]
    _check_chain(accelerator, jobs, runs)
    outputs = [start_of(job.nest) for job in jobs]
    bench = _bench(accelerator, runs, tensors, outputs)
    place = cache or cache_folder()
    say("build", 0.0)
    made = build(
        accelerator.name,
        accelerator.verilog,
        bench,
        simulator=simulator,
        cycles=sum(part.predicted_cycles for parts in runs for part in parts),
        waveform=None if waveform is None else waveform.suffix[1:],
        cache=place,
    )
    say("build", 1.0)
    log = _new_log(place, accelerator.name, simulator)
    target = None if waveform is None else waveform.resolve()
    results, total, done = [], sum(map(len, runs)), 0
    banks = _Banks(remember)
    left: Array | None = None
    with running(accelerator.name, made, bench, waveform=target, log=log) as simulation:
        for job, given, parts, output in zip(jobs, tensors, runs, outputs, strict=True):
            started = time.perf_counter()
            answers = []
            for part in parts:
                say("run", done / total)
                answers.append(_answer(simulation, done, part, given, output, banks, job))
                done += 1
            ended = time.perf_counter()
            left = run(job.nest, given) if program else _meaning(accelerator, job, left if job.continues else None)
            expected = left if job.reads else output
            cycles = tuple(
                RunCycles(part.predicted_cycles, answer.counted_cycles, answer.timed_cycles)
                for part, answer in zip(parts, answers, strict=True)
            )
            busy = sum(each.counted for each in cycles)
            results.append(
                Result(
                    outputs=output,
                    faults=(*_output_faults(job.nest.output.tensor, output, expected), *_cycle_faults(cycles)),
                    runs=cycles,
                    macs=job.nest.points,
                    utilization=job.nest.points / (busy * accelerator.manifest["units"]) if busy else 0.0,
                    simulator=simulator,
                    reused_build=made.reused,
                    build_seconds=made.seconds,
                    run_seconds=ended - started,
                    seconds=time.perf_counter() - began,
                    log=log,
                    waveform=waveform,
                    rows_written=banks.taken(),
                    rows_read=sum(part.readback[2] for part in parts) if job.reads else 0,
                )
            )
        simulation.finish(at_least=total)
    say("run", 1.0)
    return tuple(results)


def _runs(accelerator: Any, job: Job) -> Sequence[Run]:
    # Amaranth and the solvers come with it, which the benches of hand-written designs do not need.
    from hw.program import runs

    return runs(accelerator, job.nest, job.dataflow, continues=job.continues, placed=job.placed)


def _meaning(accelerator: Any, job: Job, initial: Array | None) -> Array:
    from hw.program import meaning

    return meaning(accelerator, job.nest, job.inputs, job.dataflow, initial)


def _check_chain(accelerator: Any, jobs: Sequence[Job], runs: Sequence[Sequence[Any]]) -> None:
    """Check that each job that continues sums comes behind a job that left them where it looks."""
    for number, job in enumerate(jobs):
        if job.continues:
            from hw.program import ProgramError, check_continues

            if not number:
                raise ProgramError(
                    accelerator.name, (f"nest {job.nest.name!r} continues sums, but no job is before it",)
                )
            # Of several runs the last one's sums are in the banks, and they are a part of the result only.
            if len(runs[number - 1]) > 1:
                raise ProgramError(
                    accelerator.name,
                    (
                        f"nest {job.nest.name!r} continues the sums of {jobs[number - 1].nest.name!r}, which takes "
                        f"{len(runs[number - 1])} runs; expected one",
                    ),
                )
            check_continues(accelerator, runs[number - 1][-1], runs[number][0])


class _Banks:
    """What the host has written into the banks of each tensor's set, and how many rows that took."""

    def __init__(self, remember: bool) -> None:
        self.remember = remember
        self.held: dict[int, dict[int, bytes]] = {}
        self.rows = 0

    def left_to_write(self, loads: Iterable[Load], result_id: int) -> tuple[Rows, ...]:
        """The loads of a run without what lies there; the run overwrites the banks of its result."""
        found = []
        for load in loads:
            held = self.held.setdefault(load.tensor_id, {})
            rows = {load.address + n: row.tobytes() for n, row in enumerate(load.rows)}
            if self.remember and all(held.get(address) == row for address, row in rows.items()):
                continue
            held |= rows
            self.rows += len(load.rows)
            found.append(Rows(load.tensor_id, load.address, len(load.rows), load.rows.tobytes()))
        self.held.pop(result_id, None)
        return tuple(found)

    def taken(self) -> int:
        """Rows written since the last question."""
        rows, self.rows = self.rows, 0
        return rows


def _bench(
    accelerator: Accelerator,
    runs: Sequence[Sequence[Run]],
    tensors: Sequence[Mapping[str, Array]],
    outputs: Sequence[Array],
) -> Bench:
    sizes: dict[int, int] = {}
    for parts, given, output in zip(runs, tensors, outputs, strict=True):
        tensor, _, _, row_bytes = parts[0].readback
        sizes |= {load.tensor_id: load.rows.shape[1] for load in parts[0].loads(given, output)} | {tensor: row_bytes}
    return Bench(accelerator.top, accelerator.host_bits, tuple(sorted(sizes.items())))


def _answer(
    simulation: Simulator,
    number: int,
    part: Run,
    tensors: Mapping[str, Array],
    output: Array,
    banks: _Banks,
    job: Job,
) -> Answer:
    """Do one run, which may start from what an earlier one left in ``output``, or in the banks."""
    tensor, address, rows, row_bytes = part.readback
    loads = banks.left_to_write(part.loads(tensors, output), tensor)
    deadline = 4 * part.predicted_cycles + 10_000
    read, filled = rows if job.reads else 0, 0 if job.continues else rows
    answer = simulation.do(Task(number, part.registers, loads, tensor, address, read, deadline, filled))
    if job.reads:
        part.store(np.frombuffer(answer.rows, np.uint8).reshape(rows, row_bytes), output)
    return answer


def _output_faults(name: str, output: Array, expected: Array) -> Iterable[str]:
    # Bits, so that zeros have a sign and NaN is equal to itself; there is one NaN only, whatever its bits here.
    same = output.view(np.uint32) == expected.view(np.uint32) if output.dtype == np.float32 else output == expected
    if output.dtype == np.float32:
        same |= np.isnan(output) & np.isnan(expected)
    wrong = np.argwhere(~same)
    if len(wrong):
        first = tuple(wrong[0])
        yield (
            f"tensor {name!r} differs in {len(wrong)} of {expected.size} elements, "
            f"first at {[int(i) for i in first]}: expected {expected[first]}, got {output[first]}"
        )


def _cycle_faults(runs: Sequence[RunCycles]) -> Iterable[str]:
    for number, (predicted, counted, timed) in enumerate(runs):
        if counted != predicted:
            yield f"run {number} took {counted} cycles by the design's counter; predicted were {predicted}"
        if timed != counted:
            yield f"run {number} took {timed} cycles by the clock; the design's counter says {counted}"


def _new_log(cache: Path, name: str, simulator: str) -> Path:
    folder = cache / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}-{simulator}-{os.getpid()}.log"
