"""Cycles of an SVDQuant layer on one array: four-bit residual, and both products of the low-rank branch.

Prints a JSON list of measurements. The branch is in int8, on the same functional units as the residual.
"""

from __future__ import annotations

import json
from typing import Any

from dataflow import Dataflow, build, fuse
from dataflow.cycles import count_cycles
from hw import generate
from sim import Job, simulate_all
from workloads.interpreter import random_inputs
from workloads.nest import Nest
from workloads.spec import load

RANK = 32
SMALL = (16, 32, 64)
# M, N, K of products of queries, keys and values, and of the way back down, in FLUX.1.
FLUX = ((4096, 9216, 3072), (4096, 3072, 12288))

RESIDUAL = "nvfp4_gemm:m={m},n={n},k={k},format=int64"
DOWN = """
name: down
loops: {{m: {m}, r: {r}, k: {k}}}
body: T[m, r] += X[m, k] * A[r, k]
formats: {{X: int8, A: int8, T: int32}}
"""
UP = """
name: up
loops: {{m: {m}, n: {n}, r: {r}}}
body: L[m, n] += T[m, r] * B[n, r]
formats: {{T: int8, B: int8, L: int32}}
"""
# Functional units along two axes of the output, and the terms of an adder tree.
SPACES = (("residual", RESIDUAL, "m n ki"), ("down", DOWN, "m r k"), ("up", UP, "m n r"))


def members(m: int, n: int, k: int) -> list[tuple[Nest, Dataflow]]:
    """The three products of a layer, each with its dataflow over 4 by 4 dot products of 16."""
    found = []
    for name, spec, axes in SPACES:
        nest = load(spec.format(m=m, n=n, k=k, r=RANK)).nest
        space = dict(zip(axes.split(), (4, 4, 16), strict=True))
        found.append((nest, Dataflow.of(nest, space, skew=(1, 1, 0), order=nest.loop_names, name=name)))
    return found


def main() -> None:
    given = members(*SMALL)
    accelerator = generate(fuse([build(*member) for member in given], name="split_layer").architecture)
    jobs = [Job(nest, random_inputs(nest, seed), flow.name) for seed, (nest, flow) in enumerate(given)]
    results = simulate_all(accelerator, jobs)
    for job, result in zip(jobs, results, strict=True):
        if not result.matches:
            raise SystemExit(f"{job.dataflow}: {result.first_mismatch}")
    rows = rows_of(SMALL, [r.simulated_cycles for r in results], "simulated; outputs and cycles equal the model")
    by_name = {plan.dataflow.name: n for n, plan in enumerate(accelerator.design.netlist.plans)}
    for size in FLUX:
        cycles = []
        for nest, flow in members(*size):
            mode = by_name[flow.name]
            plan, timing = accelerator.design.netlist.plans[mode], accelerator.design.timings[mode]
            cycles.append(count_cycles(plan, nest.extents, timing).total)
        rows += rows_of(size, cycles, "predicted by the same model")
    print(json.dumps(rows, indent=2))


def rows_of(size: tuple[int, int, int], cycles: list[int], how: str) -> list[dict[str, Any]]:
    """Measurements as ``results.json`` has them."""
    residual, down, up = cycles
    name = "svdquant layer M={} N={} K={}".format(*size)
    how = (
        f"{how}; rank {RANK}, 4x4 dot products of 16, one array of three dataflows; branch int8, one product at a time"
    )
    values = (
        ("residual", residual, "cycles"),
        ("down", down, "cycles"),
        ("up", up, "cycles"),
        ("branch over residual", round(100 * (down + up) / residual, 2), "%"),
    )
    return [
        {"name": f"{name}: {what}", "value": value, "unit": unit, "target": None, "better": "lower", "how": how}
        for what, value, unit in values
    ]


if __name__ == "__main__":
    main()
