from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sw_kernels.bench import BenchError, bench
from sw_kernels.cases import cases
from sw_kernels.measure import NoGpuError, copies_past_cache, relative_error

SHIPPED = Path(__file__).parents[2] / "sw_kernels" / "measurements" / "h200.json"
KEYS = {"name", "error", "time_us", "energy_j", "flop", "bytes", "peer", "ratio_to_peer"}


def test_bench_rejects_an_unknown_case(tmp_path: Path) -> None:
    with pytest.raises(BenchError) as caught:
        bench(["gem", "fft"], tmp_path / "gpu.json")
    names = ", ".join(case.name for case in cases())
    assert str(caught.value) == f"case 'fft' is not known; expected the beginning of one of {names}"


def test_bench_needs_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NoGpuError) as caught:
        bench(["gemm-128"], tmp_path / "gpu.json")
    assert str(caught.value) == (
        "no CUDA GPU can be used here (torch sees none); measurements need one with torch and triton"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("bytes_each", "copies"),
    [(1, 64), (10_000_000, 25), (50_000_000, 5), (1_000_000_000, 2)],
    ids=["tiny", "small", "cache-size", "huge"],
)
def test_copies_leave_the_cache(bytes_each: int, copies: int) -> None:
    assert copies_past_cache(bytes_each, 50_000_000) == copies


def test_relative_error() -> None:
    reference = torch.tensor([3.0, -4.0])
    assert relative_error(torch, reference + torch.tensor([0.0, 0.5]), reference) == pytest.approx(
        (0.1, 0.5 / 12.5**0.5)
    )
    # Elements that were never written are NaN, and no bound may let them pass.
    assert all(not error <= 1e9 for error in relative_error(torch, torch.tensor([3.0, float("nan")]), reference))


def test_shipped_measurement_covers_every_case() -> None:
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert [row["name"] for row in shipped["cases"]] == [case.name for case in cases()]
    assert {"gpu", "versions", "provenance", "cases"} <= set(shipped)
    for row, case in zip(shipped["cases"], cases(), strict=True):
        assert set(row) >= KEYS
        assert row["flop"] == 2 * case.nest.points
        # The densest int8 rate of this GPU, in TFLOP/s, which no kernel beats.
        assert row["flop"] / row["time_us"] * 1e-6 < 2000
        assert row["ratio_to_peer"] == pytest.approx(row["peer_time_us"] / row["time_us"], rel=1e-3)
