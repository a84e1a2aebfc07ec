"""Tiles, their order and the dataflow of one nest on one machine: exact counts, and the best choice with its proof."""

from dataflow.mapping.arrays import every_dataflow, fitting_spaces
from dataflow.mapping.counts import Cost, Counts, OperandCounts, cost
from dataflow.mapping.footprint import Cut
from dataflow.mapping.gemmini import gemmini_mapping
from dataflow.mapping.machine import Energies, Machine, MachineError, energies
from dataflow.mapping.mapping import MappingError, TiledMapping
from dataflow.mapping.model import count
from dataflow.mapping.network import MappedLayer, MappedNetwork, map_network
from dataflow.mapping.objective import OBJECTIVES, Certificate, Found, Objective
from dataflow.mapping.schedule import scheduled_cycles
from dataflow.mapping.search import best_mapping
from dataflow.mapping.tilers import TILERS, map_with
from dataflow.mapping.walk import walk

__all__ = [
    "OBJECTIVES",
    "TILERS",
    "Certificate",
    "Cost",
    "Counts",
    "Cut",
    "Energies",
    "Found",
    "Machine",
    "MachineError",
    "MappedLayer",
    "MappedNetwork",
    "MappingError",
    "Objective",
    "OperandCounts",
    "TiledMapping",
    "best_mapping",
    "cost",
    "count",
    "energies",
    "every_dataflow",
    "fitting_spaces",
    "gemmini_mapping",
    "map_network",
    "map_with",
    "scheduled_cycles",
    "walk",
]
