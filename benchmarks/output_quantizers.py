"""Area, registers and longest path of quantizers, alone and behind arrays of 4 by 4 dot products of sixteen.

Prints a JSON list of measurements. The argument ``units`` leaves the array out, ``all`` adds arrays of NVFP4 and of
bf16 to that of int8, which take several times as long.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from amaranth.back import verilog

from benchmarks.four_bit_hardware import BF16, INT8, NVFP4
from dataflow import Dataflow, build
from hw import generate
from hw.post.stage import quantize_to
from hw.program import runs
from hw.synthesis import synthesize, synthesize_verilog
from hw.units.stream_quantizer import StreamQuantizer
from sim.toolchain import cache_folder
from workloads.formats import BLOCK_FORMATS, FORMATS
from workloads.spec import load

# Format made, of what, fraction bits.
UNITS = (
    ("nvfp4", "fp32", 0),
    ("mxfp4", "fp32", 0),
    ("int4_g16", "fp32", 0),
    ("int4_g64", "fp32", 0),
    ("nvfp4", "int32", 0),
    ("nvfp4", "int64", 20),
)
# Banks that the elements of a block lie in, as in the arrays below.
BANKS = 4


@dataclass(frozen=True, slots=True)
class Design:
    """An output-stationary array of 4 by 4 dot products of 16 that makes NVFP4 of its results."""

    name: str
    spec: str

    def figures(self) -> Iterator[tuple[str, float, str]]:
        """Name, value and unit of each figure."""
        nest = load(self.spec.format(m=16, n=64, k=3072)).nest
        flow = Dataflow.of(
            nest,
            {"m": 4, "n": 4, nest.loop_names[-1]: 16},
            skew=(1, 1, 0),
            order=nest.loop_names,
            name="outputs",
        )
        cache = cache_folder() / "synthesis"
        stages = {"plain": None, "quantizing": quantize_to("nvfp4"), "quantizing shared": quantize_to("nvfp4", 1)}
        for label, stage in stages.items():
            accelerator = generate(build(nest, flow), stage=stage)
            found = synthesize(accelerator, cache=cache)
            (part,) = runs(accelerator, nest)
            yield f"{label} area", round(found.area_um2), "um2"
            yield f"{label} registers", found.register_bits, "bits"
            if found.longest_path_ns is not None:
                yield f"{label} longest path", round(found.longest_path_ns, 2), "ns"
            yield f"{label} cycles", part.predicted_cycles, "cycles"


DESIGNS = (Design("int8", INT8),)
OTHERS = (Design("nvfp4", NVFP4), Design("bf16", BF16))


def unit_figures(made: str, source: str, fraction_bits: int) -> Iterator[tuple[str, float, str]]:
    """Name, value and unit of each figure of a quantizer."""
    held = FORMATS[source]
    unit = StreamQuantizer(BLOCK_FORMATS[made], held, fraction_bits, held.bits, BANKS)
    text = verilog.convert(unit, name="quantizer", emit_src=False)
    found = synthesize_verilog(text, "quantizer", {}, cache=cache_folder() / "synthesis")
    yield "area", round(found.area_um2), "um2"
    yield "registers", found.register_bits, "bits"
    if found.longest_path_ns is not None:
        yield "longest path", round(found.longest_path_ns, 2), "ns"


def row(name: str, value: float, unit: str) -> dict[str, Any]:
    """A measurement as ``results.json`` has it."""
    how = "osu018 (0.18 um), modules mapped one by one, logic without banks and memories"
    print(f"{name}: {value:,} {unit}", file=sys.stderr, flush=True)
    return {"name": name, "value": value, "unit": unit, "target": None, "better": "lower", "how": how}


def main() -> None:
    rows = [
        row(f"quantizer {made} of {source} {figure}", value, unit)
        for made, source, fraction_bits in UNITS
        for figure, value, unit in unit_figures(made, source, fraction_bits)
    ]
    if "units" not in sys.argv[1:]:
        rows += [
            row(f"{design.name}_4x4x16 {figure}", value, unit)
            for design in (*DESIGNS, *(OTHERS if "all" in sys.argv[1:] else ()))
            for figure, value, unit in design.figures()
        ]
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
