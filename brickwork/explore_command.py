"""The verb ``explore``: the designs of a study, evaluated on this machine or a cluster, ranked and compared."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Annotated

import typer

from brickwork import console
from brickwork.arguments import (
    HERE,
    GpuOption,
    InputDtypeOption,
    InputShapeOption,
    JsonOption,
    SimulatorOption,
)
from brickwork.exploration_steps import Workers, check_options, explore, explore_shard
from brickwork.explore_output import print_results, results_table
from brickwork.mistaken import refuse_nest
from brickwork.models import is_network
from brickwork.steps import ChoiceError
from brickwork.studies import load_study, written_study
from brickwork.watching import AT_THE_TERMINAL, interruptions
from reports.exploration.cluster import SYSTEMS, Farm, farm, scheduler
from reports.exploration.engine import Shard
from reports.exploration.outcome import PointOutcome
from reports.exploration.study import Study


def explore_(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|NETWORK",
            help="a study file such as examples/study_lego.yaml; or a network such as resnet50 or model.py:build, "
            "for which a study is written",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="folder for results and store; brickwork-out/NAME when left out")
    ] = None,
    inputs: InputShapeOption = None,
    input_dtype: InputDtypeOption = "float32",
    format_: Annotated[
        str | None, typer.Option("--format", help="number format in the study that is written; int8 when left out")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="processes, or jobs of a cluster; one a core when left out")] = None,
    limit: Annotated[int | None, typer.Option(help="evaluate only the first points")] = None,
    verify_: Annotated[
        int, typer.Option("--verify", help="generate and simulate the arrays of so many of the best points")
    ] = 0,
    simulator: SimulatorOption = "verilator",
    gpu: GpuOption = None,
    shard: Annotated[
        str | None, typer.Option(help="evaluate one part of the points, as 2/8; run without it to merge")
    ] = None,
    dask: Annotated[str | None, typer.Option(help="address of a dask scheduler, as tcp://host:8786")] = None,
    cluster: Annotated[str | None, typer.Option(help="start workers as jobs of slurm, lsf or sge")] = None,
    queue: Annotated[str | None, typer.Option(help="queue or partition of the cluster's jobs")] = None,
    walltime: Annotated[str, typer.Option(help="most time of one job of the cluster")] = "04:00:00",
    memory: Annotated[str, typer.Option(help="memory of one job of the cluster")] = "2GB",
    json_: JsonOption = False,
) -> None:
    """Evaluate the designs of a study and say which are best.

    Every layer is kept as soon as it is mapped: the same command goes on where an earlier run ended, however it did.
    Writes results.json, results.csv and study.html. docs/exploration.md says what a study file holds.

    Example: `brickwork explore examples/study_dc_ae.yaml --jobs 2`

    Example: `brickwork explore examples/models/small_cnn.py:build` writes a small study of a torch model and runs it

    Example: `brickwork explore examples/study_lego.yaml --limit 4 --verify 1`

    Example: `brickwork explore examples/study_lego.yaml --shard 2/8 --out /shared/lego`

    Example: `brickwork explore examples/study_lego.yaml --cluster slurm --jobs 64 --queue long`
    """
    began = time.perf_counter()
    with console.user_errors(), interruptions():
        part = None if shard is None else _shard(shard)
        check_options(jobs, limit, verify_, simulator)
        if part and verify_:
            raise ChoiceError("--verify needs the results of all shards; run without --shard to merge and verify")
        workers = _workers(dask, cluster, jobs, queue, walltime, memory)
        given, folder = _study(study, out, tuple(inputs or ()), input_dtype, format_)
        if part:
            outcomes = explore_shard(
                given, part, folder, jobs=jobs, workers=workers, limit=limit, watcher=AT_THE_TERMINAL
            )
            _print_shard(part, outcomes, json_)
            return
        results = explore(
            given,
            folder,
            jobs=jobs,
            workers=workers,
            limit=limit,
            verified=verify_,
            simulator=simulator,
            gpu=gpu or (),
            watcher=AT_THE_TERMINAL,
        )
        if json_:
            console.print_json(results_table(results, folder, time.perf_counter() - began))
        else:
            print_results(results, folder)
        if any(not check.passed for outcome in results.outcomes for check in outcome.verifications):
            raise typer.Exit(1)


def _study(
    text: str, out: Path | None, inputs: tuple[str, ...], input_dtype: str, number_format: str | None
) -> tuple[Study, Path]:
    """The study and the folder of its results; a network's study is written there first."""
    if is_network(text):
        return written_study(text, out, inputs=inputs, input_dtype=input_dtype, number_format=number_format or "int8")
    for option, given in (("--input", inputs), ("--format", number_format)):
        if given:
            raise ChoiceError(f"{option} is for networks that have no study yet; {text} says it itself")
    refuse_nest(text)
    study = load_study(text)
    return study, out or HERE / study.name


def _shard(text: str) -> Shard:
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ChoiceError(f"--shard: expected a number and how many there are, as 2/8, not {text!r}")
    return Shard(int(found[1]), int(found[2]))


def _workers(
    dask: str | None, cluster: str | None, jobs: int | None, queue: str | None, walltime: str, memory: str
) -> Workers | None:
    if dask and cluster:
        raise ChoiceError("--dask and --cluster exclude each other: the one runs already, the other is started")
    if cluster is not None and cluster not in SYSTEMS:
        raise ChoiceError(f"--cluster: expected one of {', '.join(SYSTEMS)}, not {cluster!r}")
    if queue is not None and cluster is None:
        raise ChoiceError("--queue is for jobs of a cluster; give --cluster too")
    if not re.fullmatch(r"\d{1,3}:[0-5]\d:[0-5]\d", walltime):
        raise ChoiceError(f"--walltime: expected hours, minutes and seconds, as 04:00:00, not {walltime!r}")
    if dask:
        return scheduler(dask)
    if cluster:
        return farm(Farm(cluster, jobs or len(os.sched_getaffinity(0)), queue, walltime, memory))
    return None


def _print_shard(part: Shard, outcomes: tuple[PointOutcome, ...], json_: bool) -> None:
    failed = sum(outcome.failure is not None for outcome in outcomes)
    if json_:
        console.print_json({"shard": part.number, "shards": part.count, "points": len(outcomes), "failed": failed})
    else:
        console.out.print(
            f"shard {part.number} of {part.count}: {len(outcomes)} points, {failed} failed; "
            "when all shards are done, run without --shard to merge them",
            markup=False,
        )
