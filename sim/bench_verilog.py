"""Verilog of the bench around a design (being replaced by a faster one with the same purpose)."""

from __future__ import annotations

from dataclasses import dataclass

CONFIGURE, PUSH, PULL, START = 1, 2, 3, 4
BLOCK_BITS = 16384
PUBLIC = ("clk", "op", "tensor", "address", "count", "limit", "go", "finished", "hung", "timed", "block", "cycles")


@dataclass(frozen=True, slots=True)
class Bench:
    """The bench of one design; bytes of a row per tensor number."""

    top: str
    host_bits: int
    row_bytes: tuple[int, ...]

    @property
    def block_bits(self) -> int:
        return max(BLOCK_BITS, *(8 * b for b in self.row_bytes))

    @property
    def registers_per_block(self) -> int:
        return self.block_bits // 64

    def rows_per_block(self, tensor: int) -> int:
        return max(1, self.block_bits // (8 * self.row_bytes[tensor]))


def bench_verilog(bench: Bench, *, waveform: str | None = None) -> str:
    """Text of module ``bench``."""
    widths = [(t, 8 * b) for t, b in enumerate(bench.row_bytes)]
    top, high = bench.block_bits - 1, bench.host_bits - 1
    push, pull = [], []
    for t, w in widths:
        bits = min(w, bench.host_bits)
        pad = f"{w - bits}'d0, " if w > bits else ""
        rest = f", block[{top}:{w}]" if w <= top else ""
        push.append(f"            {t}: block <= block >> {w};")
        pull.append(f"            {t}: block <= {{{pad}host_rdata[{bits - 1}:0]{rest}}};")
    dump = f'  initial begin $dumpfile("{waveform}"); $dumpvars(0, bench); end\n' if waveform else ""
    return _TEXT.format(
        top=bench.top, block_high=top, host_high=high, push="\n".join(push), pull="\n".join(pull), dump=dump
    )


_TEXT = """\
`timescale 1ns/1ps
module bench;
  reg clk = 0;
  always #1 clk = ~clk;
  reg rst = 1;
  reg [2:0] op = 0;
  reg [3:0] tensor = 0;
  reg [31:0] address = 0;
  reg [31:0] count = 0;
  reg [31:0] limit = 0;
  reg go = 0;
  reg finished = 0;
  reg hung = 0;
  reg [31:0] timed = 0;
  reg [{block_high}:0] block = 0;
  wire [31:0] cycles;

  reg cfg_we = 0;
  reg [15:0] cfg_addr = 0;
  reg [31:0] cfg_data = 0;
  reg [3:0] host_tensor = 0;
  reg [19:0] host_addr = 0;
  reg host_we = 0;
  reg host_re = 0;
  reg [{host_high}:0] host_wdata = 0;
  wire [{host_high}:0] host_rdata;
  reg start = 0;
  wire busy;
  wire done;
  {top} dut (
    .clk(clk), .rst(rst), .cfg_we(cfg_we), .cfg_addr(cfg_addr), .cfg_data(cfg_data),
    .host_tensor(host_tensor), .host_addr(host_addr), .host_we(host_we), .host_re(host_re),
    .host_wdata(host_wdata), .host_rdata(host_rdata), .start(start), .busy(busy), .done(done), .cycles(cycles)
  );

{dump}  reg [1:0] state = 0;
  reg [31:0] issued = 0;
  reg [31:0] received = 0;
  reg [1:0] arriving = 0;
  reg [3:0] settle = 0;
  always @(posedge clk) begin
    rst <= settle < 4;
    if (settle < 8) settle <= settle + 1;
    cfg_we <= 0;
    host_we <= 0;
    host_re <= 0;
    start <= 0;
    arriving <= {{arriving[0], host_re}};
    case (state)
      0: begin
        issued <= 0;
        received <= 0;
        if (go != finished && settle == 8) begin
          host_tensor <= tensor;
          timed <= 0;
          hung <= 0;
          if (op == 4) start <= 1;
          state <= 1;
        end
      end
      1: case (op)
        1: if (issued == count) state <= 2; else begin
          cfg_we <= 1;
          cfg_addr <= block[47:32];
          cfg_data <= block[31:0];
          block <= block >> 64;
          issued <= issued + 1;
        end
        2: if (issued == count) state <= 2; else begin
          host_we <= 1;
          host_addr <= address[19:0] + issued[19:0];
          host_wdata <= block[{host_high}:0];
          case (tensor)
{push}
            default: ;
          endcase
          issued <= issued + 1;
        end
        3: begin
          if (issued != count) begin
            host_re <= 1;
            host_addr <= address[19:0] + issued[19:0];
            issued <= issued + 1;
          end
          if (arriving[1]) begin
            case (tensor)
{pull}
            default: ;
            endcase
            received <= received + 1;
            if (received + 1 == count) state <= 2;
          end
        end
        default: begin
          if (busy) timed <= timed + 1;
          issued <= issued + 1;
          if (issued > 1 && done && !busy) state <= 2;
          if (issued == limit) begin
            hung <= 1;
            state <= 2;
          end
        end
      endcase
      default: begin
        finished <= go;
        state <= 0;
      end
    endcase
  end
endmodule
"""
