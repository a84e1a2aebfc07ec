"""The steps from a study to its results and to a comparison with a GPU, as functions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from brickwork.arguments import HERE, SIMULATORS
from brickwork.explore_files import RESULTS, check_places, write_results
from brickwork.files import check_writable, write_all
from brickwork.gpu_files import gpu_of
from brickwork.mistaken import refuse_unexplored
from brickwork.steps import ChoiceError
from brickwork.studies import load_study
from reports.compare import GpuComparison
from reports.exploration import engine
from reports.exploration.engine import Shard
from reports.exploration.outcome import PointOutcome
from reports.exploration.results import Results
from reports.exploration.runners import Runner, processes, serial
from reports.exploration.store import Store
from reports.exploration.study import Study
from reports.exploration.verify import verify

if TYPE_CHECKING:
    from reports.study_page.results import StoredResults

Workers = AbstractContextManager[Runner]
Phases = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told how far an exploration is; nobody unless a field says otherwise.

    Attributes
    ----------
    layers
        From a title, a context whose value is told of layers that are mapped.
    phases
        From a title, a context whose value is told of a phase and the part that is done, 0 to 1.
    note
        Told what was found in the store and repaired.
    """

    layers: Callable[[str], AbstractContextManager[engine.Say | None]] = lambda title: nullcontext()
    phases: Callable[[str], AbstractContextManager[Phases]] = lambda title: nullcontext(lambda phase, part: None)
    note: Callable[[str], None] = lambda text: None


UNWATCHED = Watcher()


@dataclass(frozen=True, slots=True)
class WrittenPage:
    """Where a page and its figures were written, and how many designs it shows."""

    page: Path
    figures: tuple[Path, ...]
    designs: int


class ExplorationInterrupted(KeyboardInterrupt):
    """Ctrl-C during an exploration; what is finished is kept.

    Attributes
    ----------
    layers : int
        Results in the store.
    folder : Path
    """

    def __init__(self, layers: int, folder: Path) -> None:
        self.layers, self.folder = layers, folder
        super().__init__(f"interrupted; {layers} layers are kept in {folder}")


def explore(
    study: Study | str | Path,
    folder: Path | None = None,
    *,
    jobs: int | None = None,
    workers: Workers | None = None,
    limit: int | None = None,
    verified: int = 0,
    simulator: str = "verilator",
    gpu: Sequence[Path] = (),
    watcher: Watcher = UNWATCHED,
) -> Results:
    """Evaluate the designs of a study and write results.json, results.csv and study.html.

    Every layer is kept as soon as it is mapped: the same call goes on where an earlier one ended, however it did.

    Parameters
    ----------
    study
        A study, or its file.
    folder
        For results and store; ``brickwork-out/NAME`` when left out.
    jobs
        Processes of this machine, one a core when left out. With several, a program must be guarded by
        ``if __name__ == "__main__"``.
    workers
        Whoever else evaluates, as `reports.exploration.cluster` makes them, in place of ``jobs``.
    limit
        Evaluate only the first points; the baselines are evaluated in any case.
    verified
        Generate and simulate the arrays of so many of the best points.
    gpu
        Measurement files for the page; those that come with Brickwork when empty.

    Returns
    -------
    Results
        ``ranked``, best first; ``front``, the Pareto front; ``comparisons`` with the baselines. Times are in s,
        energies in J, areas in mm2.

    Raises
    ------
    BrickworkError
        The study has faults, a file cannot be read or written, workers cannot be had, or a design cannot be verified.
    ExplorationInterrupted
        By Ctrl-C; what is finished is kept.
    """
    check_options(jobs, limit, verified, simulator)
    measured = gpu_of(gpu)
    given, place = _placed(study, folder)
    check_places(place)
    with _store(place, watcher) as store:
        results = _evaluated(given, place, workers or local_workers(jobs), store, limit, watcher)
        if verified:
            results = _verified(results, verified, simulator, watcher)
    with watcher.phases("page") as say:
        say("drawing the arrays", 0)
        write_results(results, place, measured.measurements)
    return results


def explore_shard(
    study: Study,
    shard: Shard,
    folder: Path | None = None,
    *,
    jobs: int | None = None,
    workers: Workers | None = None,
    limit: int | None = None,
    watcher: Watcher = UNWATCHED,
) -> tuple[PointOutcome, ...]:
    """Evaluate one part of a study's points into a file of its own; `explore` merges all that the folder has.

    Raises
    ------
    ChoiceError
        Each point of the study depends on the ones before it.
    BrickworkError
        As `explore`.
    ExplorationInterrupted
        By Ctrl-C; what is finished is kept.
    """
    check_options(jobs, limit)
    if study.strategy.kind == "optuna":
        raise ChoiceError("--shard: Optuna chooses each point by the ones before it; use --jobs, --dask or --cluster")
    given, place = _placed(study, folder)
    check_places(place)
    points = shard.of((*(point for _, point in given.baselines), *given.points()[:limit]))
    with _store(place, watcher, f"shard-{shard.number}-of-{shard.count}") as store, _kept(store, place):
        title = f"{given.name} {shard.number}/{shard.count}"
        with workers or local_workers(jobs) as runner, watcher.layers(title) as say:
            return engine.evaluate_points(given, points, store, runner, say)


