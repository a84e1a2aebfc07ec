"""Brickwork: tensor workloads to verified spatial accelerators.

>>> import brickwork
>>> spec = brickwork.load("gemm:m=32,n=32,k=32")
>>> accelerator = brickwork.generate(spec.nest, brickwork.dataflow_of(spec))
>>> result = brickwork.simulate(accelerator, spec.nest, brickwork.inputs_for(spec.nest, None, 0))
>>> result.matches
True
"""

from brickwork.exploration_steps import ExplorationInterrupted, Watcher, compare, explore
from brickwork.from_torch import from_torch
from brickwork.fusion_steps import fuse, save_fused, simulate_fused
from brickwork.mapping_steps import MappedNest, map_nest, map_network
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
from brickwork.studies import load_study, written_study
from dataflow import Dataflow
from dataflow.mapping import Machine
from sim import simulate
from workloads.errors import BrickworkError

__all__ = [
    "BrickworkError",
    "Dataflow",
    "ExplorationInterrupted",
    "Machine",
    "MappedNest",
    "Watcher",
    "architecture",
    "bench",
    "compare",
    "dataflow_of",
    "explore",
    "from_torch",
    "fuse",
    "generate",
    "inputs_for",
    "load",
    "load_study",
    "map_nest",
    "map_network",
    "report",
    "save",
    "save_fused",
    "simulate",
    "simulate_fused",
    "written_study",
]
