"""Verilog of the bench: clock, reset, a wide register in each direction, and a sequencer around a design."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

# Wide enough that waking Python costs less than the cycles between two wakes.
BLOCK_BITS = 1 << 16
CONFIG_WORD_BYTES = 6
DEADLINE_STATUS, PROTOCOL_STATUS = 1, 2


class Operation(IntEnum):
    """What the sequencer does with one command."""

    IDLE = 0
    CONFIGURE = 1
    PUSH = 2
    PULL = 3
    FILL = 4
    RUN = 5


# Written over output banks before a run, so that a result which never arrives is not an old or a zero one by luck.
FILL_BYTE = 0xA5


@dataclass(frozen=True, slots=True)
class Bench:
    """The wrapper around one design.

    Attributes
    ----------
    top : str
        Module that obeys the host port.
    host_bits : int
        Width of its data ports.
    row_bytes : tuple of (tensor number, bytes)
        Bytes of a row of each tensor that passes the host port.
    """

    top: str
    host_bits: int
    row_bytes: tuple[tuple[int, int], ...]

    @property
    def block_bits(self) -> int:
        """Width of the registers that Python writes and reads."""
        return max(8 * CONFIG_WORD_BYTES, *(8 * size * self.rows_per_block(t) for t, size in self.row_bytes))

    def bytes_of(self, tensor_id: int) -> int:
        """Bytes of a row of a tensor."""
        return dict(self.row_bytes)[tensor_id]

    def rows_per_block(self, tensor_id: int) -> int:
        """Rows of a tensor that pass in one command."""
        return max(1, BLOCK_BITS // (8 * self.bytes_of(tensor_id)))

    @property
    def words_per_block(self) -> int:
        """Configuration words that pass in one command."""
        return self.block_bits // (8 * CONFIG_WORD_BYTES)

    def verilog(self) -> str:
        """Text of module ``bench``; the same bench gives the same bytes."""
        operations = {operation.name.lower(): f"3'd{int(operation)}" for operation in Operation}
        return _TEMPLATE.format(
            top=self.top,
            host=self.host_bits,
            block=self.block_bits,
            word=8 * CONFIG_WORD_BYTES,
            # Tools limit the width of a number, though not that of a replication.
            fill_row=f"{{{-(-self.host_bits // 8)}{{8'h{FILL_BYTE:x}}}}}",
            push_rows=self._cases("host_wdata <= block[index * {padded} +: {bits}];"),
            pull_rows=self._cases("result[got * {padded} +: {bits}] = host_rdata[{bits}-1:0];"),
            deadline=f"2'd{DEADLINE_STATUS}",
            protocol=f"2'd{PROTOCOL_STATUS}",
            **operations,
        )

    def _cases(self, statement: str) -> str:
        # A case per width keeps the part select as narrow as the row: a simulator copies whole words of it.
        widths: dict[int, list[int]] = {}
        for tensor, size in sorted(self.row_bytes):
            widths.setdefault(8 * size, []).append(tensor)
        return "\n".join(
            " " * 12
            + ", ".join(f"4'd{t}" for t in tensors)
            + ": "
            + statement.format(padded=padded, bits=min(padded, self.host_bits))
            for padded, tensors in widths.items()
        )


def public_signals() -> str:
    """Verilator control file that makes the signals Python touches visible, and nothing else."""
    lines = [
        f'public_flat_rw -module "bench" -var "{name}"' for name in ("command", "block", "result", "ack", "report")
    ]
    return "\n".join(["`verilator_config", *lines, ""])


_TEMPLATE = """\
`timescale 1ns/1ns
module bench;
  // Written by Python; a change of command[0] starts one operation.
  reg [59:0] command = 60'd0;
  reg [{block}-1:0] block = 0;
  // Read by Python once ack has followed command[0].
  reg [{block}-1:0] result = 0;
  reg [65:0] report = 66'd0;
  reg ack = 1'b0;

  wire [2:0] op = command[3:1];
  wire [3:0] tensor = command[7:4];
  wire [19:0] address = command[27:8];
  wire [31:0] count = command[59:28];

  reg clk = 1'b0;
  always #1 clk = ~clk;
  reg rst = 1'b1;
  reg [2:0] resetting = 3'd7;

  reg cfg_we = 1'b0;
  reg [15:0] cfg_addr = 16'd0;
  reg [31:0] cfg_data = 32'd0;
  reg [3:0] host_tensor = 4'd0;
  reg [19:0] host_addr = 20'd0;
  reg host_we = 1'b0;
  reg host_re = 1'b0;
  reg [{host}-1:0] host_wdata = 0;
  wire [{host}-1:0] host_rdata;
  reg start = 1'b0;
  wire busy;
  wire done;
  wire [31:0] cycles;

  {top} dut (
    .clk(clk), .rst(rst), .cfg_we(cfg_we), .cfg_addr(cfg_addr), .cfg_data(cfg_data),
    .host_tensor(host_tensor), .host_addr(host_addr), .host_we(host_we), .host_re(host_re),
    .host_wdata(host_wdata), .host_rdata(host_rdata),
    .start(start), .busy(busy), .done(done), .cycles(cycles)
  );

`ifndef VERILATOR
  reg [8*1024-1:0] waveform;
  initial if ($value$plusargs("waveform=%s", waveform)) begin
    $dumpfile(waveform);
    $dumpvars(0, bench);
  end
