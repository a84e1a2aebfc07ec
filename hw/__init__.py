"""Netlist, passes, functional units, Verilog, and the driver's side of a design."""

from hw.accelerator import Accelerator, generate
from hw.program import Run, runs

__all__ = ["Accelerator", "Run", "generate", "runs"]
