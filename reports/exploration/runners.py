"""Where layers are mapped: in this process, in processes on this machine, or by the workers of a cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from reports.exploration.area import ArrayResult, ArrayTask, run_array
from reports.exploration.evaluate import LayerResult, LayerTask, run_task
from workloads.errors import BrickworkError

Task = LayerTask | ArrayTask
Result = LayerResult | ArrayResult
Chunk = tuple[Task, ...]
Done = tuple[Chunk, tuple[Result, ...]]
# Gives each chunk with its results, in any order.
Runner = Callable[[Sequence[Chunk]], Iterator[Done]]

# Threads of numpy's libraries gain nothing here and take the cores of other workers.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# What begins a result that says nothing about the point; it is not kept, so that a mended tool tries again.
INTERNAL = "internal fault, please report it: "
# Chunks handed out before their turn, so that no worker waits; few, so that an interrupted run ends soon.
_AHEAD = 2


class RunnerError(BrickworkError):
    """Workers that cannot be had, or that died."""


def run_chunk(chunk: Chunk) -> tuple[Result, ...]:
    """Map the layers of a chunk and count its arrays; a fault of our own is the result, not the end of the study."""
    results: list[Result] = []
    for task in chunk:
        try:
            results.append(run_array(task) if isinstance(task, ArrayTask) else run_task(task))
        except Exception as error:
            results.append(f"{INTERNAL}{type(error).__name__}: {error}")
    return tuple(results)


def serial(chunks: Sequence[Chunk]) -> Iterator[Done]:
    """One after the other, in this process."""
    for chunk in chunks:
        yield chunk, run_chunk(chunk)


@contextmanager
def processes(jobs: int) -> Iterator[Runner]:
    """Processes of this machine, started afresh and ended with the context."""
    before = set(multiprocessing.active_children())
    kept = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), initializer=_begin_worker)
    try:
        yield lambda chunks: _in_pool(pool, chunks, jobs)
    finally:
        for worker in set(multiprocessing.active_children()) - before:
            worker.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _in_pool(pool: ProcessPoolExecutor, chunks: Sequence[Chunk], jobs: int) -> Iterator[Done]:
    running: dict[Future[tuple[Result, ...]], Chunk] = {}
    waiting = iter(chunks)
    try:
        while True:
            for chunk in waiting:
                running[pool.submit(run_chunk, chunk)] = chunk
                if len(running) >= jobs * _AHEAD:
                    break
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield running.pop(future), future.result()
    except BrokenProcessPool:
        raise RunnerError(
            "a worker process was killed, perhaps for want of memory; what is finished is kept: "
            "run the same command again, with fewer --jobs"
        ) from None


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it even where it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
