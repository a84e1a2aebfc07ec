"""What Pyverilog finds in a text is what is in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from dot_engine import VERILOG

from sim.reread import Memory, Port, ReadModule, reread

LEAF = """\
module leaf(clk, d, q);
  input clk;
  input [7:0] d;
  output [7:0] q;
  reg [7:0] q = 8'h00;
  reg [2:0] next;
  always @(posedge clk) q <= {d[3:0], next, 1'b0};
  always @* next = d[2:0] + 1'b1;
endmodule
"""
MIDDLE = """\
module middle(input clk, input signed [7:0] d, output reg [3:0] low, output [7:0] q);
  wire [7:0] between;
  reg [15:0] bank [4'd9:0];
  reg [1:0] \\2 ;
  leaf \\first.leaf (.clk(clk), .d(d), .q(between));
  leaf second (.clk(clk), .d(between), .q(q));
  always @(posedge clk) if (d[0]) begin low[2:0] <= d[2:0]; bank[d[3:0]] <= {2{d}}; {low[3], \\2 } <= d[7:5]; end
endmodule
"""
TOP = """\
module top(input clk, input [7:0] d, output [7:0] q);
  wire [7:0] a;
  wire [3:0] low;
  middle m(.clk(clk), .d(d), .low(low), .q(a));
  leaf l(.clk(clk), .d(a), .q(q));
endmodule
"""
CLOCK, DATA, RESULT = Port("clk", "in", 1), Port("d", "in", 8), Port("q", "out", 8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("leaf", ReadModule("leaf", (CLOCK, DATA, RESULT), (), (("q", 8),), ())),
        (
            "middle",
            ReadModule(
                "middle",
                (CLOCK, DATA, Port("low", "out", 4), RESULT),
                (("leaf", 2),),
                (("low", 4), ("\\2", 2)),
                (Memory("bank", 16, 10),),
            ),
        ),
        ("top", ReadModule("top", (CLOCK, DATA, RESULT), (("leaf", 1), ("middle", 1)), (), ())),
    ],
)
def test_module(name: str, expected: ReadModule) -> None:
    assert reread(LEAF + MIDDLE + TOP).modules[name] == expected


def test_whole_design() -> None:
    design = reread(LEAF + MIDDLE + TOP)
    assert dict(design.placed("top")) == {"top": 1, "middle": 1, "leaf": 3}
    assert design.register_bits("top") == 3 * 8 + 6
    assert design.memory_bits("top") == 160


def test_engine_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    engine = reread(VERILOG).modules["dot_engine"]
    assert engine.memory_bits == 32 * (256 + 1024 + 256)
    assert dict(engine.registers) == {
        "host_rdata": 32, "busy": 1, "done": 1, "cycles": 32, "o_read": 32, "a_read": 32, "b_read": 32, "chosen": 4,
        "last_row": 8, "last_step": 8, "accumulate": 1, "row": 8, "step": 8, "at": 10, "working": 1, "sum": 32,
    }  # fmt: skip
    assert list(tmp_path.iterdir()) == []
