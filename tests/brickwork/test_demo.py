"""The demonstration's table, on a terminal of 80 columns."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from brickwork import console
from brickwork.demo import print_demo

ROW = {
    "name": "conv2d",
    "match": False,
    "simulated_cycles": 1_234_567,
    "predicted_cycles": 1_234_568,
    "utilization": 0.987,
    "generate_seconds": 12.3,
    "build_seconds": 123.4,
    "run_seconds": 123.4,
    "verilog": "conv2d.v",
    "manifest": "conv2d.json",
    "drawing": "conv2d.svg",
    "report": "conv2d.html",
}


def test_nothing_is_cut_on_a_slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(console, "out", Console(width=80, file=written, highlight=False, soft_wrap=True))
    print_demo([ROW])
    lines = [line.strip() for line in written.getvalue().splitlines()]
    assert [line.split() for line in lines if line and line[0].isalnum()] == [
        ["16", "x", "16", "functional", "units,", "every", "cycle", "simulated"],
        ["design", "outputs", "cycles", "model", "in", "use", "generate", "build", "run"],
        ["conv2d", "differ", "1,234,567", "1,234,568", "98.7%", "12.3", "s", "123.4", "s", "123.4", "s"],
        *([ROW[key]] for key in ("verilog", "manifest", "drawing", "report")),
    ]
    assert max(map(len, written.getvalue().splitlines())) <= 80
