"""The test that cocotb runs in the simulator: driver, monitor and scoreboard, woken once a block."""

from __future__ import annotations

import os
import socket
from typing import Any

import cocotb
from cocotb.triggers import ValueChange

from sim.bench_verilog import CONFIG_WORD_BYTES, DEADLINE_STATUS, Bench, Operation
from sim.exchange import SOCKET_VARIABLE, Answer, Finished, Rows, Task, receive, send
from sim.scoreboard import BenchFaultError, Scoreboard


class Sequencer:
    """The bench module's command port: one operation at a time."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self._taken = ValueChange(dut.ack)
        self._turn = 0

    async def do(self, operation: Operation, *, tensor: int = 0, address: int = 0, count: int = 0) -> None:
        """Start an operation and sleep until it is over."""
        self._turn ^= 1
        self.dut.command.value = self._turn | operation << 1 | tensor << 4 | address << 8 | count << 28
        await self._taken


class Driver:
    """Writes registers and rows, and starts runs."""

    def __init__(self, dut: Any, bench: Bench, sequencer: Sequencer) -> None:
        self.dut, self.bench, self.sequencer = dut, bench, sequencer

    async def configure(self, registers: tuple[tuple[int, int], ...]) -> None:
        """Write configuration registers in the order given."""
        size = self.bench.words_per_block
        for first in range(0, len(registers), size):
            part = registers[first : first + size]
            self.dut.block.value = sum(
                (value << 16 | address) << (8 * CONFIG_WORD_BYTES * i) for i, (address, value) in enumerate(part)
            )
            await self.sequencer.do(Operation.CONFIGURE, count=len(part))

    async def load(self, rows: Rows) -> None:
        """Write rows into the banks of a tensor, block by block."""
        step = self.bench.rows_per_block(rows.tensor_id)
        row_bytes = self.bench.bytes_of(rows.tensor_id)
        for first in range(0, rows.rows, step):
            count = min(step, rows.rows - first)
            part = rows.data[first * row_bytes : (first + count) * row_bytes]
            self.dut.block.value = int.from_bytes(part, "little")
            await self.sequencer.do(Operation.PUSH, tensor=rows.tensor_id, address=rows.address + first, count=count)

    async def poison(self, task: Task) -> None:
        """Overwrite the place of the result."""
        await self.sequencer.do(
            Operation.FILL, tensor=task.result_id, address=task.result_address, count=task.filled_rows
        )

    async def run(self, task: Task) -> None:
        """Start the design and wait for done or the deadline."""
        await self.sequencer.do(Operation.RUN, count=task.deadline_cycles)


class Monitor:
    """Reads what a run did."""

    def __init__(self, dut: Any, bench: Bench, sequencer: Sequencer) -> None:
        self.dut, self.bench, self.sequencer = dut, bench, sequencer

    def cycles(self, task: Task) -> tuple[int, int]:
        """Cycles by the design's counter and by the clock, or what kept the run from finishing."""
        report = str(self.dut.report.value)
        status = int(report[:2], 2)
        if status == DEADLINE_STATUS:
            raise BenchFaultError(f"run {task.number} was still busy after {task.deadline_cycles} cycles")
        if status:
            raise BenchFaultError(f"run {task.number} was busy before its start, or neither busy nor done after it")
        if not set(report) <= {"0", "1"}:
            raise BenchFaultError(f"run {task.number} ended with an unknown cycle count")
        return int(report[34:], 2), int(report[2:34], 2)

    async def rows(self, task: Task) -> bytes:
        """Result rows of a run, block by block."""
        step = self.bench.rows_per_block(task.result_id)
        row_bytes = self.bench.bytes_of(task.result_id)
        parts = []
        for first in range(0, task.result_rows, step):
            count = min(step, task.result_rows - first)
            await self.sequencer.do(
                Operation.PULL, tensor=task.result_id, address=task.result_address + first, count=count
            )
            bits = str(self.dut.result.value)[-8 * row_bytes * count :]
            try:
                parts.append(int(bits, 2).to_bytes(row_bytes * count, "little"))
            except ValueError:
                # The highest row is the leftmost one.
                unknown = max(i for i, bit in enumerate(reversed(bits)) if bit not in "01") // (8 * row_bytes)
                raise BenchFaultError(
                    f"run {task.number} left unknown bits in its result, "
                    f"such as in the row at address {task.result_address + first + unknown}"
                ) from None
        return b"".join(parts)


@cocotb.test()
async def tasks(dut: Any) -> None:
    """Do runs as they come over the socket, and answer each."""
    with socket.socket(fileno=int(os.environ[SOCKET_VARIABLE])) as link, link.makefile("rwb") as stream:
        bench = receive(stream)
        sequencer = Sequencer(dut)
        driver, monitor = Driver(dut, bench, sequencer), Monitor(dut, bench, sequencer)
        scoreboard = Scoreboard(bench.top)
        sent = 0
        try:
            while task := receive(stream):
                scoreboard.expect(task)
                sent += 1
                await driver.poison(task)
                for rows in task.loads:
                    await driver.load(rows)
                await driver.configure(task.registers)
                await driver.run(task)
                counted, timed = monitor.cycles(task)
                answer = Answer(task.number, await monitor.rows(task), counted, timed)
                scoreboard.observe(answer, bench.bytes_of(task.result_id))
                send(stream, answer)
            send(stream, Finished(scoreboard.finish(at_least=sent)))
        except BenchFaultError as caught:
            send(stream, caught.fault)
