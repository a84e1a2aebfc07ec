"""The store: nothing finished is lost, nothing torn is believed, and the order of writers does not matter."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.exploration.design_point import DesignPoint
from reports.exploration.identity import model_version, result_key
from reports.exploration.outcome import EnergyParts, LayerOutcome, PointOutcome, Verification, WorkloadOutcome
from reports.exploration.store import Store, StoreError
from reports.exploration.study import Study
from reports.exploration.workload import StudyWorkload

POINT = DesignPoint((2, 2), (("m", "n"),), "int8", 512, 8.0, 0.0, 1.0, "7nm", "hbm2")
LAYER = LayerOutcome("gemm", 1, 8, "d", (("m", 2),), "buffer", "", 9, 8, 7, 6, EnergyParts(1.0, 2.0, 3.0, 4.0), True)
CHECK = Verification("gemm:m=2", "m_n", True, 9, 9, "verilator")
STUDY = Study("s", "", (StudyWorkload("w", 1.0, (("gemm:m=2,n=2,k=2", 1),)),), {}, ())


def outcome(number: int, **changes) -> PointOutcome:
    point = replace(POINT, buffer_bytes=number + 1)
    return replace(PointOutcome(point, (WorkloadOutcome("w", 1.0, (LAYER,)),), None), **changes)


def fill(folder, writer, numbers):
    with Store(folder, writer) as store:
        for number in numbers:
            store.add(f"key{number}", outcome(number))
    return store


def test_outcomes_come_back(tmp_path):
    fill(tmp_path, "results", range(5))
    again = Store(tmp_path)
    assert again.outcomes() == {f"key{n}": outcome(n) for n in range(5)}


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    assert Store(tmp_path / "none").outcomes() == {}
    assert not (tmp_path / "none").exists()


def test_a_file_cut_anywhere_loses_only_what_was_being_written(tmp_path):
    path = fill(tmp_path, "results", range(3)).path
    whole = path.read_bytes()
    ends = [n + 1 for n, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(0, len(whole) + 1, 7):
        path.write_bytes(whole[:cut])
        finished = sum(end <= cut for end in ends)
        assert len(Store(tmp_path).outcomes()) == finished
        with Store(tmp_path) as store:
            assert store.outcomes() == {f"key{n}": outcome(n) for n in range(finished)}
            torn = f"{path}: the last line was cut off when a run was killed; its point runs again"
            assert store.notes == ([] if cut in (0, *ends) else [torn])
            store.add("key9", outcome(9))
        assert len(Store(tmp_path).outcomes()) == finished + 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.floats(0, 9)), max_size=12), st.randoms())
def test_the_order_of_writers_does_not_matter(tmp_path_factory, rows, random):
    written = []
    for _ in range(2):
        folder = tmp_path_factory.mktemp("store")
        names = ["a", "b", "c"]
        random.shuffle(names)
        random.shuffle(rows)
        for number, checks, seconds in rows:
            with Store(folder, random.choice(names)) as store:
                store.add(f"key{number}", outcome(number, verifications=(CHECK,) * checks, seconds=seconds))
        written.append(Store(folder).outcomes())
    assert written[0] == written[1]
    assert list(written[0]) == list(written[1])
    for number in {row[0] for row in rows}:
        most = max(checks for n, checks, _ in rows if n == number)
        assert len(written[0][f"key{number}"].verifications) == most


def test_two_writers_do_not_share_a_file(tmp_path):
    with Store(tmp_path), pytest.raises(StoreError) as caught:
        Store(tmp_path).__enter__()
    assert str(caught.value) == (
        f"{tmp_path / 'results.jsonl'} is being written by another run; "
        "wait for it, or give this one its own --shard or --out"
    )
    with Store(tmp_path), Store(tmp_path, "shard"):
        pass


@pytest.mark.parametrize("line", ["{}", "no", "[1]", json.dumps({"key": "k", "outcome": {"point": 1}})])
def test_a_line_that_is_no_outcome_is_refused(tmp_path, line):
    path = fill(tmp_path, "results", range(2)).path
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(StoreError) as caught:
        Store(tmp_path).outcomes()
    assert str(caught.value) == f"{path}:3: this is not an outcome; expected what a run wrote; delete it"


def test_a_store_where_no_folder_can_be(tmp_path):
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(StoreError) as caught:
        Store(place / "store").__enter__()
    assert str(caught.value) == f"cannot write {place / 'store' / 'results.jsonl'}: Not a directory"


def test_a_key_changes_with_everything_that_decides_the_outcome(tmp_path, monkeypatch):
    keys = {result_key(STUDY, POINT), result_key(STUDY, replace(POINT, clock_ghz=2.0))}
    keys.add(result_key(replace(STUDY, objective="time"), POINT))
    keys.add(result_key(replace(STUDY, workloads=(replace(STUDY.workloads[0], weight=2.0),)), POINT))
    monkeypatch.setattr("reports.exploration.identity.model_version", lambda: "another")
    keys.add(result_key(STUDY, POINT))
    assert len(keys) == 5
    monkeypatch.undo()
    assert result_key(replace(STUDY, name="other", question="?"), POINT) == result_key(STUDY, POINT)
    assert len(model_version()) == 16


def test_the_model_is_its_sources(tmp_path, monkeypatch):
    monkeypatch.setattr("reports.exploration.identity._ROOT", tmp_path)
    (tmp_path / "dataflow").mkdir()
    source = tmp_path / "dataflow" / "cost.py"
    versions = set()
    for text in ("a = 1", "a = 2"):
        source.write_text(text)
        model_version.cache_clear()
        versions.add(model_version())
    source.rename(tmp_path / "dataflow" / "price.py")
    model_version.cache_clear()
    versions.add(model_version())
    model_version.cache_clear()
    assert len(versions) == 3
