"""What measured cases of hand-written kernels have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

from sw_kernels.measure import Meter, Timing
from workloads.errors import BrickworkError

# Runs after the first that have to give the same bits.
REPEATS = 20


class MeasurementError(BrickworkError):
    """A case that is not known, or a kernel whose result is wrong."""


class Measurable(Protocol):
    """A case: its name, and its entry in the measurement file."""

    @property
    def name(self) -> str: ...

    def row(self, torch: Any, meter: Meter, seconds: float) -> dict[str, Any]: ...


def timing_entries(timing: Timing, prefix: str = "") -> dict[str, float]:
    """A timing's fields, rounded."""
    return {prefix + key: round(value, 6) for key, value in dataclasses.asdict(timing).items()}


def check_repeats(torch: Any, name: str, run: Callable[[], None], out: Any, *, poison: float = float("nan")) -> None:
    """Prove that repeated runs give the bits that ``out`` holds.

    Raises
    ------
    MeasurementError
    """
    first = out.clone()
    for _ in range(REPEATS):
        out.fill_(poison)
        run()
        if not torch.equal(first, out):
            raise MeasurementError(f"case {name!r} differs from run to run; no speed is reported")


def check_errors(name: str, found: tuple[float, float], most: tuple[float, float]) -> None:
    """Refuse a wrong result: relative L2 error, and largest element error over the root mean square.

    Raises
    ------
    MeasurementError
    """
    if not (found[0] <= most[0] and found[1] <= most[1]):
        raise MeasurementError(
            f"case {name!r} is wrong: relative error {found[0]:.2e}, largest {found[1]:.2e} of the rms; "
            f"no speed is reported"
        )
