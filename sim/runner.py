"""Simulate a nest on a design and compare with what the nest means."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from sim.accelerator import Accelerator, Array, Program, QuantizingRun, Run
from sim.bank_contents import BankContents
from sim.bench_verilog import Bench
from sim.build import build
from sim.comparison import cycle_faults, output_faults
from sim.exchange import Answer, Task
from sim.job import Job, Result, RunCycles
from sim.process import Simulator, running
from sim.quantized import block_faults, calibrated, expected_blocks, numbers, output_format
from sim.toolchain import cache_folder
from workloads.formats import BlockFormat
from workloads.formats.coded import CodedBlocks
from workloads.interpreter import check_inputs, run, start_of
from workloads.nest import Nest

Progress = Callable[[str, float], None]


def simulate(
    accelerator: Accelerator,
    nest: Nest,
    inputs: Mapping[str, npt.ArrayLike],
    *,
    dataflow: str | None = None,
    alpha: float = 1.0,
    multiplier: float | None = None,
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
    alpha, multiplier
        Factors of a design that quantizes its results, see `Job`.
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
        (Job(nest, inputs, dataflow, alpha=alpha, multiplier=multiplier),),
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
    made = None if program else output_format(accelerator.manifest)
    jobs, wanted = _quantized(accelerator, jobs, made)
    runs = [tuple(program(accelerator, job.nest) if program else _runs(accelerator, job)) for job in jobs]
    _check_chain(accelerator, jobs, runs)
    outputs = [start_of(job.nest) for job in jobs]
    coded = [CodedBlocks.empty(made, output.shape) if made else None for output in outputs]
    bench = _bench(accelerator, runs, tensors, outputs)
    place = cache or cache_folder()
    say("build", 0.0)
    built = build(
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
    banks = BankContents(remember)
    left: Array | None = None
    with running(accelerator.name, built, bench, waveform=target, log=log) as simulation:
        for job, given, parts, output, blocks, right in zip(jobs, tensors, runs, outputs, coded, wanted, strict=True):
            started = time.perf_counter()
            answers = []
            for part in parts:
                say("run", done / total)
                answers.append(_answer(simulation, done, part, given, output, banks, job, blocks))
                done += 1
            ended = time.perf_counter()
            if blocks and right:
                faults = tuple(block_faults(job.nest.output.tensor, blocks, right)) if job.reads else ()
            else:
                left = run(job.nest, given) if program else _meaning(accelerator, job, left if job.continues else None)
                expected = left if job.reads else output
                faults = tuple(output_faults(job.nest.output.tensor, output, expected))
            cycles = tuple(
                RunCycles(part.predicted_cycles, answer.counted_cycles, answer.timed_cycles)
                for part, answer in zip(parts, answers, strict=True)
            )
            busy = sum(each.counted for each in cycles)
            results.append(
                Result(
                    outputs=blocks.codes if blocks else output,
                    faults=(*faults, *cycle_faults(cycles)),
                    runs=cycles,
                    macs=job.nest.points,
                    utilization=job.nest.points / (busy * accelerator.manifest["units"]) if busy else 0.0,
                    simulator=simulator,
                    reused_build=built.reused,
                    build_seconds=built.seconds,
                    run_seconds=ended - started,
                    seconds=time.perf_counter() - began,
                    log=log,
                    waveform=waveform,
                    rows_written=banks.taken(),
                    rows_read=sum(part.readback[2] for part in parts) if job.reads else 0,
                    coded=blocks,
                    multiplier=1.0 if job.multiplier is None else job.multiplier,
                )
            )
        simulation.finish(at_least=total)
    say("run", 1.0)
    return tuple(results)


def _quantized(
    accelerator: Accelerator, jobs: Sequence[Job], made: BlockFormat | None
) -> tuple[Sequence[Job], Sequence[CodedBlocks | None]]:
    """The jobs with their multipliers, and what a design that quantizes has to give for each."""
    if made is None:
        return jobs, [None] * len(jobs)
    given, wanted = [], []
    left: Array | None = None
    for job in jobs:
        # What the design cannot run is refused before its meaning is computed.
        _runs(accelerator, job)
        left = _meaning(accelerator, job, left if job.continues else None)
        values = numbers(accelerator.manifest, left, job.alpha)
        multiplier = calibrated(made, values) if job.multiplier is None else job.multiplier
        given.append(replace(job, multiplier=multiplier))
        wanted.append(expected_blocks(made, values, multiplier))
    return given, wanted


def _runs(accelerator: Any, job: Job) -> Sequence[Run]:
    # Amaranth and the solvers come with it, which the benches of hand-written designs do not need.
    from hw.post.scaling import Scaling
    from hw.program import runs

    scaling = Scaling(job.alpha, 1.0 if job.multiplier is None else job.multiplier)
    return runs(accelerator, job.nest, job.dataflow, scaling, continues=job.continues, placed=job.placed)


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


def _bench(
    accelerator: Accelerator,
    runs: Sequence[Sequence[Run]],
    tensors: Sequence[Mapping[str, Array]],
    outputs: Sequence[Array],
) -> Bench:
    sizes: dict[int, int] = {}
    for parts, given, output in zip(runs, tensors, outputs, strict=True):
        sizes |= {load.tensor_id: load.rows.shape[1] for load in parts[0].loads(given, output)}
        sizes |= {tensor: row_bytes for tensor, _, _, row_bytes in (part.readback for part in parts)}
    return Bench(accelerator.top, accelerator.host_bits, tuple(sorted(sizes.items())))


def _answer(
    simulation: Simulator,
    number: int,
    part: Run,
    tensors: Mapping[str, Array],
    output: Array,
    banks: BankContents,
    job: Job,
    coded: CodedBlocks | None,
) -> Answer:
    """Do one run, which may start from what an earlier one left in ``output``, or in the banks."""
    tensor, address, rows, row_bytes = part.readback
    loads = banks.left_to_write(part.loads(tensors, output), tensor)
    deadline = 4 * part.predicted_cycles + 10_000
    read, filled = rows if job.reads else 0, 0 if job.continues else rows
    answer = simulation.do(Task(number, part.registers, loads, tensor, address, read, deadline, filled))
    if job.reads:
        found = np.frombuffer(answer.rows, np.uint8).reshape(rows, row_bytes)
        if coded is None or not cast(QuantizingRun, part).store_blocks(found, coded):
            part.store(found, output)
    return answer


def _new_log(cache: Path, name: str, simulator: str) -> Path:
    folder = cache / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}-{simulator}-{os.getpid()}.log"
