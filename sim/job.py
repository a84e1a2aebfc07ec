"""What is simulated, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy.typing as npt

from sim.accelerator import Array
from workloads.formats.coded import CodedBlocks
from workloads.nest import Nest


class RunCycles(NamedTuple):
    """Cycles of one run: the model's, the design's own counter's, and the bench's clock's."""

    predicted: int
    counted: int
    timed: int


@dataclass(frozen=True)
class Result:
    """What a simulated nest gave.

    Attributes
    ----------
    outputs : ndarray
        What the Verilog computed; codes of elements where it quantizes.
    faults : tuple of str
        Every disagreement of outputs with the nest's meaning and of cycles with the prediction.
    runs : tuple of RunCycles
    predicted_cycles, simulated_cycles, timed_cycles : int
        Sums over all runs: the model's, the design's own counter's, and the bench's clock's.
    macs : int
        Points of the nest.
    utilization : float
        Points of the nest over cycles times functional units.
    seconds : float
        All of the call.
    rows_written, rows_read : int
        Rows that passed the host port, a cycle each: inputs and sums before the runs, results after them.
    coded : CodedBlocks or None
        Codes and scales, where the design quantizes.
    multiplier : float
        The one that they were made with.
    """

    outputs: Array
    faults: tuple[str, ...]
    runs: tuple[RunCycles, ...]
    macs: int
    utilization: float
    simulator: str
    reused_build: bool
    build_seconds: float
    run_seconds: float
    seconds: float
    log: Path
    waveform: Path | None
    rows_written: int = 0
    rows_read: int = 0
    coded: CodedBlocks | None = None
    multiplier: float = 1.0

    @property
    def matches(self) -> bool:
        """Outputs agree bit for bit, and cycles exactly."""
        return not self.faults

    @property
    def first_mismatch(self) -> str | None:
        """The first disagreement in words."""
        return self.faults[0] if self.faults else None

    @property
    def run_cycles(self) -> tuple[int, ...]:
        """The design's own count, one entry a run."""
        return tuple(each.counted for each in self.runs)

    @property
    def predicted_cycles(self) -> int:
        return sum(each.predicted for each in self.runs)

    @property
    def simulated_cycles(self) -> int:
        return sum(each.counted for each in self.runs)

    @property
    def timed_cycles(self) -> int:
        return sum(each.timed for each in self.runs)


@dataclass(frozen=True)
class Job:
    """A nest to run on a design.

    Attributes
    ----------
    inputs : mapping
        Tensors by name, as the nest's formats and shapes ask.
    dataflow : str or None
        Name of the dataflow to use, where the design has several; the first that fits when left out.
    continues : bool
        Start from the sums that the job before left in the output banks.
    reads : bool
        Read the result, to compare it; otherwise it stays in the banks, for a job that continues it.
    placed : mapping of input to address
        Where inputs begin in their banks, so that they leave there what other jobs need.
    alpha : float
        What integer results are multiplied by before a design quantizes them.
    multiplier : float or None
        The factor of NVFP4's block scales; one that suits the results exactly when left out.
    """

    nest: Nest
    inputs: Mapping[str, npt.ArrayLike]
    dataflow: str | None = None
    continues: bool = False
    reads: bool = True
    placed: Mapping[str, int] | None = None
    alpha: float = 1.0
    multiplier: float | None = None
