"""What passes between the process that asks for a simulation and the one that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sim.bench_verilog import Bench


class Rows(Protocol):
    """Rows for the banks of one tensor."""

    tensor_id: int
    address: int
    rows: npt.NDArray[np.uint8]


class RunLike(Protocol):
    """One start-to-done of a design, as ``hw.program.Run``."""

    registers: tuple[tuple[int, int], ...]

    @property
    def predicted_cycles(self) -> int: ...

    @property
    def readback(self) -> tuple[int, int, int, int]: ...

    def loads(
        self, tensors: Mapping[str, npt.NDArray[np.generic]], output: npt.NDArray[np.generic]
    ) -> Sequence[Rows]: ...

    def store(self, rows: npt.NDArray[np.uint8], output: npt.NDArray[np.generic]) -> None: ...


@dataclass(frozen=True)
class Job:
    """Everything the bench drives."""

    bench: Bench
    runs: tuple[Any, ...]
    inputs: Mapping[str, npt.NDArray[np.generic]]
    initial: npt.NDArray[np.generic]


@dataclass(frozen=True)
class Outcome:
    """What the bench saw.

    Attributes
    ----------
    counts : tuple of (cycles by the design's counter, busy cycles by the bench)
        One entry a finished run.
    hung : int or None
        Number of the run that never finished.
    seconds : float
        Wall time of the runs, loading and reading included.
    """

    output: npt.NDArray[np.generic]
    counts: tuple[tuple[int, int], ...]
    hung: int | None
    seconds: float
