"""A streaming quantizer in Icarus: blocks in, codes and scales out."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from amaranth.back import verilog

from hw.latencies import CONVERT_CYCLES, QUANTIZER_CYCLES
from hw.units.stream_quantizer import StreamQuantizer, factor_names
from sim.toolchain import require
from workloads.formats import BlockFormat, Format

Codes = npt.NDArray[np.int64]

BENCH = """
module bench;
  reg clk = 0;
  always #1 clk = ~clk;
  reg [{width}-1:0] given [0:{count}-1];
  reg [{width}-1:0] words;
  reg measure = 0, first = 0, scales = 0, coded = 0, select = 0;
  reg [15:0] late = 0;
  wire [{word}-1:0] word;
  integer n, i, file;
  unit dut (.clk(clk), .rst(1'b0), .words(words), .select(select), .measure(measure), .first(first), .scales(scales),
    .collect(late[{collect}]){factors}, .word(word));
  always @(posedge clk) late <= {{late, coded}};
  initial begin
    $readmemh("given.hex", given);
    file = $fopen("words.hex", "w");
    for (n = 0; n < {count}; n = n + {block}) begin
      for (i = 0; i < {block} + {scale_cycles} + {block}; i = i + 1) begin
        words = given[n + (i < {block} ? i : i < {block} + {scale_cycles} ? 0 : i - {block} - {scale_cycles})];
        @(negedge clk);
        // One cycle after the word.
        measure = i < {block}; first = i == 0; scales = i == {block}; coded = i >= {block} + {scale_cycles};
      end
      @(negedge clk); measure = 0; coded = 0;
      repeat (12) @(negedge clk);
      $fdisplay(file, "%h", word);
    end
    $fclose(file);
    $finish;
  end
endmodule
"""


def stream(
    made: BlockFormat,
    source: Format,
    blocks: npt.NDArray[np.uint64],
    factors: Mapping[str, int],
    folder: Path,
    *,
    fraction_bits: int = 0,
    unit: StreamQuantizer | None = None,
) -> tuple[Codes, Codes]:
    """Codes ``(blocks, block)`` and scale codes ``(blocks,)`` of bits of numbers."""
    unit = unit or StreamQuantizer(made, source, fraction_bits, source.bits, 1)
    cycles = QUANTIZER_CYCLES[made.scale.name]
    (folder / "unit.v").write_text(verilog.convert(unit, name="unit", emit_src=False))
    word = made.block * made.element.bits + made.scale.bits
    (folder / "bench.v").write_text(
        BENCH.format(
            width=source.bits,
            count=blocks.size,
            word=word,
            block=made.block,
            scale_cycles=cycles.scale,
            collect=cycles.code - 1 + (CONVERT_CYCLES if source.integer else 0),
            factors="".join(f", .{name}(32'h{factors[name]:x})" for name in factor_names(made, source)),
        )
    )
    (folder / "given.hex").write_text("\n".join(f"{code:x}" for code in blocks.reshape(-1).tolist()))
    command = [require("iverilog", "to simulate"), "-g2012", "-o", "bench", "unit.v", "bench.v"]
    subprocess.run(command, cwd=folder, check=True)
    subprocess.run([require("vvp", "to simulate"), "bench"], cwd=folder, check=True, capture_output=True)
    words = [int(line, 16) for line in (folder / "words.hex").read_text().split()]
    bits, mask = made.element.bits, (1 << made.element.bits) - 1
    codes = [[w >> bits * n & mask for n in range(made.block)] for w in words]
    return np.array(codes), np.array([w >> bits * made.block for w in words])
