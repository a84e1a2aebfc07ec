"""The best mapping of every layer of a network on one array."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from dataflow.mapping.machine import Machine
from dataflow.mapping.objective import Found, Objective
from dataflow.mapping.tilers import map_with
from workloads.networks import Layer, Network

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class MappedLayer:
    """One operator of a network with its mapping; it runs ``times`` times."""

    operator: str
    times: int
    found: Found


@dataclass(frozen=True, slots=True)
class MappedNetwork:
    """Layers one after the other: nothing stays on chip between two of them."""

    network: Network
    units: int
    layers: tuple[MappedLayer, ...]

    @property
    def cycles(self) -> int:
        return sum(layer.times * layer.found.cost.cycles for layer in self.layers)

    @property
    def energy_pj(self) -> float:
        return sum(layer.times * layer.found.cost.energy_pj for layer in self.layers)

    @property
    def transfer_bytes(self) -> int:
        """Moved to and from the off-chip memory."""
        return sum(layer.times * layer.found.counts.transfer_bits for layer in self.layers) // 8

    @property
    def utilization(self) -> float:
        """Products over what all functional units could do in these cycles."""
        return self.network.macs / (self.cycles * self.units)

    @property
    def proven(self) -> bool:
        return all(layer.found.certificate.proven for layer in self.layers)


def map_network(
    network: Network,
    machine: Machine,
    shape: tuple[int, ...],
    *,
    objective: Objective = "energy-delay",
    number_format: str | None = None,
    spaces: tuple[tuple[str, ...], ...] = (),
    tiler: str = "optimal",
    progress: Progress | None = None,
) -> MappedNetwork:
    """Map each distinct operator once.

    Parameters
    ----------
    spaces
        Loops for the axes, one tuple a choice; an operator uses those whose loops it has. Every choice when empty.
    tiler
        Who chooses the tiles, one of `TILERS`.

    Raises
    ------
    MappingError
        An operator has no mapping, none of ``spaces``, or is unknown to the tiler; names it.
    """
    layers = []
    for number, (operator, times) in enumerate(network.operators):
        if progress:
            progress(operator.partition(":")[0], number / len(network.operators))
        nest = Layer("", operator).nest(number_format)
        found = map_with(tiler, nest, machine, shape, spaces, objective=objective)
        layers.append(MappedLayer(operator, times, found))
    return MappedNetwork(network, prod(shape), tuple(layers))
