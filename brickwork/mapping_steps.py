"""The step from a nest or a network to its best mapping, as functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from brickwork.models import network_of
from brickwork.steps import ChoiceError, architecture, check_banks, load
from dataflow import Dataflow, Timing
from dataflow import mapping as mapper
from dataflow.mapping import OBJECTIVES, TILERS, Found, Machine, MappedNetwork, Objective, best_mapping, map_with
from dataflow.mapping.network import Progress
from dataflow.mapping.objective import Certificate
from dataflow.mapping.space import all_cuts, even_cuts
from workloads.nest import Nest
from workloads.networks import Network

Spaces = Sequence[Sequence[str]]
ARRAY = (16, 16)


@dataclass(frozen=True)
class MappedNest:
    """A nest with its mapping.

    Attributes
    ----------
    found : Found
        Mapping, exact counts, modelled cost and certificate.
    machine : Machine
        With the pipeline distances of the generated array where those were asked for.
    units : int
        Functional units of the array.
    """

    found: Found
    machine: Machine
    units: int

    @property
    def certificate(self) -> Certificate:
        """Why no mapping is better, or who chose this one."""
        return self.found.certificate

    @property
    def cycles(self) -> int:
        """Modelled, off-chip transfers included; with two buffers a lower bound (docs/mapping.md)."""
        return self.found.cost.cycles

    @property
    def energy_pj(self) -> float:
        """Modelled: exact counts times the technology's constants."""
        return self.found.cost.energy_pj

    @property
    def utilization(self) -> float:
        """Products over what all functional units could do in these cycles."""
        return self.found.counts.macs / self.cycles / self.units

    @property
    def dataflow(self) -> Dataflow:
        """From which `generate` makes the array, with the tiles of the mapping."""
        return self.found.mapping.dataflow

    def __str__(self) -> str:
        """The loop nest."""
        return str(self.found.mapping)


def map_nest(
    nest: Nest | str,
    machine: Machine,
    dataflows: Sequence[Dataflow] = (),
    *,
    array: Sequence[int] | None = None,
    axes: Spaces = (),
    objective: Objective = "energy-delay",
    tiler: str = "optimal",
    every_tile: bool = False,
    exact_timing: bool = False,
) -> MappedNest:
    """Find how a nest runs best: tiles, their order, dataflow and buffering, with the proof.

    Parameters
    ----------
    nest
        Or what `load` reads, as ``gemm:m=64``.
    machine
        Buffer in bytes, off-chip memory in bytes and latency in cycles, technology.
    dataflows
        What to choose from; every dataflow of ``array`` when empty.
    array
        Functional units along each axis; 16 by 16 when left out.
    axes
        Loops for the axes of ``array``, one sequence a choice; every choice when empty.
    tiler
        ``optimal``, or ``gemmini``: the fixed rules of that array's own library on a square array.
    every_tile
        Search every tile size, not only the smallest of each number of tiles; slower.
    exact_timing
        Take pipeline distances from the array of the best dataflow, and map once more with them.

    Raises
    ------
    ChoiceError
        Options that exclude each other, or an objective that is not one.
    MappingError
        No mapping fits, or the tiler has no rule for the nest; names the constraint that excludes all.
    """
    nest = load(nest).nest if isinstance(nest, str) else nest
    check_choice("objective", objective, OBJECTIVES)
    check_choice("tiler", tiler, TILERS)
    if dataflows and (array is not None or axes):
        raise ChoiceError("--array and --axes try many dataflows; give them or a single dataflow, not both")
    if tiler == "gemmini" and dataflows:
        names = ", ".join(repr(flow.name) for flow in dataflows)
        raise ChoiceError(
            f"--tiler gemmini makes its own dataflow, which keeps weights; expected --array, not dataflow {names}"
        )
    if tiler == "gemmini" and every_tile:
        raise ChoiceError("--every-tile is for the optimal tiler; the gemmini tiler makes one tiling by its rules")
    cuts = all_cuts if every_tile else even_cuts
    shape = check_array(array or ARRAY)
    spaces = tuple(map(tuple, axes))
    units = max(len(flow.units) for flow in dataflows) if dataflows else prod(shape)

    def mapped(machine: Machine, flows: Sequence[Dataflow]) -> Found:
        if flows:
            return best_mapping(nest, machine, flows, objective=objective, cuts=cuts)
        return map_with(tiler, nest, machine, shape, spaces, objective=objective, cuts=cuts)

    found = mapped(machine, dataflows)
    if exact_timing:
        machine = replace(machine, timing=_generated_timing(found))
        found = mapped(machine, (found.mapping.plan.dataflow,) if tiler == "optimal" else ())
    return MappedNest(found, machine, units)


def map_network(
    network: Network | str,
    machine: Machine,
    *,
    array: Sequence[int] = ARRAY,
    axes: Spaces = (),
    objective: Objective = "energy-delay",
    tiler: str = "optimal",
    number_format: str | None = None,
    progress: Progress | None = None,
) -> MappedNetwork:
    """Map every layer of a network, equal ones once; layers run one after the other.

    Parameters
    ----------
    network
        What `from_torch` gives, or a name: of the registry (``gpt2:tokens=128``), ``FILE.py:FACTORY``, a ``.pt2`` file.
    machine, array, axes, objective, tiler
        As in `map_nest`; a layer uses those ``axes`` whose loops it has.
    number_format
        Of all inputs, as ``int8``; the layers' own when left out.
    progress
        Called with the operator at work and the part that is done, 0 to 1.

    Raises
    ------
    BrickworkError
        The network is not known or not complete, or a layer has no mapping; names it.
    """
    check_choice("objective", objective, OBJECTIVES)
    check_choice("tiler", tiler, TILERS)
    return mapper.map_network(
        network_of(network) if isinstance(network, str) else network,
        machine,
        check_array(array),
        objective=objective,
        number_format=number_format,
        spaces=tuple(map(tuple, axes)),
        tiler=tiler,
        progress=progress,
    )


def check_choice(name: str, value: str, known: Sequence[str]) -> None:
    """Refuse a word that is none of those known."""
    if value not in known:
        raise ChoiceError(f"--{name}: expected one of {', '.join(known)}, not {value!r}")


def check_array(array: Sequence[int]) -> tuple[int, ...]:
    """Refuse what is no shape of an array."""
    if not 1 <= len(array) <= 3 or any(size < 1 for size in array):
        written = "x".join(map(str, array))
        raise ChoiceError(f"--array: expected one to three sizes, as in --array 16x16, not {written!r}")
    return tuple(array)


def _generated_timing(found: Found) -> Timing:
    """Pipeline distances of the array that a mapping's tiles need."""
    from hw.accelerator import design_of

    built = architecture(found.mapping.nest, found.mapping.dataflow)
    check_banks(built)
    return design_of(built).timings[0]
