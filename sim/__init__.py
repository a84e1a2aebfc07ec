"""Simulation of generated designs, and reading their Verilog back."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.errors import SimulationError
    from sim.job import Job, Result
    from sim.runner import simulate, simulate_all

_WHERE = {
    "Job": "sim.job",
    "Result": "sim.job",
    "SimulationError": "sim.errors",
    "simulate": "sim.runner",
    "simulate_all": "sim.runner",
}

__all__ = ["Job", "Result", "SimulationError", "simulate", "simulate_all"]


# Loaded on first use: the simulator's own process imports this package and needs none of it.
def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
