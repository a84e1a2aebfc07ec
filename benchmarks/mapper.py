"""How long the best mapping takes with its proof, how many mappings a second, and how good it is.

Prints a JSON list of measurements; one process, no thread of numpy's libraries but one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

# Before numpy is imported: the targets are for one core.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from dataflow.mapping import Machine, best_mapping, cost, count, energies, every_dataflow
from dataflow.mapping.network import map_network
from dataflow.mapping.search import build_once
from dataflow.mapping.space import all_cuts
from dataflow.technology import Constant, Memory, Technology
from workloads.networks import network_named
from workloads.spec import load

REPEAT = 3
SIZES = (1024, 1000)
KIB = 1024
MACHINE = Machine(128 * KIB, 64.0)
EDGE = Machine(256 * KIB, 16.0)

# AccelForge's optimum with these constants (its TPUv4i example) and 8-bit tensors, by its default of dividing tiles.
ACCELFORGE_PJ_PER_MAC = 0.983


def accelforge_constants() -> Technology:
    """Constants of AccelForge's example architecture tpu_v4i.yaml; additions and registers are free there."""

    def constant(value: float) -> Constant:
        return Constant(value, value, value, "AccelForge, examples/arches/tpu_v4i.yaml")

    return Technology(
        name="accelforge",
        node_nm=7,
        multiply_pj=(("int8", constant(0.084)),),
        add_pj=tuple((name, constant(0.0)) for name in ("int8", "int32", "fp32")),
        register_pj_per_bit=constant(0.0),
        memories=(Memory(128 * KIB, constant(0.249), constant(0.293)),),
        off_chip_pj_per_bit=(("dram", constant(7.03)),),
    )


def gemm_seconds(size: int) -> float:
    """One search over every dataflow of 16 by 16 units, from the spec's name, no array being built already."""
    build_once.cache_clear()
    began = time.perf_counter()
    nest = load(f"gemm:m={size},n={size},k={size}").nest
    assert best_mapping(nest, MACHINE, every_dataflow(nest, (16, 16))).certificate.proven
    return time.perf_counter() - began


def cold_seconds(size: int) -> float:
    """The same in a new interpreter, imports included."""
    code = f"from benchmarks.mapper import gemm_seconds; gemm_seconds({size})"
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


def row(name: str, value: float, unit: str, target: float | None, better: str, how: str) -> dict:
    return {"name": name, "value": value, "unit": unit, "target": target, "better": better, "how": how}


def searches() -> list[dict]:
    how = f"best of {REPEAT}; int8 GEMM, 9 dataflows of 16x16 units, 128 KB, energy-delay, proven optimum"
    found = []
    for size in SIZES:
        cold = min(cold_seconds(size) for _ in range(REPEAT))
        warm = min(gemm_seconds(size) for _ in range(REPEAT))
        found.append(row(f"map_gemm_{size}_cold", round(cold, 3), "s", 1.0, "lower", f"{how}; interpreter included"))
        found.append(row(f"map_gemm_{size}_warm", round(warm, 3), "s", 0.2, "lower", how))
    return found


def rates() -> list[dict]:
    nest = load("gemm:m=1024,n=1024,k=1024").nest
    began = time.perf_counter()
    best = best_mapping(nest, MACHINE, every_dataflow(nest, (16, 16)), objective="cycles", cuts=all_cuts)
    bounded = best.certificate.bounded / (time.perf_counter() - began)
    energy, evaluated, began = energies(MACHINE, nest), 0, time.perf_counter()
    while time.perf_counter() - began < 1:
        cost(count(best.mapping, MACHINE), MACHINE, energy, double_buffered=best.mapping.double_buffered)
        evaluated += 1
    return [
        row(
            "map_bounds_per_second",
            round(bounded),
            "mappings/s",
            100_000,
            "higher",
            "bounds of all quantities, of mappings and partial ones; every tile size of the 1024 GEMM, search included",
        ),
        row("map_single_evaluations_per_second", evaluated, "mappings/s", None, "higher", "closed form, one at a time"),
    ]


def networks() -> list[dict]:
    found = []
    for name, target in (("resnet50", 10.0), ("gpt3_6.7b_block", 5.0)):
        network = network_named(name)
        best = float("inf")
        for _ in range(REPEAT):
            build_once.cache_clear()
            began = time.perf_counter()
            mapped = map_network(network, EDGE, (16, 16))
            best = min(best, time.perf_counter() - began)
            assert mapped.proven
        how = f"best of {REPEAT}; every dataflow of 16x16 units, 256 KB, 16 B/cycle, energy-delay, all layers proven"
        found.append(row(f"map_{name}", round(best, 2), "s", target, "lower", how))
    return found


def quality() -> list[dict]:
    technology = accelforge_constants()
    # 64 bytes a cycle each way.
    machine = Machine(128 * KIB, 128.0, technology=technology, off_chip="dram")
    text = "name: gemm\nloops: {m: 1024, n: 1024, k: 1024}\nbody: O[m, n] += A[m, k] * B[k, n]\n"
    nest = load(text + "formats: {O: int8, A: int8, B: int8}\n").nest
    best = best_mapping(nest, machine, every_dataflow(nest, (16, 16)))
    return [
        row(
            "map_gemm_1024_energy",
            round(best.cost.energy_pj / best.counts.macs, 3),
            "pJ/MAC",
            ACCELFORGE_PJ_PER_MAC,
            "lower",
            "modelled energy of the energy-delay optimum; target: the optimum of AccelForge 1.0.467, same constants",
        )
    ]


def main() -> None:
    print(json.dumps([*searches(), *rates(), *networks(), *quality()], indent=2))


if __name__ == "__main__":
    main()
