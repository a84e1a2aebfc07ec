"""Running studies: one result whatever runs it, in whatever order, however often it is killed."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from reports.exploration.area import ArrayTask, array_task
from reports.exploration.cluster import Farm, batch_cluster, farm, run_chunk_of, scheduler
from reports.exploration.engine import Progress, Shard, evaluate_points, finished_points
from reports.exploration.evaluate import evaluate, layer_tasks
from reports.exploration.runners import INTERNAL, RunnerError, processes, run_chunk, serial
from reports.exploration.store import Store
from reports.exploration.study_file import parse_study

STUDY = parse_study("""\
name: small
workloads:
  - name: first
    operators: {"gemm:m=5,n=7,k=9": 2, "conv2d:n=1,oc=4,ic=3,h=5,w=5,kh=3,kw=3": 1}
  - {name: second, weight: 0.5, operators: {"gemm:m=1,n=33,k=20": 3, "gemm:m=5,n=7,k=9": 7}}
axes:
  array: [4x4, 2x8]
  dataflows: [k-n+ic-oc, m-n+oh-ow, k-n]
  buffer: [20B, 1KB, 4KB]
fixed: {bandwidth_gb_per_s: 8}
""")
POINTS = STUDY.points()
EXPECTED = tuple(replace(evaluate(point, STUDY.workloads), seconds=0.0) for point in POINTS)


def shuffled(chunks):
    order = [(task,) for chunk in chunks for task in chunk]
    random.Random(7).shuffle(order)
    return serial(order)


def run(folder, runner=serial, points=POINTS, say=None, writer="results"):
    with Store(folder, writer) as store:
        return evaluate_points(STUDY, points, store, runner, say)


def test_the_study_has_points_that_fail_and_points_that_do_not():
    failures = {outcome.failure for outcome in EXPECTED if outcome.failure}
    assert 0 < sum(outcome.failure is None for outcome in EXPECTED) < len(EXPECTED)
    assert any("none of the axes k,n are loops of it" in failure for failure in failures)
    assert any("the buffer of 20 bytes excludes every mapping" in failure for failure in failures)


@pytest.mark.parametrize("runner", [serial, shuffled])
def test_the_order_does_not_matter(tmp_path, runner):
    assert run(tmp_path, runner) == EXPECTED


def test_processes_give_the_same(tmp_path):
    threads = os.environ.get("OPENBLAS_NUM_THREADS")
    with processes(2) as runner:
        assert run(tmp_path, runner) == EXPECTED
    assert os.environ.get("OPENBLAS_NUM_THREADS") == threads


def test_nothing_is_done_twice(tmp_path):
    mapped = []

    def watching(chunks):
        mapped.extend(task for chunk in chunks for task in chunk)
        return serial(chunks)

    run(tmp_path, watching, POINTS[:10])
    assert run(tmp_path, watching) == EXPECTED
    assert run(tmp_path, watching) == EXPECTED
    assert len(mapped) == len(set(mapped))
    everything = {task for point in POINTS for task in layer_tasks(point, STUDY.workloads, STUDY.mapped_for)}
    arrays = {task for outcome in EXPECTED if isinstance(task := array_task(outcome), ArrayTask)}
    assert len(arrays) > 1
    assert set(mapped) == everything | arrays


def test_shards_together_are_the_study(tmp_path):
    shards = [Shard(number, 4).of(POINTS) for number in (1, 2, 3, 4)]
    assert sorted(sum(shards, ()), key=POINTS.index) == list(POINTS)
    for number, points in enumerate(shards):
        assert len(run(tmp_path, points=points, writer=f"shard{number}")) == len(points)
        merged = finished_points(STUDY, POINTS, Store(tmp_path))
        assert set(sum(shards[: number + 1], ())) <= {outcome.point for outcome in merged}
    assert finished_points(STUDY, POINTS, Store(tmp_path)) == EXPECTED


def test_progress_counts_layers(tmp_path):
    said = []
    run(tmp_path, say=said.append)
    units = [progress.unit for progress in said]
    assert units == sorted(units, reverse=True) and set(units) == {"layers", "arrays"}
    for unit in ("layers", "arrays"):
        part = [progress for progress in said if progress.unit == unit]
        assert part[0] == Progress(0, part[-1].total, 0, unit)
        assert [p.done for p in part] == sorted(p.done for p in part)
        assert part[-1].done == part[-1].total > 0
        assert (0 < part[-1].failed < part[-1].done) == (unit == "layers")


def test_an_interrupted_run_keeps_what_was_done(tmp_path):
    def interrupted(chunks):
        for number, done in enumerate(serial(chunks)):
            if number == 4:
                raise KeyboardInterrupt
            yield done

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupted)
    assert len(Store(tmp_path).values()) > 4
    assert run(tmp_path) == EXPECTED


def test_a_fault_of_our_own_is_told_and_tried_again(tmp_path, monkeypatch):
    def broken(task):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("reports.exploration.runners.run_task", broken)
    outcomes = run(tmp_path, points=POINTS[:1])
    assert outcomes[0].failure == f"{INTERNAL}ZeroDivisionError: division by zero"
    monkeypatch.undo()
    assert run(tmp_path) == EXPECTED


KILLED = """
import sys, time
from pathlib import Path
from test_exploration_engine import POINTS, STUDY, evaluate_points, serial, Store
from reports.exploration.runners import processes

