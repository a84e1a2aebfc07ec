"""The store: nothing finished is lost, nothing torn is believed, and the order of writers does not matter."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dataflow.technology
from dataflow.technology import read_technology
from reports.exploration.design_point import DesignPoint
from reports.exploration.evaluate import LayerTask
from reports.exploration.identity import _technology, model_version, result_key
from reports.exploration.store import Store, StoreError

technology_folder = Path(dataflow.technology.__file__).parent
POINT = DesignPoint((2, 2), (("m", "n"),), "int8", 512, 8.0, 0.0, 1.0, "7nm", "hbm2")
TASK = LayerTask("gemm:m=2,n=2,k=2,format=int8", POINT, "cycles")


def value(number: int, seconds: float = 0.0):
    return {"cycles": number, "text": "a\nb é", "seconds": seconds}


def fill(folder, writer, numbers):
    with Store(folder, writer) as store:
        for number in numbers:
            store.add(f"key{number}", value(number))
    return store


def test_values_come_back(tmp_path):
    fill(tmp_path, "results", range(5))
    again = Store(tmp_path)
    assert again.values() == {f"key{n}": value(n) for n in range(5)}


def test_a_folder_that_is_not_there_is_empty(tmp_path):
    assert Store(tmp_path / "none").values() == {}
    assert not (tmp_path / "none").exists()


def test_a_file_cut_anywhere_loses_only_what_was_being_written(tmp_path):
    path = fill(tmp_path, "results", range(3)).path
    whole = path.read_bytes()
    ends = [n + 1 for n, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(0, len(whole) + 1, 7):
        path.write_bytes(whole[:cut])
        finished = sum(end <= cut for end in ends)
        assert len(Store(tmp_path).values()) == finished
        with Store(tmp_path) as store:
            assert store.values() == {f"key{n}": value(n) for n in range(finished)}
            torn = f"{path}: the last line was cut off when a run was killed; its layer runs again"
            assert store.notes == ([] if cut in (0, *ends) else [torn])
            store.add("key9", value(9))
        assert len(Store(tmp_path).values()) == finished + 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 9)), max_size=12), st.randoms())
def test_the_order_of_writers_does_not_matter(tmp_path_factory, rows, random):
    written = []
    for _ in range(2):
        folder = tmp_path_factory.mktemp("store")
        names = ["a", "b", "c"]
        random.shuffle(names)
        random.shuffle(rows)
        for number, seconds in rows:
            with Store(folder, random.choice(names)) as store:
                store.add(f"key{number}", value(number, seconds))
        written.append(Store(folder).values())
    assert written[0] == written[1]
    assert list(written[0]) == list(written[1])
    assert set(written[0]) == {f"key{number}" for number, _ in rows}


def test_what_is_added_later_is_read_too(tmp_path):
    reader = Store(tmp_path)
    for count in range(4):
        with Store(tmp_path, f"writer{count % 2}") as store:
            store.add(f"key{count}", value(count))
            assert store.values() == reader.values() == {f"key{n}": value(n) for n in range(count + 1)}
    with (tmp_path / "writer1.jsonl").open("a") as file:
        file.write("no\n")
    with pytest.raises(StoreError) as caught:
        reader.values()
    assert str(caught.value).startswith(f"{tmp_path / 'writer1.jsonl'}:3: ")


def test_two_writers_do_not_share_a_file(tmp_path):
    with Store(tmp_path), pytest.raises(StoreError) as caught:
        Store(tmp_path).__enter__()
    assert str(caught.value) == (
        f"{tmp_path / 'results.jsonl'} is being written by another run; "
        "wait for it, or give this one its own --shard or --out"
    )
    with Store(tmp_path), Store(tmp_path, "shard"):
        pass


@pytest.mark.parametrize(
    "line", ["{}", "no", "[1]", json.dumps({"key": "k", "value": 1}), json.dumps({"key": 1, "value": {}})]
)
def test_a_line_that_is_no_outcome_is_refused(tmp_path, line):
    path = fill(tmp_path, "results", range(2)).path
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(StoreError) as caught:
        Store(tmp_path).values()
    assert str(caught.value) == f"{path}:3: this is not a result; expected what a run wrote; delete the line"


def test_a_store_where_no_folder_can_be(tmp_path):
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(StoreError) as caught:
        Store(place / "store").__enter__()
    assert str(caught.value) == f"cannot write {place / 'store' / 'results.jsonl'}: Not a directory"


def test_a_key_changes_with_everything_that_decides_the_result(tmp_path, monkeypatch):
    file = tmp_path / "my.toml"
    keys = set()
    for text in ("28nm", "45nm"):
        file.write_bytes((technology_folder / f"{text}.toml").read_bytes())
        read_technology.cache_clear()
        _technology.cache_clear()
        keys.add(result_key(replace(TASK, point=replace(POINT, technology=str(file)))))
    keys |= {result_key(TASK), result_key(replace(TASK, point=replace(POINT, clock_ghz=2.0)))}
    keys |= {result_key(replace(TASK, objective="energy")), result_key(replace(TASK, operator="gemm:m=3,n=2,k=2"))}
    monkeypatch.setattr("reports.exploration.identity.model_version", lambda: "another")
    keys.add(result_key(TASK))
    assert len(keys) == 7
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
