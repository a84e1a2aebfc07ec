"""The verb ``explore``: the designs of a study, evaluated on this machine or a cluster, ranked and compared."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from brickwork import console
from brickwork.arguments import HERE, SIMULATORS, JsonOption, SimulatorOption
from brickwork.files import check_writable, write_all
from brickwork.steps import ChoiceError
from reports.exploration.cluster import SYSTEMS, Farm, farm, scheduler
from reports.exploration.engine import Progress as Layers
from reports.exploration.engine import Say, Shard, evaluate_points, explore
from reports.exploration.outcome import PointOutcome
from reports.exploration.results import Results
from reports.exploration.runners import Runner, processes, serial
from reports.exploration.store import Store
from reports.exploration.study import Study
from reports.exploration.study_file import load_study
from reports.exploration.verify import verify

_ROWS = 20


def explore_(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="a study file, such as examples/study_lego.yaml")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="folder for results and store; brickwork-out/NAME when left out")
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="processes, or jobs of a cluster; one a core when left out")] = None,
    limit: Annotated[int | None, typer.Option(help="evaluate only the first points")] = None,
    verify_: Annotated[
        int, typer.Option("--verify", help="generate and simulate the arrays of so many of the best points")
    ] = 0,
    simulator: SimulatorOption = "verilator",
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
    Writes results.json and results.csv. docs/exploration.md says what a study file holds.

    Example: `brickwork explore examples/study_dc_ae.yaml --jobs 2`

    Example: `brickwork explore examples/study_lego.yaml --limit 4 --verify 1`

    Example: `brickwork explore examples/study_lego.yaml --shard 2/8 --out /shared/lego`

    Example: `brickwork explore examples/study_lego.yaml --cluster slurm --jobs 64 --queue long`
    """
    with console.user_errors():
        part = None if shard is None else _shard(shard)
        for option, value in (("--jobs", jobs), ("--limit", limit)):
            if value is not None and value < 1:
                raise ChoiceError(f"{option}: expected at least 1, not {value}")
        if verify_ < 0:
            raise ChoiceError(f"--verify: expected 0 or more, not {verify_}")
        if simulator not in SIMULATORS:
            raise ChoiceError(f"--simulator: expected one of {', '.join(SIMULATORS)}, not {simulator!r}")
        if part and verify_:
            raise ChoiceError("--verify needs the results of all shards; run without --shard to merge and verify")
        given = load_study(study)
        if part and given.strategy.kind == "optuna":
            raise ChoiceError(
                "--shard: Optuna chooses each point by the ones before it; use --jobs, --dask or --cluster"
            )
        folder = out or HERE / given.name
        check_writable(folder / "results.json")
        workers = _workers(dask, cluster, jobs or len(os.sched_getaffinity(0)), queue, walltime, memory)
        writer = "results" if part is None else f"shard-{part.number}-of-{part.count}"
        with Store(folder / "store", writer) as store:
            for note in store.notes:
                console.err.print(note, markup=False)
            if part:
                _evaluate_shard(given, part, limit, store, workers, folder, json_)
                return
            try:
                with workers as runner, _bar(given.name) as say:
                    results = explore(given, store, runner, limit=limit, say=say)
            except KeyboardInterrupt:
                _interrupted(store, folder)
            checked = _verified(results, verify_, simulator)
        _write(checked, folder)
        if json_:
            console.print_json(checked.facts)
        else:
            _print(checked, folder)
        if any(not check.passed for outcome in checked.outcomes for check in outcome.verifications):
            raise typer.Exit(1)


def _shard(text: str) -> Shard:
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ChoiceError(f"--shard: expected a number and how many there are, as 2/8, not {text!r}")
    return Shard(int(found[1]), int(found[2]))


def _workers(
    dask: str | None, cluster: str | None, jobs: int, queue: str | None, walltime: str, memory: str
) -> AbstractContextManager[Runner]:
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
        return farm(Farm(cluster, jobs, queue, walltime, memory))
    return nullcontext(serial) if jobs == 1 else processes(jobs)


def _evaluate_shard(
    study: Study,
    part: Shard,
    limit: int | None,
    store: Store,
    workers: AbstractContextManager[Runner],
    folder: Path,
    json_: bool,
) -> None:
    points = part.of((*(point for _, point in study.baselines), *study.points()[:limit]))
    try:
        with workers as runner, _bar(f"{study.name} {part.number}/{part.count}") as say:
            outcomes = evaluate_points(study, points, store, runner, say)
    except KeyboardInterrupt:
        _interrupted(store, folder)
    failed = sum(outcome.failure is not None for outcome in outcomes)
    if json_:
        console.print_json({"shard": part.number, "shards": part.count, "points": len(points), "failed": failed})
    else:
        console.out.print(
            f"shard {part.number} of {part.count}: {len(points)} points, {failed} failed; "
            "when all shards are done, run without --shard to merge them",
            markup=False,
        )


