"""Energies of operations and accesses, each with its source and its band."""

from dataflow.technology.technology import (
    Band,
    Constant,
    Leakage,
    Memory,
    Technology,
    TechnologyError,
    read_technology,
    technologies,
    technology_named,
)

__all__ = [
    "Band",
    "Constant",
    "Leakage",
    "Memory",
    "Technology",
    "TechnologyError",
    "read_technology",
    "technologies",
    "technology_named",
]
