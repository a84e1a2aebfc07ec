"""Workers of other machines through dask: a scheduler that runs already, or one that starts batch jobs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from typing import Any

from reports.exploration.identity import model_version
from reports.exploration.runners import ONE_THREAD, Chunk, Done, Result, Runner, RunnerError, run_chunk

SYSTEMS = {"slurm": ("SLURMCluster", "sbatch"), "lsf": ("LSFCluster", "bsub"), "sge": ("SGECluster", "qsub")}
# Chunks that the scheduler has; enough for hundreds of workers, little enough to cancel at once.
_AHEAD = 1024


@dataclass(frozen=True, slots=True)
class Farm:
    """Batch jobs of one worker each.

    Attributes
    ----------
    system : str
        A key of `SYSTEMS`.
    jobs : int
    queue : str or None
        The system's default, or that of dask's own configuration, when None.
    walltime : str
        Hours, minutes and seconds, after which the system ends a job.
    memory : str
        Of one job, as ``2GB``.
    """

    system: str
    jobs: int
    queue: str | None = None
    walltime: str = "04:00:00"
    memory: str = "2GB"


@contextmanager
def scheduler(address: str) -> Iterator[Runner]:
    """Workers of a dask scheduler that runs already, such as ``tcp://host:8786``.

    Raises
    ------
    RunnerError
    """
    distributed = _imported("distributed")
    try:
        client = distributed.Client(address, timeout="20s")
    except (OSError, ValueError, TimeoutError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunnerError(f"--dask {address}: no scheduler answers there: {reason}") from None
    with client:
        yield lambda chunks: _on_client(distributed, client, chunks)


@contextmanager
def farm(wanted: Farm) -> Iterator[Runner]:
    """Workers as jobs of a batch system; they are cancelled with the context.

    Raises
    ------
    RunnerError
        The batch system's commands are not there.
    """
    _, command = SYSTEMS[wanted.system]
    if shutil.which(command) is None:
        raise RunnerError(
            f"--cluster {wanted.system}: there is no command {command!r} here; run it where jobs are submitted"
        )
    distributed = _imported("distributed")
    with batch_cluster(wanted) as cluster, distributed.Client(cluster) as client:
        cluster.scale(jobs=wanted.jobs)
        yield lambda chunks: _on_client(distributed, client, chunks)


def batch_cluster(wanted: Farm) -> Any:
    """dask-jobqueue's cluster, not yet scaled; its ``job_script()`` is what would be submitted."""
    kind, _ = SYSTEMS[wanted.system]
    options = {} if wanted.queue is None else {"queue": wanted.queue}
    if wanted.system == "lsf":
        # LSF counts in hours and minutes.
        options["walltime"] = wanted.walltime.rpartition(":")[0]
    else:
        options["walltime"] = wanted.walltime
    return getattr(_imported("dask_jobqueue"), kind)(
        cores=1,
        processes=1,
        memory=wanted.memory,
        job_name="brickwork",
        python=sys.executable,
        job_script_prologue=[f"export {name}={value}" for name, value in ONE_THREAD.items()],
        scheduler_options={"dashboard_address": None},
        **options,
    )


def run_chunk_of(version: str, chunk: Chunk) -> tuple[Result, ...]:
    """`run_chunk` on a worker, which must have the same model as who asks.

    Raises
    ------
    RunnerError
    """
    if model_version() != version:
        raise RunnerError(
            f"a worker has another version of Brickwork ({model_version()}, not {version}); "
            "expected the same installation everywhere"
        )
    return run_chunk(chunk)


def _on_client(distributed: Any, client: Any, chunks: Sequence[Chunk]) -> Iterator[Done]:
    version = model_version()
    waiting = iter(chunks)
    running = {}
    finished = distributed.as_completed()

    def submit(count: int) -> None:
        for chunk in islice(waiting, count):
            # Pure functions get the same key for the same arguments; a failed one must be able to run again.
            future = client.submit(run_chunk_of, version, chunk, pure=False)
            running[future] = chunk
            finished.add(future)

    submit(_AHEAD)
    try:
        for future in finished:
            yield running.pop(future), future.result()
            submit(1)
    except distributed.KilledWorker:
        raise RunnerError(
            "workers were lost several times over the same layers; what is finished is kept: "
            "run the same command again, with more memory for each"
        ) from None
    finally:
        client.cancel(list(running))


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise RunnerError(
            f"package {name!r} is not installed; expected the extra 'cluster': pip install 'brickwork[cluster]'"
        ) from None
