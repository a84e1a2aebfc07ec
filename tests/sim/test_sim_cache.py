"""Folders of the cache are filled once, by content, and all or nothing."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dot_engine import VERILOG, Engine, gemv, program

from sim import cache, simulate
from sim.bench_verilog import Bench
from sim.build import build
from workloads.interpreter import random_inputs


def test_many_at_once_fill_once(tmp_path: Path) -> None:
    filled: list[Path] = []

    def fill(work: Path) -> None:
        filled.append(work)
        (work / "made").write_text("whole")

    with ThreadPoolExecutor(8) as pool:
        reused = list(pool.map(lambda _: cache.filled(tmp_path / "place" / "key", fill), range(16)))
    assert (len(filled), reused.count(False)) == (1, 1)
    assert (tmp_path / "place" / "key" / "made").read_text() == "whole"


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    def fill(work: Path) -> None:
        (work / "half").write_text("half")
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        cache.filled(tmp_path / "key", fill)
    assert [p.name for p in tmp_path.iterdir()] == ["key.lock"]
    assert cache.filled(tmp_path / "key", lambda work: None) is False
    assert cache.filled(tmp_path / "key", fill) is True


def test_longest_unused_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(work: Path) -> None:
        (work / "data").write_bytes(bytes(100))

    monkeypatch.setattr(cache, "MOST_BYTES", 250)
    for name, used in (("early", 10), ("idle", 5)):
        cache.filled(tmp_path / name, fill)
        os.utime(tmp_path / name, (used, used))
    cache.filled(tmp_path / "new", fill)
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["early", "new"]


@pytest.mark.parametrize(
    ("verilog", "row_bytes", "same"),
    [
        (VERILOG, 4, True),
        (VERILOG.replace("8'd1", "8'h1"), 4, False),
        (VERILOG, 3, False),
    ],
    ids=["same", "other-design", "other-bench"],
)
def test_key_is_the_content(verilog: str, row_bytes: int, same: bool, tmp_path: Path) -> None:
    def made(text: str, size: int) -> tuple[Path, bool]:
        bench = Bench("dot_engine", 32, ((0, 4), (1, 4), (2, size)))
        found = build("dot_engine", text, bench, simulator="icarus", cycles=9, waveform=None, cache=tmp_path)
        return found.program, found.reused

    first, again = made(VERILOG, 4), made(verilog, row_bytes)
    assert first[1] is False
    assert again[1] is same
    assert (first[0] == again[0]) is same


def test_unchanged_design_is_not_built_again(tmp_path: Path) -> None:
    nest = gemv(5, 8)
    results = [
        simulate(Engine(), nest, random_inputs(nest, seed), simulator="icarus", program=program, cache=tmp_path)
        for seed in (1, 2)
    ]
    assert [r.reused_build for r in results] == [False, True]
    assert all(r.matches for r in results)
    assert all(r.log.is_relative_to(tmp_path) for r in results)
