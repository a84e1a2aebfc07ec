"""The count of what a low-rank branch costs, against a simulation of everything that passes the host port."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.svdquant_hardware import W4A4, Cost, Layer, architecture_of, costs, simulated, totals
from hw import generate

TINY = Layer("tiny", W4A4, 3, 8, 64, side=4, square=2)


def test_prediction_equals_simulation() -> None:
    accelerator = generate(architecture_of(TINY))
    found = simulated(accelerator, TINY, "icarus")
    parts = costs(accelerator, TINY)
    assert found == totals(TINY, parts)
    # A branch by itself moves its result, fused it does not: two tiles of four words in each of four banks.
    assert found[1] - found[2] == 2 * 4


def test_by_hand() -> None:
    base = Cost({"X": 100, "W": 10, "SW": 1}, registers=2, array=50, result=7)
    down = Cost({"X": 100, "D": 20}, registers=2, array=30, result=5)
    up = Cost({"T": 3, "U": 4}, registers=2, array=6, result=7)
    layer = replace(TINY, scheme=replace(W4A4, shared=True), m=8, n=12)
    alone = 2 * (100 + 3 * (11 + 52 + 7))
    by_itself = alone + 2 * (120 + 32 + 5 + 3 + 3 * (4 + 8 + 7))
    assert totals(layer, (base, down, up)) == (alone, by_itself, by_itself - 2 * (100 + 3 * 7))
