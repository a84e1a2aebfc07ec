"""What a search minimises, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from dataflow.mapping.counts import Cost, Counts
from dataflow.mapping.mapping import TiledMapping

Objective = Literal["cycles", "energy", "energy-delay"]
OBJECTIVES: tuple[Objective, ...] = ("cycles", "energy", "energy-delay")

# Relative: bounds and costs add the same numbers in another order.
ROUNDING = 1e-9


def score(objective: Objective, cycles: Any, energy_pj: Any) -> tuple[Any, Any]:
    """What is minimised, and what decides between equals; numbers or arrays."""
    if objective == "cycles":
        return cycles, energy_pj
    if objective == "energy":
        return energy_pj, cycles
    return energy_pj * cycles, cycles


@dataclass(frozen=True, slots=True)
class Certificate:
    """Why a mapping is the best of its space.

    Attributes
    ----------
    value : float
        Objective of the mapping, in cycles, pJ or pJ cycles.
    lower_bound : float
        Least bound of all mappings that were not evaluated exactly, or ``value`` where that is less.
    dataflows : int
        Dataflows in the space.
    mappings : int
        Tilings, orders and bufferings of those dataflows that could not be excluded by their time steps alone.
    bounded : int
        Mappings and sets of mappings whose bound was computed.
    evaluated : int
        Mappings that were evaluated exactly.
    tiler : str
        Who chose: ``optimal`` is the search that bounds everything it leaves out.
    """

    value: float
    lower_bound: float
    dataflows: int
    mappings: int
    bounded: int
    evaluated: int
    tiler: str = "optimal"

    @property
    def proven(self) -> bool:
        """True if no mapping of the space is better, up to the rounding of sums."""
        return self.lower_bound >= self.value * (1 - 2 * ROUNDING)

    def __str__(self) -> str:
        if self.proven:
            return "proven: no mapping is better"
        return "not proven" if self.tiler == "optimal" else f"not proven: chosen by the {self.tiler} tiler"


@dataclass(frozen=True, slots=True)
class Found:
    """The best mapping of a nest with its counts, its cost and its certificate."""

    mapping: TiledMapping
    counts: Counts
    cost: Cost
    certificate: Certificate
