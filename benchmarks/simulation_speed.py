"""How fast designs are simulated: the cocotb bench beside a bare C++ harness and Amaranth's simulator, in one run.

Prints a JSON list of measurements. A whole run is what a person waits for: start of the process, loading, simulating
and reading back. The rate leaves out what a run of a single point takes, the start above all, on both sides alike:
what a longer run goes on at. Processor time says the same where other programs run beside.
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
from typing import Any, NamedTuple, TypeVar

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
from workloads.interpreter import random_inputs, run
from workloads.nest import Nest
from workloads.spec import load

HARNESS = Path(__file__).with_name("bare_harness.cpp")
AMARANTH_CYCLES = 50

T = TypeVar("T")


class Seconds(NamedTuple):
    """Of one simulator: a whole run, one of a single point, and the processor's."""

    whole: float
    start: float
    processor: float

    @property
    def rate(self) -> float:
        """A whole run without its start."""
        return self.whole - self.start


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--array", type=int, nargs="*", default=[8, 8, 16], help="edges of the square arrays")
    parser.add_argument("--size", type=int, nargs="*", default=[192, 320, 512], help="edge of the GEMM on each")
    parser.add_argument("--repeat", type=int, default=5, help="times that each run is measured; the best counts")
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
    level = [level for least, level in LEVELS if least <= cycles][-1]
    starts = [simulate(accelerator, point, random_inputs(point, seed=1)).run_seconds for _ in range(repeat)]
    bench = Seconds(min(result.run_seconds for result in results), min(starts), min(used for _, _, used in timed))
    with tempfile.TemporaryDirectory(prefix="brickwork-") as scratch:
        harness = _bare_harness(accelerator, level, Path(scratch))
        whole, used = _bare_seconds(harness, accelerator, nest, inputs, repeat, results[0].outputs)
        start, _ = _bare_seconds(harness, accelerator, point, random_inputs(point, seed=1), repeat, None)
    bare = Seconds(whole, start, used)
    amaranth = _amaranth_seconds_a_cycle(accelerator)
    name = f"gemm {size}x{size}x{size} int8 on {array}x{array}, {cycles} cycles, {level}"

    def entry(what: str, value: float, unit: str, how: str, target: float | None = None) -> dict[str, Any]:
        return {
            "name": f"{name}: {what}", "value": value, "unit": unit, "target": target, "better": "higher", "how": how
        }  # fmt: skip

    whole_how = f"best of {repeat} whole runs, process start, loading and reading back included"
    rate_how = f"best of {repeat} runs less the best of {repeat} of a single point; loading and reading back included"
    same = "same Verilog, same optimisation"
    return [
        entry("cocotb bench", cycles / bench.rate, "array cycles/s", rate_how),
        entry("cocotb bench, products", nest.points / bench.rate, "MAC/s", rate_how),
        entry("bare C++ harness", cycles / bare.rate, "array cycles/s", f"{rate_how}; {same}"),
        entry("bare C++ harness, products", nest.points / bare.rate, "MAC/s", f"{rate_how}; {same}"),
        entry("cocotb bench over bare C++ harness", bare.rate / bench.rate, "ratio", "quotient of rates", 0.5),
        entry("cocotb bench, whole run", cycles / bench.whole, "array cycles/s", whole_how),
        entry("bare C++ harness, whole run", cycles / bare.whole, "array cycles/s", f"{whole_how}; {same}"),
        entry(
            "cocotb bench over bare C++ harness, whole run", bare.whole / bench.whole, "ratio", "quotient of the two"
        ),
        entry(
            "cocotb bench over bare C++ harness, processor time",
            bare.processor / bench.processor,
            "ratio",
            f"best of {repeat}; all of the call, cutting into runs and comparison with the interpreter included",
        ),
        entry("cocotb bench's start", bench.start, "s", f"best of {repeat} runs of a single point")
        | {"better": "lower"},
        entry("bare C++ harness's start", bare.start, "s", f"best of {repeat} runs of a single point")
        | {"better": "lower"},
        entry(
            "Amaranth's simulator",
            1 / amaranth,
            "array cycles/s",
            f"the array's functional units alone, on random operands, {AMARANTH_CYCLES} cycles; banks and control of "
            "the design would come on top",
        ),
        entry(
            "cocotb bench over Amaranth's simulator", cycles / bench.rate * amaranth, "ratio", "quotient of the above"
        ),
    ]


def _bare_harness(accelerator: Accelerator, level: str, folder: Path) -> Path:
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
    return folder / "made" / "bare"


def _bare_seconds(
    harness: Path, accelerator: Accelerator, nest: Nest, inputs: Any, repeat: int, expected: np.ndarray | None
) -> tuple[float, float]:
    """Seconds by the clock and of the processor; results are compared with those given or of the interpreter."""
    expected = run(nest, inputs) if expected is None else expected
    folder = harness.parent
    parts = runs(accelerator, nest)
    output = np.zeros_like(expected)
    (folder / "tasks").write_bytes(_tasks(parts, inputs, output))
    command: list[str | Path] = [harness, "tasks", "results"]
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
