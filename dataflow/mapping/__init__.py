"""Tiles, their order and the dataflow of one nest on one machine: exact counts, and the best choice with its proof."""

from dataflow.mapping.counts import Cost, Counts, OperandCounts, cost
from dataflow.mapping.footprint import Cut
from dataflow.mapping.machine import Energies, Machine, MachineError, energies
from dataflow.mapping.mapping import MappingError, TiledMapping
from dataflow.mapping.model import count
from dataflow.mapping.walk import walk

__all__ = [
    "Cost",
    "Counts",
    "Cut",
    "Energies",
    "Machine",
    "MachineError",
    "MappingError",
    "OperandCounts",
    "TiledMapping",
    "cost",
    "count",
    "energies",
    "walk",
]
