"""Simulator builds, the cocotb bench, and the comparison with the definition."""

from sim.build import SimulationError
from sim.runner import Result, simulate

__all__ = ["Result", "SimulationError", "simulate"]
