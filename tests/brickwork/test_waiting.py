"""What the commands say about sums that wait for themselves."""

from __future__ import annotations

import json
from pathlib import Path

from test_commands import brickwork

WAITS = (
    "O: sums leave for the banks and are needed again after 2 cycles (k +1); add, write and read take 3: "
    "1 idle cycle after each step of k, {} in a run; the order m, k, n needs none"
)


def test_every_verb_says_why_sums_wait(tmp_path: Path) -> None:
    design = ("gemm:m=8,n=4,k=10", "--space", "m=4,n=4", "--order", "k,m,n")
    simulated = (*design, "--simulator", "icarus")
    says = WAITS.format(9)
    assert f"\n  {says}\n" in brickwork("show", *design).out
    assert f"\n  waits     {says}\n" in brickwork("generate", *design, "-o", str(tmp_path)).out
    assert f"\n  waits     {says}\n" in brickwork("simulate", *simulated).out
    assert f"\n  waits     {WAITS.format(3)}\n" in brickwork("simulate", *simulated, "--size", "k=4").out
    assert f"\n  waits     {says}\n" in brickwork("report", *simulated, "-o", str(tmp_path)).out
    assert f"<p>{says}.</p>" in (tmp_path / "gemm_m_n.html").read_text(encoding="utf-8")
    for verb in (("show", *design), ("generate", *design, "-o", str(tmp_path)), ("simulate", *simulated)):
        (found,) = json.loads(brickwork(*verb, "--json").out)["recurrences"]
        assert found == {
            "tensor": "O",
            "through": "banks",
            "steps": {"k": 1},
            "space": [0, 0],
            "distance_cycles": 2,
            "latency_cycles": 3,
            "idle_cycles": 1,
            "idle_loops": ["k"],
            "total_idle_cycles": 9,
            "order_without": ["m", "k", "n"],
            "text": says,
        }


def test_an_order_without_waiting_says_nothing_of_it(tmp_path: Path) -> None:
    design = ("gemm:m=8,n=4,k=10", "--space", "m=4,n=4", "--order", "m,k,n")
    assert "summed in place, the next term after 1 cycle (k +1)" in brickwork("show", *design).out
    assert "waits" not in brickwork("generate", *design, "-o", str(tmp_path)).out
    assert "waits" not in brickwork("simulate", *design, "--simulator", "icarus").out


def test_show_knows_no_waiting_without_a_netlist() -> None:
    spec = (
        "name: x\nloops: {m: 4, k: 4}\nbody: O[m] += A[m, k]\nformats: {A: bf16, O: bf16}\n"
        "dataflow: {space: {m: 2}, order: [k, m]}\n"
    )
    assert "when sums come back from their banks is not known: " in brickwork("show", spec).out
