"""Area, registers, longest path and energy of four-bit arrays beside int8 and bf16 arrays of equal throughput.

Equal throughput is equal products of an activation and a weight a cycle, whatever else multiplies them: 256 in every
array, 4,096 in every large one. Outputs are compared bit for bit before an energy counts.

Prints a JSON list of measurements. The argument ``large`` synthesizes arrays of 16 by 16 dot products of sixteen
instead, some nine minutes on one core where nothing is cached.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from dataflow import Dataflow, build
from hw import generate
from hw.accelerator import Accelerator
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
# Four-bit weights in blocks, activations of more bits. Where sums are rounded, a scale multiplies every product.
WEIGHTS = """
name: {name}_gemm
loops: {{{{m: {{m}}, n: {{n}}, kb: {{blocks}}, ki: {block}}}}}
body: O[m, n] += A[m, kb, ki] * W[n, kb, ki] * S[n, kb]
formats: {{{{A: {activation}, W: {weight}, S: {scale}, O: {output}}}}}
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
    computes : str
        Factors of a product, and what sums it.
    block : int
        Weights with a scale of their own.
    paths : bool
        Whether the longest path is measured too, which takes gigabytes for a million cells.
    """

    name: str
    spec: str
    space: tuple[int, int, int]
    computes: str
    block: int = 16
    paths: bool = True

    @property
    def macs_per_cycle(self) -> int:
        return prod(self.space)

    def nest(self) -> Nest:
        """Two tiles along each side, so that runs include a change of tile."""
        m, n, terms = self.space
        depth = STEPS * max(terms, 16)
        return load(self.spec.format(m=2 * m, n=2 * n, k=depth, blocks=depth // self.block)).nest

    def accelerator(self) -> Accelerator:
        nest = self.nest()
        m, n, terms = self.space
        tree = {} if terms == 1 else {nest.loop_names[-1]: terms}
        flow = Dataflow.of(
            nest, {"m": m, "n": n, **tree}, skew=(1, 1, *(0 for _ in tree)), order=nest.loop_names, name="outputs"
        )
        return generate(build(nest, flow))


def weight_only(name: str, activation: str, weight: str, scale: str, block: int, output: str = "fp32") -> Design:
    """4 by 4 dot products of 16 of weights that have scales and activations that have none."""
    spec = WEIGHTS.format(name=name, activation=activation, weight=weight, scale=scale, output=output, block=block)
    sums = "exact sums in steps of 2^-19" if output == "int64" else "sums in fp32, rounded after every product and sum"
    computes = f"{activation} x {weight} x {scale} scale of {block} weights, {sums}"
    return Design(f"{name}_4x4x16", spec, (4, 4, 16), computes, block)


NVFP4_SUMS = "e2m1 x e2m1, both e4m3 scales behind sixteen products, exact sums in steps of 2^-20"
SMALL = (
    Design("nvfp4_4x4x16", NVFP4, (4, 4, 16), NVFP4_SUMS),
    Design("int4_4x4x16", INT4, (4, 4, 16), "int4 x int4, exact sums, no scales"),
    Design("int8_4x4x16", INT8, (4, 4, 16), "int8 x int8, exact sums, no scales"),
    Design("bf16_4x4x16", BF16, (4, 4, 16), "bf16 x bf16, sums in fp32, rounded after every product and sum"),
    weight_only("nvfp4_bf16", "bf16", "e2m1", "e4m3", 16),
    weight_only("int4_g64_bf16", "bf16", "int4", "fp16", 64),
    weight_only("nvfp4_fp8", "e4m3", "e2m1", "e4m3", 16),
    weight_only("int4_g64_fp8", "e4m3", "int4", "fp16", 64),
    weight_only("nvfp4_fp8_exact", "e4m3", "e2m1", "e4m3", 16, "int64"),
    Design("int4_16x16", INT4, (16, 16, 1), "int4 x int4, exact sums, no scales"),
    Design("int8_16x16", INT8, (16, 16, 1), "int8 x int8, exact sums, no scales"),
)
LARGE = (
    Design("nvfp4_16x16x16", NVFP4, (16, 16, 16), NVFP4_SUMS, paths=False),
    Design("int8_16x16x16", INT8, (16, 16, 16), "int8 x int8, exact sums, no scales", paths=False),
    Design("bf16_16x16x16", BF16, (16, 16, 16), "bf16 x bf16, sums in fp32, rounded after every product", paths=False),
)
# Designs whose figures are divided by those of designs of equal throughput.
RATIOS = (
    ("nvfp4_4x4x16", ("int8_4x4x16", "bf16_4x4x16")),
    ("nvfp4_bf16_4x4x16", ("bf16_4x4x16",)),
    ("int4_g64_bf16_4x4x16", ("bf16_4x4x16",)),
    ("nvfp4_16x16x16", ("int8_16x16x16", "bf16_16x16x16")),
)


def figures(design: Design) -> Iterator[tuple[str, float, str]]:
    """Name, value and unit of each figure of a design, whose outputs and cycles are those of the definition."""
    nest = design.nest()
    inputs = random_inputs(nest, 0)
    ran = measure_power(design.accelerator(), nest, inputs, cache=cache_folder() / "synthesis", paths=design.paths)
    found, macs = ran.synthesis, design.macs_per_cycle
    yield "area", round(found.area_um2 / macs), "um2 per MAC/cycle"
    yield "registers", round(found.register_bits / macs, 1), "bits per MAC/cycle"
    if found.longest_path_ns is not None:
        yield "longest path", round(found.longest_path_ns, 2), "ns"
    yield "energy", round(ran.pj_per_cycle * ran.cycles / nest.points, 1), "pJ/MAC"


def row(name: str, value: float, unit: str, what: str) -> dict[str, Any]:
    """A measurement as ``results.json`` has it."""
    how = (
        f"{what}; osu018 (0.18 um), modules mapped one by one, logic without banks; output stationary, skewed; energy: "
        "toggles of a simulation of two by two tiles, random inputs, at the library's voltage, outputs bit for bit"
    )
    return {"name": name, "value": value, "unit": unit, "target": None, "better": "lower", "how": how}


def rows_of(designs: Sequence[Design]) -> Iterator[dict[str, Any]]:
    """Each figure of each design, then the ratios between designs."""
    found: dict[tuple[str, str], float] = {}
    for design in designs:
        for figure, value, unit in figures(design):
            print(f"{design.name} {figure}: {value:,} {unit}", file=sys.stderr, flush=True)
            found[design.name, figure] = value
            what = f"{design.macs_per_cycle} products a cycle: {design.computes}"
            yield row(f"{design.name} {figure}", value, unit, what)
    for name, others in RATIOS:
        for other in others:
            for figure in ("area", "energy"):
                if (name, figure) in found:
                    value = round(found[name, figure] / found[other, figure], 3)
                    yield row(f"{name} {figure} over {other}", value, "ratio", "equal products a cycle")


def main() -> None:
    print(json.dumps([*rows_of(LARGE if "large" in sys.argv[1:] else SMALL)], indent=2))


if __name__ == "__main__":
    main()
