"""A small hand-written engine behind the host port, with the driver's side of it: what the bench is tested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workloads.affine import Affine
from workloads.formats import format_named
from workloads.nest import Access, Loop, Nest, Tensor

LANES = 4
Array = npt.NDArray[np.generic]
Bytes = npt.NDArray[np.uint8]

VERILOG = """\
module dot_engine(
  input clk, input rst,
  input cfg_we, input [15:0] cfg_addr, input [31:0] cfg_data,
  input [3:0] host_tensor, input [19:0] host_addr, input host_we, input host_re,
  input [31:0] host_wdata, output reg [31:0] host_rdata,
  input start, output reg busy, output reg done, output reg [31:0] cycles
);
  reg [31:0] o [0:255];
  reg [31:0] a [0:1023];
  reg [31:0] b [0:255];
  reg [31:0] o_read, a_read, b_read;
  reg [3:0] chosen;
  reg [7:0] last_row;
  reg [7:0] last_step;
  reg accumulate;
  reg [7:0] row, step;
  reg [9:0] at;
  reg working;
  wire finishing = step == last_step;
  wire [31:0] product =
      {{24{a[at][7]}}, a[at][7:0]} * {{24{b[step][7]}}, b[step][7:0]}
    + {{24{a[at][15]}}, a[at][15:8]} * {{24{b[step][15]}}, b[step][15:8]}
    + {{24{a[at][23]}}, a[at][23:16]} * {{24{b[step][23]}}, b[step][23:16]}
    + {{24{a[at][31]}}, a[at][31:24]} * {{24{b[step][31]}}, b[step][31:24]};
  reg [31:0] sum;
  wire [31:0] base = step != 8'd0 ? sum : accumulate ? o[row] : 32'd0;

  always @(posedge clk) begin
    chosen <= host_tensor;
    if (host_re) begin
      o_read <= o[host_addr[7:0]];
      a_read <= a[host_addr[9:0]];
      b_read <= b[host_addr[7:0]];
    end
    host_rdata <= chosen == 4'd0 ? o_read : chosen == 4'd1 ? a_read : b_read;
    if (host_we && host_tensor == 4'd0) o[host_addr[7:0]] <= host_wdata;
    if (host_we && host_tensor == 4'd1) a[host_addr[9:0]] <= host_wdata;
    if (host_we && host_tensor == 4'd2) b[host_addr[7:0]] <= host_wdata;
    if (cfg_we) case (cfg_addr)
      16'd0: last_row <= cfg_data[7:0];
      16'd1: last_step <= cfg_data[7:0];
      16'd2: accumulate <= cfg_data[0];
      default: ;
    endcase
    if (busy) cycles <= cycles + 32'd1;
    if (start && !busy) begin
      busy <= 1'b1;
      done <= 1'b0;
      cycles <= 32'd0;
      row <= 8'd0;
      step <= 8'd0;
      at <= 10'd0;
      working <= 1'b1;
    end
    if (working) begin
      at <= at + 10'd1;
      sum <= base + product;
      step <= step + 8'd1;
      if (finishing) begin
        o[row] <= base + product;
        step <= 8'd0;
        row <= row + 8'd1;
        if (row == last_row) begin
          working <= 1'b0;
          busy <= 1'b0;
          done <= 1'b1;
        end
      end
    end
    if (rst) begin
      busy <= 1'b0;
      done <= 1'b0;
      working <= 1'b0;
      cycles <= 32'd0;
    end
  end
endmodule
"""


@dataclass(frozen=True)
class Engine:
    """What the simulation needs of an accelerator."""

    verilog: str = VERILOG
    name: str = "dot_engine"
    top: str = "dot_engine"
    host_bits: int = 32

    @property
    def manifest(self) -> dict[str, int]:
        return {"units": LANES}


@dataclass(frozen=True)
class Load:
    """Rows for the banks of one tensor."""

    tensor_id: int
    address: int
    rows: Bytes


@dataclass(frozen=True)
class Part:
    """One run: rows ``first`` to ``first + rows`` of the result, steps from ``since`` on."""

    first: int
    rows: int
    since: int
    steps: int

    @property
    def registers(self) -> tuple[tuple[int, int], ...]:
        return (0, self.rows - 1), (1, self.steps - 1), (2, int(self.since > 0))

    @property
    def predicted_cycles(self) -> int:
        return self.rows * self.steps

    @property
    def readback(self) -> tuple[int, int, int, int]:
        return 0, 0, self.rows, 4

    def loads(self, tensors: Mapping[str, Array], output: Array) -> list[Load]:
        lanes = slice(LANES * self.since, LANES * (self.since + self.steps))
        a = tensors["A"][self.first : self.first + self.rows, lanes].astype(np.int8)
        b = tensors["B"][lanes].astype(np.int8)
        found = [Load(1, 0, _rows(a, LANES)), Load(2, 0, _rows(b, LANES))]
        if self.since:
            found.append(Load(0, 0, _rows(output[self.first : self.first + self.rows].astype("<i4"), 4)))
        return found

    def store(self, rows: Bytes, output: Array) -> None:
        output[self.first : self.first + self.rows] = np.ascontiguousarray(rows).view("<i4")[:, 0]


def _rows(values: Array, row_bytes: int) -> Bytes:
    return np.ascontiguousarray(values).view(np.uint8).reshape(-1, row_bytes)


def gemv(m: int, k: int) -> Nest:
    """``O[m] += A[m, k] * B[k]`` in int8 with int32 sums."""
    row, column = Affine.of({"m": 1}), Affine.of({"k": 1})
    int8, int32 = format_named("int8"), format_named("int32")
    return Nest(
        "gemv",
        (Loop("m", m), Loop("k", k)),
        Access("O", (row,)),
        (Access("A", (row, column)), Access("B", (column,))),
        (Tensor("O", int32, (m,)), Tensor("A", int8, (m, k)), Tensor("B", int8, (k,))),
    )


def program(engine: Engine, nest: Nest, *, rows: int = 16, steps: int = 8) -> tuple[Part, ...]:
    """Cut a `gemv` into parts, those of one result row after the other so that later ones continue sums."""
    m, k = nest.extents["m"], nest.extents["k"]
    assert k % LANES == 0, k
    return tuple(
        Part(first, min(rows, m - first), since, min(steps, k // LANES - since))
        for first in range(0, m, rows)
        for since in range(0, k // LANES, steps)
    )