def slowly(runner):
    def run(chunks):
        for done in runner([(task,) for chunk in chunks for task in chunk]):
            print("done", flush=True)
            time.sleep(0.01)
            yield done
    return run

if __name__ == "__main__":
    with Store(Path(sys.argv[1])) as store, processes(1) as runner:
        evaluate_points(STUDY, POINTS, store, slowly(runner))
"""


def test_kill_at_any_moment_and_resume(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    moment = random.Random(os.getpid())
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, str(script), str(tmp_path / "store")],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
            start_new_session=True,
        )
        assert child.stdout is not None
        for _ in range(moment.randrange(1, 8)):
            child.stdout.readline()
        time.sleep(moment.random() * 0.02)
        child.kill()
        child.wait()
        # Its workers hold the other end of this pipe until they notice and end.
        deadline = time.monotonic() + 20
        child.stdout.read()
        assert time.monotonic() < deadline
        child.stdout.close()
    before = len(Store(tmp_path / "store").values())
    assert before > 0
    assert run(tmp_path / "store") == EXPECTED


def test_a_killed_worker_is_told(tmp_path):
    tasks = layer_tasks(POINTS[0], STUDY.workloads, "cycles")
    with processes(1) as runner:
        results = runner([tasks] * 50)
        next(results)
        _kill_children()
        with pytest.raises(RunnerError) as caught:
            list(results)
    assert str(caught.value) == (
        "a worker process was killed, perhaps for want of memory; what is finished is kept: "
        "run the same command again, with fewer --jobs"
    )


def _kill_children():
    for child in multiprocessing.active_children():
        os.kill(child.pid, signal.SIGKILL)


@pytest.mark.filterwarnings("ignore")
def test_workers_of_dask_give_the_same(tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=tmp_path
        ) as cluster,
        scheduler(cluster.scheduler_address) as runner,
    ):
        assert run(tmp_path / "store", runner) == EXPECTED


def test_a_worker_with_another_model_is_refused(monkeypatch):
    monkeypatch.setattr("reports.exploration.cluster.model_version", lambda: "there")
    with pytest.raises(RunnerError) as caught:
        run_chunk_of("here", ())
    assert str(caught.value) == (
        "a worker has another version of Brickwork (there, not here); expected the same installation everywhere"
    )
    assert run_chunk_of("there", ()) == run_chunk(())


@pytest.mark.filterwarnings("ignore")
def test_an_address_without_a_scheduler():
    with pytest.raises(RunnerError) as caught, scheduler("nowhere"):
        pass
    assert str(caught.value).startswith("--dask nowhere: no scheduler answers there: ")


SCRIPTS = {
    "slurm": ("#SBATCH -J brickwork", "#SBATCH -p fast", "#SBATCH -t 01:30:00", "#SBATCH --mem=3G", "-n 1"),
    "lsf": ("#BSUB -J brickwork", "#BSUB -q fast", "#BSUB -W 01:30", "#BSUB -M 3000", "#BSUB -n 1"),
    "sge": ("#$ -N brickwork", "#$ -q fast", "#$ -l h_rt=01:30:00"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("system", SCRIPTS)
def test_the_job_of_a_batch_system(system):
    with batch_cluster(Farm(system, 5, "fast", "01:30:00", "3GB")) as cluster:
        script = cluster.job_script()
    for line in SCRIPTS[system]:
        assert line in script
    assert "export OPENBLAS_NUM_THREADS=1" in script
    assert f"{sys.executable} -m distributed.cli.dask_worker tcp://" in script
    assert "--nthreads 1" in script


def test_a_batch_system_that_is_not_here(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RunnerError) as caught, farm(Farm("slurm", 2)):
        pass
    assert str(caught.value) == ("--cluster slurm: there is no command 'sbatch' here; run it where jobs are submitted")
