"""What came out of one design point: per layer, per workload, in total; as JSON and back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from reports.exploration.design_point import DesignPoint

# The component of an area that the buffer is.
MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class EnergyParts:
    """Energy by cause: exact counts times constants of the technology, and leakage, which is power times time."""

    operation_pj: float
    hop_pj: float
    buffer_pj: float
    off_chip_pj: float
    leakage_pj: float = 0.0

    @property
    def total_pj(self) -> float:
        return self.operation_pj + self.hop_pj + self.buffer_pj + self.off_chip_pj + self.leakage_pj

    def __add__(self, other: EnergyParts) -> EnergyParts:
        return EnergyParts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def times(self, count: int) -> EnergyParts:
        """Of ``count`` repetitions."""
        return EnergyParts(*(getattr(self, f.name) * count for f in fields(self)))


@dataclass(frozen=True, slots=True)
class LayerOutcome:
    """One operator with its best mapping; all numbers are of one run, and it runs ``times`` times.

    Attributes
    ----------
    operator : str
        A library entry with its parameters.
    dataflow : str
    loop_nest : str
        The mapping as a loop nest.
    simulate : str
        The command that runs the array's part in RTL.
    cycles, array_cycles, transfer_cycles : int
    proven : bool
        The tiler showed that no mapping of its space is better.
    """

    operator: str
    times: int
    macs: int
    dataflow: str
    tiles: tuple[tuple[str, int], ...]
    loop_nest: str
    simulate: str
    cycles: int
    array_cycles: int
    transfer_cycles: int
    transfer_bytes: int
    energy: EnergyParts
    proven: bool

    @property
    def facts(self) -> dict[str, Any]:
        """The layer as JSON types."""
        return asdict(self)

    @staticmethod
    def of_facts(facts: dict[str, Any]) -> LayerOutcome:
        """Read `facts` back."""
        tiles = tuple((loop, size) for loop, size in facts["tiles"])
        return LayerOutcome(**facts | {"tiles": tiles, "energy": EnergyParts(**facts["energy"])})


@dataclass(frozen=True, slots=True)
class WorkloadOutcome:
    """All layers of one workload, one after the other."""

    name: str
    weight: float
    layers: tuple[LayerOutcome, ...]

    @property
    def macs(self) -> int:
        return sum(layer.times * layer.macs for layer in self.layers)

    @property
    def cycles(self) -> int:
        return sum(layer.times * layer.cycles for layer in self.layers)

    @property
    def transfer_bytes(self) -> int:
        return sum(layer.times * layer.transfer_bytes for layer in self.layers)

    @property
    def energy(self) -> EnergyParts:
        return sum((layer.energy.times(layer.times) for layer in self.layers), EnergyParts(0, 0, 0, 0))


@dataclass(frozen=True, slots=True)
class Area:
    """Modelled area.

    Attributes
    ----------
    components : tuple of (name, um2)
        Of the array's logic, and "memory".
    source : str
        How it was modelled.
    banks : int
        Equal parts of the buffer.
    """

    components: tuple[tuple[str, float], ...]
    source: str
    banks: int = 1

    @property
    def total_um2(self) -> float:
        return sum(um2 for _, um2 in self.components)

    @property
    def logic_um2(self) -> float:
        """Everything but memory."""
        return sum(um2 for name, um2 in self.components if name != MEMORY)


@dataclass(frozen=True, slots=True)
class Verification:
    """One layer of the point, reduced, as generated Verilog in a simulator.

    Attributes
    ----------
    nest : str
        What was simulated, a library entry with its reduced sizes.
    match : bool
        Outputs equal the interpreter's bit for bit.
    """

    nest: str
    dataflow: str
    match: bool
    predicted_cycles: int
    simulated_cycles: int
    simulator: str

    @property
    def passed(self) -> bool:
        return self.match and self.predicted_cycles == self.simulated_cycles


@dataclass(frozen=True, slots=True)
class PointOutcome:
    """One evaluated design point.

    Attributes
    ----------
    failure : str or None
        Why there are no workloads, in one sentence.
    no_area : str or None
        Why there are workloads but no area, in one sentence.
    """

    point: DesignPoint
    workloads: tuple[WorkloadOutcome, ...]
    area: Area | None
    failure: str | None = None
    verifications: tuple[Verification, ...] = ()
    seconds: float = 0.0
    no_area: str | None = None

    @property
    def time_s(self) -> float:
        """Weighted sum over the workloads."""
        return sum(w.weight * w.cycles for w in self.workloads) / self.point.clock_ghz / 1e9

    @property
    def energy_j(self) -> float:
        """Weighted sum over the workloads."""
        return sum(w.weight * w.energy.total_pj for w in self.workloads) / 1e12

    @property
    def leakage_j(self) -> float:
        """What of the energy leaks."""
        return sum(w.weight * w.energy.leakage_pj for w in self.workloads) / 1e12

    @property
    def area_mm2(self) -> float | None:
        return None if self.area is None else self.area.total_um2 / 1e6

    @property
    def no_area_text(self) -> str:
        """The end of a sentence that says that area is not known."""
        return f": {self.no_area}" if self.no_area else ""

    @property
    def utilization(self) -> float:
        """Products over what all functional units could do, over all workloads by weight."""
        cycles = sum(w.weight * w.cycles for w in self.workloads)
        return sum(w.weight * w.macs for w in self.workloads) / (cycles * self.point.units) if cycles else 0.0

    @property
    def facts(self) -> dict[str, Any]:
        """The outcome as JSON types."""
        return asdict(self) | {"key": self.point.key, "point": self.point.facts}

    @staticmethod
    def of_facts(facts: dict[str, Any]) -> PointOutcome:
        """Read `facts` back."""
        workloads = tuple(
            WorkloadOutcome(w["name"], w["weight"], tuple(LayerOutcome.of_facts(layer) for layer in w["layers"]))
            for w in facts["workloads"]
        )
        area = facts["area"] and Area(
            tuple((n, um2) for n, um2 in facts["area"]["components"]), facts["area"]["source"], facts["area"]["banks"]
        )
        checks = tuple(Verification(**each) for each in facts["verifications"])
        point = DesignPoint.of_facts(facts["point"])
        return PointOutcome(point, workloads, area, facts["failure"], checks, facts["seconds"], facts["no_area"])
