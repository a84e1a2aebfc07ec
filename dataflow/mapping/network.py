"""The best mapping of every layer of a network on one array."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from dataflow.mapping.arrays import every_dataflow
from dataflow.mapping.machine import Machine
from dataflow.mapping.mapping import MappingError
from dataflow.mapping.objective import Found, Objective
from dataflow.mapping.search import best_mapping
from workloads.nest import Nest
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
    progress: Progress | None = None,
) -> MappedNetwork:
    """Map each distinct operator once.

    Parameters
    ----------
    spaces
        Loops for the axes, one tuple a choice; an operator uses those whose loops it has. Every choice when empty.

    Raises
    ------
    MappingError
        An operator has no mapping, or none of ``spaces``; names it.
    """
    layers = []
    for number, (operator, times) in enumerate(network.operators):
        if progress:
            progress(operator.partition(":")[0], number / len(network.operators))
        nest = Layer("", operator).nest(number_format)
        arrays = every_dataflow(nest, shape, fitting_spaces(nest, spaces))
        layers.append(MappedLayer(operator, times, best_mapping(nest, machine, arrays, objective=objective)))
    return MappedNetwork(network, prod(shape), tuple(layers))


def fitting_spaces(nest: Nest, spaces: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...] | None:
    """The choices of axes whose loops the nest has; None where everything is allowed.

    Raises
    ------
    MappingError
        There are choices but none of them fits.
    """
    if not spaces:
        return None
    found = tuple(space for space in spaces if set(space) <= set(nest.loop_names))
    if not found:
        given = "; ".join(",".join(space) for space in spaces)
        raise MappingError(
            nest.name,
            (f"none of the axes {given} are loops of it; expected some of {', '.join(nest.loop_names)}",),
        )
    return found
