"""Brickwork: tensor workloads to verified spatial accelerators.

>>> import brickwork
>>> spec = brickwork.load("gemm:m=32,n=32,k=32")
>>> accelerator = brickwork.generate(spec.nest, brickwork.dataflow_of(spec))
>>> result = brickwork.simulate(accelerator, spec.nest, brickwork.inputs_for(spec.nest, None, 0))
>>> result.matches
True
"""

from brickwork.from_torch import from_torch
from brickwork.fusion_steps import fuse, save_fused, simulate_fused
from brickwork.steps import (
    architecture,
    bench,
    dataflow_of,
    generate,
    inputs_for,
    load,
    report,
    save,
)
from brickwork.studies import load_study
from dataflow import Dataflow
from sim import simulate
from workloads.errors import BrickworkError

__all__ = [
    "BrickworkError",
    "Dataflow",
    "architecture",
    "bench",
    "dataflow_of",
    "from_torch",
    "fuse",
    "generate",
    "inputs_for",
    "load",
    "load_study",
    "report",
    "save",
    "save_fused",
    "simulate",
    "simulate_fused",
]
