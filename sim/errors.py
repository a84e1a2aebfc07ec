"""What can go wrong in a simulation through the user's or the design's fault."""

from __future__ import annotations

from pathlib import Path

from workloads.errors import BrickworkError


class SimulationError(BrickworkError):
    """A simulation that could not be built, or that ended without a result.

    Attributes
    ----------
    design : str
    log : Path or None
        What the simulator or compiler said.
    """

    def __init__(self, design: str, why: str, log: Path | None = None) -> None:
        self.design, self.log = design, log
        super().__init__(f"design {design!r}: {why}" + (f"; the simulator's own words are in {log}" if log else ""))
