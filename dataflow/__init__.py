"""Space-time maps, reuse, links, banks, exact counts."""

from dataflow.architecture import Architecture, Plan, build
from dataflow.cycles import Cycles, Timing, count_cycles
from dataflow.dataflow import Dataflow, DataflowError
from dataflow.fusion import Fusion, fuse

__all__ = [
    "Architecture",
    "Cycles",
    "Dataflow",
    "DataflowError",
    "Fusion",
    "Plan",
    "Timing",
    "build",
    "count_cycles",
    "fuse",
]
