"""Rows of every width and number pass the bench unchanged, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sim.bench_verilog import FILL_BYTE, Bench
from sim.build import build
from sim.exchange import Rows, Task
from sim.process import running
from sim.toolchain import cache_folder

# Tensor 0 is a memory that keeps what the host writes; a run does nothing but end after as many cycles as register
# 7 says.
VERILOG = """\
module keeper(
  input clk, input rst, input cfg_we, input [15:0] cfg_addr, input [31:0] cfg_data,
  input [3:0] host_tensor, input [19:0] host_addr, input host_we, input host_re,
  input [HIGH:0] host_wdata, output reg [HIGH:0] host_rdata,
  input start, output busy, output done, output reg [31:0] cycles
);
  reg [HIGH:0] words [0:8191];
  reg [HIGH:0] read;
  reg [31:0] length, left;
  reg ran;
  assign busy = left != 32'd0;
  assign done = ran && !busy;
  always @(posedge clk) begin
    if (host_we && host_tensor == 4'd0) words[host_addr[12:0]] <= host_wdata;
    if (host_re) read <= words[host_addr[12:0]];
    host_rdata <= read;
    if (cfg_we && cfg_addr == 16'd7) length <= cfg_data;
    if (busy) begin left <= left - 32'd1; cycles <= cycles + 32'd1; end
    if (start) begin left <= length; cycles <= 32'd0; ran <= 1'b1; end
    if (rst) begin left <= 32'd0; ran <= 1'b0; cycles <= 32'd0; end
  end
endmodule
"""


@dataclass(frozen=True)
class Case:
    id: str
    host_bits: int
    row_bytes: int
    rows: int
    address: int


CASES = [
    Case("one-bit", 1, 1, 3, 0),
    Case("odd-bits", 37, 5, 100, 11),
    Case("rows-narrower-than-the-port", 37, 2, 9, 0),
    Case("more-rows-than-one-block", 24, 3, 6000, 2),
    Case("row-wider-than-a-block", 70_001, 8751, 3, 8189),
    Case("exactly-one-block", 64, 8, 1024, 0),
    Case("no-rows", 8, 1, 0, 0),
]


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_rows_come_back(case: Case, simulator: str, tmp_path: Path) -> None:
    bench = Bench("keeper", case.host_bits, ((0, case.row_bytes), (3, 1)))
    verilog = VERILOG.replace("HIGH", str(case.host_bits - 1))
    made = build("keeper", verilog, bench, simulator=simulator, cycles=0, waveform=None, cache=cache_folder())
    rows = np.random.default_rng(1).integers(0, 256, (case.rows, case.row_bytes), np.uint8)
    spare = 8 * case.row_bytes - case.host_bits
    if spare > 0:
        rows[:, -1] &= 0xFF >> spare
    untouched = Rows(3, 0, 5, bytes(5))
    loads = (Rows(0, case.address, case.rows, rows.tobytes()), untouched)
    loaded = Task(0, ((7, 1000),), loads, 0, case.address, case.rows, 2000, case.rows)
    poisoned = Task(1, ((3, 9), (7, 1)), (), 0, case.address, case.rows, 2000, case.rows)
    with running("keeper", made, bench, waveform=None, log=tmp_path / "log") as simulator_process:
        first, second = simulator_process.do(loaded), simulator_process.do(poisoned)
        simulator_process.finish(at_least=2)
    assert first.rows == rows.tobytes()
    assert (first.counted_cycles, first.timed_cycles) == (1000, 1000)
    assert (second.counted_cycles, second.timed_cycles) == (1, 1)
    left = np.frombuffer(second.rows, np.uint8).reshape(rows.shape)
    expected = np.full_like(left, FILL_BYTE)
    if spare > 0:
        expected[:, -1] &= 0xFF >> spare
    np.testing.assert_array_equal(left, expected)
