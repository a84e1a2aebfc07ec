"""Independent readers agree that good Verilog is good, and say what is bad about bad Verilog."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from dot_engine import VERILOG

from sim import SimulationError
from sim.lint import lint, read_with_icarus, read_with_yosys

Reader = Callable[[str, str], None]


def test_engine_is_clean() -> None:
    assert lint(VERILOG, "dot_engine") == ()
    read_with_icarus(VERILOG, "dot_engine")
    read_with_yosys(VERILOG, "dot_engine")


@dataclass(frozen=True)
class Case:
    """A body of ``module m(input clk, input [3:0] d, output [3:0] q)`` and what each reader says, "" for nothing."""

    id: str
    body: str
    verilator: str
    icarus: str
    yosys: str


CASES = [
    Case(
        "widths-differ",
        "assign q = d[2:0];",
        "line 2: WIDTHEXPAND: Operator ASSIGNW expects 4 bits on the Assign RHS, but Assign RHS's SEL generates "
        "3 bits.",
        "",
        "",
    ),
    Case("undriven", "", "line 1: UNDRIVEN: Signal is not driven: 'q'", "", ""),
    Case(
        "latch",
        "reg [3:0] l; always @* if (d[0]) l = d; assign q = l;",
        "line 2: LATCH: Latch inferred for signal 'm.l' (not all control paths of combinational always assign a value)",
        "",
        "Warning: Latch inferred for signal `\\m.\\l' from process `\\m.$proc$design.v:2$1': "
        "$auto$proc_dlatch.cc:559:proc_dlatch$15",
    ),
    Case(
        "unknown-module",
        "other o(d, q);",
        "line 2: MODMISSING: Cannot find file containing module: 'other'",
        "design.v:2: error: Unknown module type: other",
        "ERROR: Module `\\other' referenced in module `\\m' in cell `\\o' is not part of the design.",
    ),
    Case(
        "combinational-loop",
        "assign q = d + q;",
        "line 1: UNOPTFLAT: Signal unoptimizable: Circular combinational logic: 'q'",
        "",
        "Warning: found logic loop in module m:",
    ),
    Case(
        "two-drivers",
        "assign q = d; assign q = ~d;",
        "line 1: MULTIDRIVEN: Bits [3:0] of signal 'q' have multiple combinational drivers. This can cause performance "
        "degradation.",
        "",
        "Warning: multiple conflicting drivers for m.$not$design.v:2$1_Y [3]:",
    ),
    Case(
        "syntax",
        "assign q = ;",
        "line 2: ERROR: syntax error, unexpected ';', expecting IDENTIFIER-for-type",
        "design.v:2: syntax error",
        "design.v:2: ERROR: syntax error, unexpected ';'",
    ),
    Case(
        "blocking-assignment-under-a-clock",
        "reg [3:0] r; always @(posedge clk) r = d; assign q = r;",
        "line 2: BLKSEQ: Blocking assignment '=' in sequential logic process",
        "",
        "",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_readers_say(case: Case) -> None:
    verilog = f"module m(input clk, input [3:0] d, output [3:0] q);\n{case.body}\nendmodule\n"
    assert "".join(str(remark) for remark in lint(verilog, "m")[:1]) == case.verilator
    assert _objection(read_with_icarus, "Icarus", verilog) == case.icarus
    assert _objection(read_with_yosys, "Yosys", verilog) == case.yosys


def _objection(reader: Reader, tool: str, verilog: str) -> str:
    try:
        reader(verilog, "m")
    except SimulationError as error:
        return str(ast.literal_eval(str(error).removeprefix(f"design 'm': {tool} says ")))
    return ""