`endif

  reg [2:0] state = {idle};
  reg [31:0] index = 32'd0;
  reg [31:0] got = 32'd0;
  reg [1:0] reading = 2'd0;
  reg [63:0] started = 64'd0;
  reg [63:0] elapsed = 64'd0;

  always @(posedge clk) begin
    cfg_we <= 1'b0;
    host_we <= 1'b0;
    host_re <= 1'b0;
    start <= 1'b0;
    reading <= {{reading[0], host_re}};
    if (resetting != 3'd0) begin
      resetting <= resetting - 3'd1;
      rst <= resetting != 3'd1;
    end else case (state)
      {idle}: if (command[0] != ack) begin
        state <= op;
        index <= 32'd0;
        got <= 32'd0;
        report <= 66'd0;
        host_tensor <= tensor;
      end
      {configure}: if (index != count) begin
        cfg_we <= 1'b1;
        {{cfg_data, cfg_addr}} <= block[index * {word} +: {word}];
        index <= index + 32'd1;
      end else begin
        ack <= command[0];
        state <= {idle};
      end
      {push}: if (index != count) begin
        host_we <= 1'b1;
        host_addr <= address + index[19:0];
        case (tensor)
{push_rows}
          default: host_wdata <= 0;
        endcase
        index <= index + 32'd1;
      end else begin
        ack <= command[0];
        state <= {idle};
      end
      {fill}: if (index != count) begin
        host_we <= 1'b1;
        host_addr <= address + index[19:0];
        host_wdata <= {fill_row};
        index <= index + 32'd1;
      end else begin
        ack <= command[0];
        state <= {idle};
      end
      {pull}: begin
        if (index != count) begin
          host_re <= 1'b1;
          host_addr <= address + index[19:0];
          index <= index + 32'd1;
        end
        if (reading[1]) begin
          case (tensor)
{pull_rows}
            default: ;
          endcase
          got <= got + 32'd1;
        end
        if (got == count) begin
          ack <= command[0];
          state <= {idle};
        end
      end
      {run}: begin
        index <= index + 32'd1;
        if (index == 32'd0) begin
          start <= 1'b1;
          if (busy) begin
            report[65:64] <= {protocol};
            ack <= command[0];
            state <= {idle};
          end
        end else if (index == 32'd1) begin
          // The design sees its start at this very edge.
          started <= $time;
        end else if (done) begin
          elapsed = ($time - started) / 2 - 1;
          report <= {{2'd0, elapsed[31:0], cycles}};
          ack <= command[0];
          state <= {idle};
        end else if (!busy || index == count) begin
          report[65:64] <= busy ? {deadline} : {protocol};
          ack <= command[0];
          state <= {idle};
        end
      end
      default: state <= {idle};
    endcase
  end
endmodule
"""
