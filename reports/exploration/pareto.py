"""The designs of which none is better in everything, and whether that holds at the ends of the technology's bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dataflow.mapping import Energies, energies
from dataflow.technology import Band, technology_named
from reports.exploration.evaluate import machine_of
from reports.exploration.leakage import with_leakage
from reports.exploration.outcome import EnergyParts, LayerOutcome, PointOutcome
from workloads.spec import load

Costs = tuple[float, ...]
End = Literal["low", "high"]


@dataclass(frozen=True, slots=True)
class Stability:
    """The front at one end of the band.

    Attributes
    ----------
    stays, leaves, enters : tuple of PointOutcome
        Points of the front at the technology's own values that are on this one too, or are not; points that join it.
    """

    band: End
    stays: tuple[PointOutcome, ...]
    leaves: tuple[PointOutcome, ...]
    enters: tuple[PointOutcome, ...]


def costs_of(outcome: PointOutcome) -> Costs:
    """What is weighed against each other: time, energy, and area where it is known."""
    area = () if outcome.area_mm2 is None else (outcome.area_mm2,)
    return (outcome.time_s, outcome.energy_j, *area)


def front(costs: Sequence[Costs]) -> tuple[int, ...]:
    """Positions of the costs that no other dominates: is nowhere greater and somewhere less. Equal ones all stay.

    In lexicographic order nothing is dominated by what comes later, and what dominates is itself dominated by nobody
    or by a member of the front, so that comparing with the front is enough.
    """
    found: list[int] = []
    for here in sorted(range(len(costs)), key=lambda at: (costs[at], at)):
        mine = costs[here]
        if not any(_dominates(costs[other], mine) for other in found):
            found.append(here)
    return tuple(sorted(found))


def pareto_front(outcomes: Sequence[PointOutcome]) -> tuple[PointOutcome, ...]:
    """Points without a failure that none dominates, fastest first."""
    able = [outcome for outcome in outcomes if outcome.failure is None]
    known = all(outcome.area_mm2 is not None for outcome in able)
    costs = [costs_of(outcome) if known else costs_of(outcome)[:2] for outcome in able]
    return tuple(sorted((able[at] for at in front(costs)), key=lambda outcome: (costs_of(outcome), outcome.point.key)))


def stability(outcomes: Sequence[PointOutcome]) -> tuple[Stability, ...]:
    """The front again with every energy constant at the low, and at the high end of its band."""
    own = {outcome.point for outcome in pareto_front(outcomes)}
    found = []
    ends: tuple[End, ...] = ("low", "high")
    for band in ends:
        moved = {at_band(outcome, band).point: outcome for outcome in outcomes if outcome.failure is None}
        there = {outcome.point for outcome in pareto_front([at_band(o, band) for o in moved.values()])}
        found.append(
            Stability(
                band,
                tuple(o for point, o in moved.items() if point in own and point in there),
                tuple(o for point, o in moved.items() if point in own and point not in there),
                tuple(o for point, o in moved.items() if point not in own and point in there),
            )
        )
    return tuple(found)


def at_band(outcome: PointOutcome, band: Band) -> PointOutcome:
    """An outcome with the energies of its mappings at one end of the band; the mappings stay.

    The buffer's energy moves by the mean of its read and its write constant, whose bands have equal ratios in the
    technologies that come with Brickwork to 1 %.
    """
    machine = machine_of(outcome.point)
    moved = replace(machine, technology=technology_named(outcome.point.technology).at(band))
    scales: dict[str, EnergyParts] = {}

    def layer_at(layer: LayerOutcome) -> LayerOutcome:
        if layer.operator not in scales:
            nest = load(layer.operator).nest
            scales[layer.operator] = _ratios(energies(moved, nest), energies(machine, nest))
        scale, energy = scales[layer.operator], layer.energy
        parts = EnergyParts(
            energy.operation_pj * scale.operation_pj,
            energy.hop_pj * scale.hop_pj,
            energy.buffer_pj * scale.buffer_pj,
            energy.off_chip_pj * scale.off_chip_pj,
            0.0,
        )
        return replace(layer, energy=parts)

    workloads = tuple(replace(w, layers=tuple(map(layer_at, w.layers))) for w in outcome.workloads)
    return with_leakage(replace(outcome, workloads=workloads), moved.technology)


def _dominates(a: Costs, b: Costs) -> bool:
    return a != b and all(mine <= yours for mine, yours in zip(a, b, strict=True))


def _ratios(moved: Energies, own: Energies) -> EnergyParts:
    def ratio(name: str) -> float:
        value: float = getattr(own, name)
        return getattr(moved, name) / value if value else 1.0

    return EnergyParts(
        ratio("operation_pj"),
        ratio("hop_pj_per_bit"),
        (ratio("buffer_read_pj_per_bit") + ratio("buffer_write_pj_per_bit")) / 2,
        ratio("off_chip_pj_per_bit"),
    )