def compare(
    results: Results | str | Path,
    gpu: Sequence[Path] = (),
    *,
    folder: Path | None = None,
    watcher: Watcher = UNWATCHED,
) -> GpuComparison:
    """Put each layer of the best design beside the same work on a GPU; docs/comparison.md has the rules.

    Parameters
    ----------
    results
        What `explore` returns, a results.json, or a study file; a study that has not been explored is explored first.
    gpu
        Measurement files of `bench`, of one kind of GPU; those of an H200 that come with Brickwork when empty.
    folder
        Of a study file's exploration; ``brickwork-out/NAME`` when left out.

    Returns
    -------
    GpuComparison
        Times in us and energies in J: modelled on the accelerator, measured on the GPU, or what its published peak and
        bandwidth allow.

    Raises
    ------
    BrickworkError
        A file cannot be read, or no design could be evaluated.
    """
    from reports.compare import compare_with_gpu

    measured = gpu_of(gpu)
    return compare_with_gpu(stored_of(results, folder, watcher=watcher).chosen, measured.measurements)


def page(
    results: Results | str | Path,
    out: Path = Path("study.html"),
    *,
    gpu: Sequence[Path] = (),
    folder: Path | None = None,
    figures: str | None = None,
    watcher: Watcher = UNWATCHED,
) -> WrittenPage:
    """Write the page of an exploration: designs, layers, energies, mappings, arrays and every constant.

    Parameters
    ----------
    results, gpu, folder
        As in `compare`.
    figures
        ``svg``, ``pdf`` or ``png``: write figures for papers beside the page too, named after it.

    Raises
    ------
    BrickworkError
        A file cannot be read or written, or figures are of no known kind.
    """
    from reports.study_page import study_page
    from reports.study_page.figures import FILE_KINDS, study_figures

    check_writable(out)
    if figures is not None and figures not in FILE_KINDS:
        raise ChoiceError(f"--figures: expected one of {', '.join(FILE_KINDS)}, not {figures!r}")
    measured = gpu_of(gpu)
    stored = stored_of(results, folder, watcher=watcher)
    files = {out: study_page(stored.header, stored.outcomes, measured.measurements).encode()}
    drawn = study_figures(stored.outcomes, figures) if figures else {}
    beside = {out.with_name(f"{out.stem}_{name}.{figures}"): content for name, content in drawn.items()}
    write_all(files | beside)
    return WrittenPage(out, tuple(beside), len(stored.outcomes))


def stored_of(
    results: Results | str | Path, folder: Path | None = None, *, watcher: Watcher = UNWATCHED
) -> StoredResults:
    """What a results file holds, or what a study finds; layers that its store has are not evaluated again.

    Parameters
    ----------
    results
        What `explore` returns or writes, or a study file.
    folder
        Of the study's exploration; ``brickwork-out/NAME`` when left out.

    Raises
    ------
    BrickworkError
    """
    from reports.study_page.results import read_results, stored_results

    if isinstance(results, Results):
        return stored_results(results.facts)
    refuse_unexplored(str(results))
    path = Path(results)
    if path.suffix not in (".yaml", ".yml"):
        if folder is not None:
            raise ChoiceError(f"--store is for a study file (.yaml), not for {path}")
        return read_results(path)
    study, place = _placed(path, folder)
    with _store(place, watcher) as store:
        found = stored_results(_evaluated(study, place, local_workers(), store, None, watcher).facts)
    if not (place / RESULTS).is_file():
        return found
    # Simulations are in the results file only; they count for points whose outcome is still the same.
    checked = {o: o.verifications for o in read_results(place / RESULTS).outcomes}
    earlier = {replace(outcome, verifications=()): checks for outcome, checks in checked.items()}
    outcomes = (replace(outcome, verifications=earlier.get(outcome, ())) for outcome in found.outcomes)
    return replace(found, outcomes=tuple(outcomes))


def check_options(jobs: int | None, limit: int | None, verified: int = 0, simulator: str = "verilator") -> None:
    """Refuse numbers and names that no exploration can have, before anything is written."""
    for option, value in (("--jobs", jobs), ("--limit", limit)):
        if value is not None and value < 1:
            raise ChoiceError(f"{option}: expected at least 1, not {value}")
    if verified < 0:
        raise ChoiceError(f"--verify: expected 0 or more, not {verified}")
    if simulator not in SIMULATORS:
        raise ChoiceError(f"--simulator: expected one of {', '.join(SIMULATORS)}, not {simulator!r}")


def local_workers(jobs: int | None = None) -> Workers:
    """Processes of this machine, one a core unless told otherwise."""
    count = jobs or len(os.sched_getaffinity(0))
    return nullcontext(serial) if count == 1 else processes(count)


def _placed(study: Study | str | Path, folder: Path | None) -> tuple[Study, Path]:
    given = study if isinstance(study, Study) else load_study(study)
    return given, folder or HERE / given.name


@contextmanager
def _store(folder: Path, watcher: Watcher, writer: str = "results") -> Iterator[Store]:
    with Store(folder / "store", writer) as store:
        for note in store.notes:
            watcher.note(note)
        yield store


@contextmanager
def _kept(store: Store, folder: Path) -> Iterator[None]:
    """Say at Ctrl-C what is kept."""
    try:
        yield
    except KeyboardInterrupt:
        raise ExplorationInterrupted(len(store.values()), folder) from None


def _evaluated(
    study: Study, folder: Path, workers: Workers, store: Store, limit: int | None, watcher: Watcher
) -> Results:
    with _kept(store, folder), workers as runner, watcher.layers(study.name) as say:
        return engine.explore(study, store, runner, limit=limit, say=say)


def _verified(results: Results, count: int, simulator: str, watcher: Watcher) -> Results:
    """The results with the best points simulated; a Ctrl-C leaves what the engine found in the store."""
    checks = {}
    with watcher.phases("verify") as say:
        for outcome in results.ranked[:count]:
            checks[outcome.point] = verify(outcome, results.study.mapped_for, simulator=simulator, say=say)
    outcomes = tuple(replace(o, verifications=checks.get(o.point, ())) for o in results.outcomes)
    return replace(results, outcomes=outcomes)