def _interrupted(store: Store, folder: Path) -> None:
    console.err.print(
        f"brickwork: interrupted; {len(store.values())} layers are kept in {folder}: run the same command to go on",
        markup=False,
    )
    raise typer.Exit(console.INTERRUPTED) from None


@contextmanager
def _bar(title: str) -> Iterator[Say | None]:
    """Layers done, and when the rest will be."""
    if not console.err.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[unit]},"))
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, *times, console=console.err, transient=True) as bar:
        task = bar.add_task(title, total=None, unit="layers")

        def say(layers: Layers) -> None:
            failed = f", {layers.failed} failed" if layers.failed else ""
            bar.update(
                task, description=f"{title}{failed}", total=layers.total, completed=layers.done, unit=layers.unit
            )

        yield say


def _verified(results: Results, count: int, simulator: str) -> Results:
    """The results with the best points simulated; a Ctrl-C leaves what the engine found in the store."""
    if not count:
        return results
    study = results.study
    checks = {}
    with console.progress("verify") as say:
        for outcome in results.ranked[:count]:
            checks[outcome.point] = verify(outcome, study.mapped_for, simulator=simulator, say=say)
    outcomes = tuple(replace(o, verifications=checks.get(o.point, ())) for o in results.outcomes)
    return replace(results, outcomes=outcomes)


def _write(results: Results, folder: Path) -> None:
    write_all(
        {
            folder / "results.json": (json.dumps(results.facts, indent=1) + "\n").encode(),
            folder / "results.csv": results.csv.encode(),
        }
    )


def _print(results: Results, folder: Path) -> None:
    say, study = console.out.print, results.study
    failed = sum(outcome.failure is not None for outcome in results.outcomes)
    excluded = len(results.outcomes) - len(results.ranked) - failed
    say(
        f"{study.name}: {len(results.outcomes)} points, {failed} failed, {excluded} excluded by constraints; "
        f"{len(results.front)} on the Pareto front",
        markup=False,
    )
    if study.question:
        say(study.question, markup=False, style="italic")
    if not results.ranked:
        for outcome in results.outcomes[:_ROWS]:
            say(f"  {outcome.point}: {'; '.join(study.broken(outcome))}", markup=False)
    else:
        say(_table(results))
        best = results.ranked[0]
        say(f"best by {study.objective}: {best.point}", markup=False)
        for name, each in results.comparisons:
            say(
                f"  against {name}: {each.speed:.2f} times the speed, {each.energy:.2f} times less energy "
                "(geometric means over the workloads)",
                markup=False,
            )
        for end in results.stability:
            moved = f"{len(end.stays)} of {len(results.front)} stay, {len(end.enters)} join"
            say(f"  front with every energy at the {end.band} end of its band: {moved}", markup=False)
        for outcome in results.ranked:
            for check in outcome.verifications:
                verdict = "[green]match[/green]" if check.passed else "[red]MISMATCH[/red]"
                say(f"  simulated {check.nest} on {check.dataflow}: {verdict}, {check.simulated_cycles:,} cycles")
    say(f"written to {folder / 'results.json'} and results.csv", markup=False)


def _table(results: Results) -> Table:
    table = Table(box=None, title="Pareto front, fastest first", title_justify="left")
    for heading in ("design", "time ms", "energy mJ", "power W", "area mm2", "use", "rank"):
        table.add_column(heading, justify="left" if heading == "design" else "right", overflow="fold")
    ranks = {outcome.point: rank for rank, outcome in enumerate(results.ranked, 1)}
    for outcome in results.front[:_ROWS]:
        table.add_row(*_cells(outcome), str(ranks[outcome.point]))
    return table


def _cells(outcome: PointOutcome) -> tuple[str, ...]:
    area = "" if outcome.area_mm2 is None else f"{outcome.area_mm2:.3f}"
    power = outcome.energy_j / outcome.time_s
    return (
        str(outcome.point),
        f"{outcome.time_s * 1e3:,.3f}",
        f"{outcome.energy_j * 1e3:,.3f}",
        f"{power:.3f}",
        area,
        f"{outcome.utilization:.1%}",
    )
