"""What passes between the process that asks for a simulation and the simulator.

Standard library only: the simulator imports it, and its start-up is most of the time of a small simulation.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sim.bench_verilog import Bench

SOCKET_VARIABLE = "BRICKWORK_BENCH_SOCKET"


class Stream(Protocol):
    """A socket's file in both directions."""

    def write(self, data: bytes, /) -> int: ...
    def flush(self) -> None: ...
    def read(self, size: int = ..., /) -> bytes: ...
    def readline(self) -> bytes: ...


class Rows(NamedTuple):
    """Rows for the banks of one tensor, from an in-bank address on."""

    tensor_id: int
    address: int
    rows: int
    data: bytes


class Task(NamedTuple):
    """One start-to-done: what to write before, what to read after, and when to give up.

    ``filled_rows`` of the result's place are overwritten before, so that no earlier result can be taken for this one.
    """

    number: int
    registers: tuple[tuple[int, int], ...]
    loads: tuple[Rows, ...]
    result_id: int
    result_address: int
    result_rows: int
    deadline_cycles: int
    filled_rows: int


class Answer(NamedTuple):
    """What one run gave: its result rows, and its cycles by the design's counter and by the bench's clock."""

    number: int
    rows: bytes
    counted_cycles: int
    timed_cycles: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the bench gave up, as one sentence."""

    text: str


class Finished(NamedTuple):
    """The scoreboard ended empty after this many results."""

    matched: int


Message = Bench | Task | Answer | Fault | Finished | None


def send(stream: Stream, message: Message) -> None:
    """Write one message and flush it."""
    pickle.dump(message, stream, protocol=pickle.HIGHEST_PROTOCOL)
    stream.flush()


def receive(stream: Stream) -> Any:
    """Read one message.

    Raises
    ------
    EOFError
        The other side is gone.
    """
    return pickle.load(stream)
