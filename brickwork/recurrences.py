"""What the commands say about sums that wait for themselves."""

from __future__ import annotations

from collections.abc import Iterable

from brickwork import console
from dataflow import Architecture
from dataflow.cycles import Timing
from dataflow.recurrence import Recurrence, recurrences
from hw.accelerator import Accelerator
from hw.program import runs
from workloads.nest import Nest


def of_longest_run(accelerator: Accelerator, nest: Nest) -> tuple[Recurrence, ...]:
    """The recurrences of the longest run of a nest on a design of one dataflow."""
    longest = max(runs(accelerator, nest), key=lambda run: run.predicted_cycles)
    return accelerator.design.recurrences(0, dict(longest.extents))


def of_architecture(built: Architecture) -> tuple[Recurrence, ...]:
    """The recurrences at the limits of one dataflow that nobody has generated yet.

    Only a sum that comes back from a bank asks how long the netlist's pipeline is.

    Raises
    ------
    UnsupportedError
        There is no netlist for the nest's formats.
    """
    (plan,) = built.plans
    timing = Timing(write_cycles=0, hazard_cycles=0)
    if plan.drain.gap_level >= 0:
        from hw.accelerator import design_of

        timing = design_of(built).timings[0]
    return recurrences(plan, plan.extents, timing)


def print_idle(found: Iterable[Recurrence]) -> None:
    """A line for each recurrence that costs idle cycles."""
    for recurrence in found:
        if recurrence.idle_cycles:
            console.out.print(f"  waits     {recurrence}", markup=False)
