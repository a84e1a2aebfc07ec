"""Area, registers, longest path and energy of four-bit arrays beside int8 arrays of equal throughput.

Prints a JSON list of measurements. The argument ``large`` synthesizes arrays of 16 by 16 dot products of sixteen
instead, some five minutes each on one core where nothing is cached.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from dataflow import Dataflow, build
from hw import generate
from hw.accelerator import Accelerator
from hw.synthesis import synthesize
from sim.power import measure_power
from sim.toolchain import cache_folder
from workloads.interpreter import random_inputs
from workloads.nest import Nest
from workloads.spec import load

NVFP4 = "nvfp4_gemm:m={m},n={n},k={k},format=int64"
INT8 = "gemm:m={m},n={n},k={k}"
INT4 = """
name: int4_gemm
loops: {{m: {m}, n: {n}, k: {k}}}
body: O[m, n] += A[m, k] * B[k, n]
formats: {{A: int4, B: int4, O: int32}}
"""
BF16 = """
name: bf16_gemm
loops: {{m: {m}, n: {n}, k: {k}}}
body: O[m, n] += A[m, k] * B[k, n]
formats: {{A: bf16, B: bf16, O: fp32}}
"""
# Deep enough that starting and writing back are a small part of the run whose energy is measured.
STEPS = 16


@dataclass(frozen=True, slots=True)
class Design:
    """An output-stationary array.

    Attributes
    ----------
    space : tuple of int
        Functional units along m and n, and terms that an adder tree sums.
    power : bool
        Whether energy is measured too.
    """

    name: str
    spec: str
    space: tuple[int, int, int]
    power: bool = True

    @property
    def macs_per_cycle(self) -> int:
        return prod(self.space)

    def nest(self) -> Nest:
        """Two tiles along each side, so that runs include a change of tile."""
        m, n, terms = self.space
        return load(self.spec.format(m=2 * m, n=2 * n, k=STEPS * max(terms, 16))).nest

    def accelerator(self) -> Accelerator:
        nest = self.nest()
        m, n, terms = self.space
        tree = {} if terms == 1 else {nest.loop_names[-1]: terms}
        flow = Dataflow.of(
            nest, {"m": m, "n": n, **tree}, skew=(1, 1, *(0 for _ in tree)), order=nest.loop_names, name="outputs"
        )
        return generate(build(nest, flow))


SMALL = (
    Design("nvfp4_4x4x16", NVFP4, (4, 4, 16)),
    Design("int4_4x4x16", INT4, (4, 4, 16)),
    Design("int8_4x4x16", INT8, (4, 4, 16)),
    Design("bf16_4x4x16", BF16, (4, 4, 16)),
    Design("int4_16x16", INT4, (16, 16, 1)),
    Design("int8_16x16", INT8, (16, 16, 1)),
)
LARGE = (
    Design("nvfp4_16x16x16", NVFP4, (16, 16, 16), power=False),
    Design("int8_16x16x16", INT8, (16, 16, 16), power=False),
)


def figures(design: Design) -> Iterator[tuple[str, float, str]]:
    """Name, value and unit of each figure of a design."""
    accelerator = design.accelerator()
    cache = cache_folder() / "synthesis"
    found = synthesize(accelerator, cache=cache)
    macs = design.macs_per_cycle
    yield "area", round(found.area_um2 / macs), "um2 per MAC/cycle"
    yield "registers", round(found.register_bits / macs, 1), "bits per MAC/cycle"
    if found.longest_path_ns is not None:
        yield "longest path", round(found.longest_path_ns, 2), "ns"
    if design.power:
        nest = design.nest()
        ran = measure_power(accelerator, nest, random_inputs(nest, 0), cache=cache)
        yield "energy", round(ran.pj_per_cycle * ran.cycles / nest.points, 1), "pJ/MAC"


def row(design: Design, figure: str, value: float, unit: str) -> dict[str, Any]:
    """A measurement as ``results.json`` has it."""
    return {
        "name": f"{design.name} {figure}",
        "value": value,
        "unit": unit,
        "target": None,
        "better": "lower",
        "how": (
            "osu018 (0.18 um), modules mapped one by one, logic without banks; output stationary, skewed; energy: "
            "toggles of a simulation of two by two tiles, random inputs, at the library's voltage"
        ),
    }


def main() -> None:
    large = "large" in sys.argv[1:]
    rows = []
    for design in LARGE if large else SMALL:
        for figure, value, unit in figures(design):
            print(f"{design.name} {figure}: {value:,} {unit}", file=sys.stderr, flush=True)
            rows.append(row(design, figure, value, unit))
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
