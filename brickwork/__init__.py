"""Brickwork: tensor workloads to verified spatial accelerators.

>>> import brickwork
>>> spec = brickwork.load("gemm:m=32,n=32,k=32")
>>> accelerator = brickwork.generate(spec.nest, brickwork.dataflow_of(spec))
>>> result = brickwork.simulate(accelerator, spec.nest, brickwork.inputs_for(spec.nest, None, 0))
>>> result.matches
True
"""

from brickwork.exploration_steps import ExplorationInterrupted, Watcher, compare, explore, page
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
from hw.synthesis import synthesize
from sim import simulate
from workloads.describe import describe
from workloads.errors import BrickworkError
from workloads.library import library
from workloads.networks import network_names

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
    "describe",
    "explore",
    "from_torch",
    "fuse",
    "generate",
    "inputs_for",
    "library",
    "load",
    "load_study",
    "map_nest",
    "map_network",
    "network_names",
    "page",
    "report",
    "save",
    "save_fused",
    "simulate",
    "simulate_fused",
    "synthesize",
    "written_study",
]
