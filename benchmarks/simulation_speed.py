"""How fast designs are simulated: the cocotb bench beside a bare C++ harness and Amaranth's simulator, in one run.

Prints a JSON list of measurements. Each is a whole process or call, start and load included. Time by the clock is what
a person waits; processor time says the same where other programs run beside.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from amaranth.hdl import Module
from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from dataflow.architecture import build
from dataflow.dataflow import Dataflow
from hw import Accelerator, generate, runs
from hw.units.point import PointModule
from sim import simulate
from sim.build import LEVELS
from sim.toolchain import verilator_environment
from sim.verilator import run_tool
from workloads.interpreter import random_inputs
from workloads.nest import Nest
from workloads.spec import load

HARNESS = Path(__file__).with_name("bare_harness.cpp")
AMARANTH_CYCLES = 50

T = TypeVar("T")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--array", type=int, nargs="*", default=[8, 8, 16], help="edges of the square arrays")
    parser.add_argument("--size", type=int, nargs="*", default=[192, 320, 512], help="edge of the GEMM on each")
    parser.add_argument("--repeat", type=int, default=3, help="times that each run is measured; the best counts")
    given = parser.parse_args(arguments)
    found = []
    for array, size in zip(given.array, given.size, strict=True):
        found += measure(array, size, given.repeat)
    print(json.dumps(found, indent=2))


def measure(array: int, size: int, repeat: int) -> list[dict[str, Any]]:
    """Measure one GEMM of ``size`` cubed in int8 on ``array`` by ``array`` functional units."""
    nest = load(f"gemm:m={size},n={size},k={size}").nest
    accelerator = generate(build(nest, Dataflow.of(nest, {"m": array, "n": array})))
    inputs = random_inputs(nest, seed=1)
    # The first one may compile.
    simulate(accelerator, nest, inputs)
    timed = [_timed(lambda: simulate(accelerator, nest, inputs)) for _ in range(repeat)]
    results = [result for result, _, _ in timed]
    assert all(result.matches for result in results)
    cycles = results[0].simulated_cycles
    point = nest.with_extents(dict.fromkeys(nest.loop_names, 1))
    start = min(simulate(accelerator, point, random_inputs(point, seed=1)).run_seconds for _ in range(repeat))
    level = [level for least, level in LEVELS if least <= cycles][-1]
    bench = min(result.run_seconds for result in results)
    bench_processor = min(processor for _, _, processor in timed)
    bare, bare_processor = _bare_seconds(accelerator, nest, inputs, level, repeat, results[0].outputs)
    amaranth = _amaranth_seconds_a_cycle(accelerator)
    name = f"gemm {size}x{size}x{size} int8 on {array}x{array}, {cycles} cycles, {level}"

    def entry(what: str, value: float, unit: str, how: str, target: float | None = None) -> dict[str, Any]:
        return {
            "name": f"{name}: {what}", "value": value, "unit": unit, "target": target, "better": "higher", "how": how
        }  # fmt: skip

    whole = f"best of {repeat} whole runs, process start, loading and reading back included"
    return [
        entry("cocotb bench", cycles / bench, "array cycles/s", whole),
        entry("cocotb bench", nest.points / bench, "MAC/s", whole),
        entry("bare C++ harness", cycles / bare, "array cycles/s", f"{whole}; same Verilog, same optimisation"),
        entry("bare C++ harness", nest.points / bare, "MAC/s", f"{whole}; same Verilog, same optimisation"),
        entry("cocotb bench over bare C++ harness", bare / bench, "ratio", "quotient of the two above", 0.5),
        entry(
            "cocotb bench over bare C++ harness, processor time",
            bare_processor / bench_processor,
            "ratio",
            f"best of {repeat}; all of the call, cutting into runs and comparison with the interpreter included",
            0.5,
        ),
        entry("cocotb bench's start", start, "s", f"best of {repeat} runs of a single point; part of all the above")
        | {"better": "lower"},
        entry(
            "Amaranth's simulator",
            1 / amaranth,
            "array cycles/s",
            f"the array's functional units alone, on random operands, {AMARANTH_CYCLES} cycles; banks and control of "
            "the design would come on top",
        ),
        entry("cocotb bench over Amaranth's simulator", cycles / bench * amaranth, "ratio", "quotient of the above"),
    ]


def _bare_seconds(
    accelerator: Accelerator, nest: Nest, inputs: Any, level: str, repeat: int, expected: np.ndarray
) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    with tempfile.TemporaryDirectory(prefix="brickwork-") as scratch:
        folder = Path(scratch)
        (folder / "design.v").write_text(accelerator.verilog)
        run_tool(
            [
                "verilator", "--cc", "--exe", "--build", "-j", "2", "-Wno-fatal", "-Wno-lint", "-Wno-style",
                "--prefix", "Vbare", "--top-module", accelerator.top, "--Mdir", "made", "-o", "bare",
                "--output-split", "2000", "-MAKEFLAGS", f"OPT_FAST={level} OPT_SLOW=-O0 OPT_GLOBAL=-O2",
                "design.v", HARNESS,
            ],
            folder,
            verilator_environment(),
        )  # fmt: skip
        parts = runs(accelerator, nest)
        output = np.zeros_like(expected)
        (folder / "tasks").write_bytes(_tasks(parts, inputs, output))
        command: list[str | Path] = [folder / "made" / "bare", "tasks", "results"]
        timed = [_timed(lambda: subprocess.run(command, cwd=folder, check=True)) for _ in range(repeat)]
        results = (folder / "results").read_bytes()
    for part in parts:
        _, _, rows, row_bytes = part.readback
        (cycles,) = struct.unpack_from("<I", results)
        assert cycles == part.predicted_cycles, (cycles, part.predicted_cycles)
        part.store(np.frombuffer(results, np.uint8, rows * row_bytes, 4).reshape(rows, row_bytes), output)
        results = results[4 + rows * row_bytes :]
    np.testing.assert_array_equal(output, expected)
    return min(clock for _, clock, _ in timed), min(processor for _, _, processor in timed)


def _timed(call: Callable[[], T]) -> tuple[T, float, float]:
    """What a call returns, its seconds by the clock, and processor seconds of this process and of ended children."""
    clock, processor = time.perf_counter(), _processor_seconds()
    result = call()
    return result, time.perf_counter() - clock, _processor_seconds() - processor


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _tasks(parts: Sequence[Any], inputs: Any, output: np.ndarray) -> bytes:
    """The harness's file; no run may start from another's result, since all are written before the first."""
    found = [struct.pack("<I", len(parts))]
    for part in parts:
        loads = part.loads(inputs, output)
        found.append(struct.pack("<I", len(loads)))
        for item in loads:
            found.append(struct.pack("<4I", item.tensor_id, item.address, *item.rows.shape))
            found.append(item.rows.tobytes())
        found.append(struct.pack("<I", len(part.registers)))
        found += [struct.pack("<2I", address, value) for address, value in part.registers]
        found.append(struct.pack("<4I", *part.readback))
    return b"".join(found)


def _amaranth_seconds_a_cycle(accelerator: Accelerator) -> float:
    design = accelerator.design
    m = Module()
    operands = []
    for region, points in design.structure.kinds.items():
        if region in design.bank_of:
            continue
        for point, kind in points.items():
            unit = PointModule(kind, None)
            m.submodules[f"{region}_{'_'.join(map(str, point))}"] = unit
            operands += [getattr(unit, member) for member, flow in unit.signature.members.items() if flow.flow is In]
    generator = random.Random(1)
    simulator = Simulator(m)
    simulator.add_clock(1e-6)

    async def drive(ctx: Any) -> None:
        for _ in range(AMARANTH_CYCLES):
            for operand in operands:
                ctx.set(operand, generator.getrandbits(len(operand)) if len(operand) > 1 else 1)
            await ctx.tick()

    simulator.add_testbench(drive)
    start = time.perf_counter()
    simulator.run()
    return (time.perf_counter() - start) / AMARANTH_CYCLES


if __name__ == "__main__":
    main()
