"""The test that cocotb runs inside the simulator: drives a job's runs through the bench, block by block."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ValueChange

from sim import bench_verilog
from sim.job import Job, Outcome


class Driver:
    """Moves whole blocks through the bench module."""

    def __init__(self, dut: Any, bench: bench_verilog.Bench) -> None:
        self.dut, self.bench = dut, bench
        self.go = False

    async def _operate(self, op: int, *, tensor: int = 0, address: int = 0, count: int = 0, block: int = 0) -> None:
        dut = self.dut
        dut.op.value, dut.tensor.value, dut.address.value, dut.count.value = op, tensor, address, count
        if op in (bench_verilog.CONFIGURE, bench_verilog.PUSH):
            dut.block.value = block
        self.go = not self.go
        dut.go.value = int(self.go)
        await ValueChange(dut.finished)

    async def configure(self, registers: tuple[tuple[int, int], ...]) -> None:
        """Write configuration registers."""
        size = self.bench.registers_per_block
        for first in range(0, len(registers), size):
            part = registers[first : first + size]
            block = b"".join(value.to_bytes(4, "little") + address.to_bytes(4, "little") for address, value in part)
            await self._operate(bench_verilog.CONFIGURE, count=len(part), block=int.from_bytes(block, "little"))

    async def push(self, tensor: int, address: int, rows: np.ndarray) -> None:
        """Write rows into the banks of a tensor."""
        size = self.bench.rows_per_block(tensor)
        for first in range(0, len(rows), size):
            part = rows[first : first + size]
            block = int.from_bytes(part.tobytes(), "little")
            await self._operate(
                bench_verilog.PUSH, tensor=tensor, address=address + first, count=len(part), block=block
            )

    async def pull(self, tensor: int, address: int, count: int) -> np.ndarray:
        """Read rows from the banks of a tensor."""
        size, row_bytes = self.bench.rows_per_block(tensor), self.bench.row_bytes[tensor]
        parts = []
        for first in range(0, count, size):
            n = min(size, count - first)
            await self._operate(bench_verilog.PULL, tensor=tensor, address=address + first, count=n)
            text = str(self.dut.block.value)[: n * row_bytes * 8]
            # A word that was never written may be unknown in a four-state simulator.
            value = int(text.translate(_TWO_STATE), 2)
            parts.append(np.frombuffer(value.to_bytes(n * row_bytes, "little"), np.uint8).reshape(n, row_bytes))
        return np.concatenate(parts)

    async def run(self, limit: int) -> tuple[bool, int, int]:
        """Start and wait; returns (hung, cycles by the design's counter, busy cycles by the bench)."""
        self.dut.limit.value = limit
        await self._operate(bench_verilog.START)
        hung = int(self.dut.hung.value) == 1
        return hung, 0 if hung else int(self.dut.cycles.value), int(self.dut.timed.value)


_TWO_STATE = str.maketrans("xXzZuUwW", "00000000")


@cocotb.test()
async def job(dut: Any) -> None:
    """Run every run of the job and leave the outcome in its file."""
    path = Path(os.environ["BRICKWORK_JOB"])
    task: Job = pickle.loads(path.read_bytes())
    driver = Driver(dut, task.bench)
    output = task.initial.copy()
    counts: list[tuple[int, int]] = []
    hung = None
    started = time.perf_counter()
    for number, run in enumerate(task.runs):
        await driver.configure(run.registers)
        for load in run.loads(task.inputs, output):
            await driver.push(load.tensor_id, load.address, load.rows)
        failed, counted, timed = await driver.run(4 * run.predicted_cycles + 10_000)
        if failed:
            hung = number
            break
        counts.append((counted, timed))
        tensor, address, rows, _ = run.readback
        run.store(await driver.pull(tensor, address, rows), output)
        _say(path, number + 1, len(task.runs))
    outcome = Outcome(output, tuple(counts), hung, time.perf_counter() - started)
    path.with_suffix(".out").write_bytes(pickle.dumps(outcome))


def _say(path: Path, done: int, total: int) -> None:
    """Progress for whoever watches the job's folder."""
    path.with_suffix(".progress").write_text(f"{done} {total}")
