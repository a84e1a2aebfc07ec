"""What a page embeds: the outcomes as compact JSON types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.exploration.outcome import EnergyParts, LayerOutcome, PointOutcome
from reports.exploration.pareto import pareto_front
from reports.study_page.header import StudyHeader

# Layers that a page holds in full; with their loop nests that is about 10 MB.
MOST_LAYERS = 6000


def study_content(
    header: StudyHeader, outcomes: Sequence[PointOutcome], *, most_layers: int = MOST_LAYERS
) -> dict[str, Any]:
    """Points with their totals; the layers of the front, the baselines and the best others, as far as there is room.

    Loop nests and commands that several layers share are stored once, in ``texts``.
    """
    front = {outcome.point.key for outcome in pareto_front(outcomes)}
    named = {key: name for name, key in header.baselines}
    detailed = _detailed(outcomes, front, named, most_layers)
    texts: dict[str, int] = {}
    return {
        "name": header.name,
        "question": header.question,
        "points": [
            _point(outcome)
            | {
                "front": outcome.point.key in front,
                "baseline": named.get(outcome.point.key),
                "workloads": _workloads(outcome, texts, with_layers=outcome.point.key in detailed),
            }
            for outcome in outcomes
        ],
        "texts": list(texts),
    }


def _detailed(
    outcomes: Sequence[PointOutcome], front: set[str], named: dict[str, str], most_layers: int
) -> frozenset[str]:
    """Keys of the points whose layers fit; at least one point."""
    able = [outcome for outcome in outcomes if outcome.failure is None]
    able.sort(
        key=lambda o: (o.point.key not in front, o.point.key not in named, o.time_s * o.energy_j, o.point.key),
    )
    found: set[str] = set()
    layers = 0
    for outcome in able:
        layers += sum(len(workload.layers) for workload in outcome.workloads)
        if found and layers > most_layers:
            break
        found.add(outcome.point.key)
    return frozenset(found)


def _point(outcome: PointOutcome) -> dict[str, Any]:
    point = outcome.point
    return {
        "key": point.key,
        "text": str(point),
        "facts": point.facts,
        "units": point.units,
        "clock_ghz": point.clock_ghz,
        "bandwidth_gb_per_s": point.bandwidth_gb_per_s,
        "failure": outcome.failure,
        "time_s": outcome.time_s,
        "energy_j": outcome.energy_j,
        "area_mm2": outcome.area_mm2,
        "utilization": outcome.utilization,
        "area": None
        if outcome.area is None
        else {"components": [list(each) for each in outcome.area.components], "source": outcome.area.source},
        "no_area": outcome.no_area,
        "verifications": [
            {
                "nest": check.nest,
                "dataflow": check.dataflow,
                "match": check.match,
                "passed": check.passed,
                "predicted_cycles": check.predicted_cycles,
                "simulated_cycles": check.simulated_cycles,
                "simulator": check.simulator,
            }
            for check in outcome.verifications
        ],
    }


def _workloads(outcome: PointOutcome, texts: dict[str, int], *, with_layers: bool) -> list[dict[str, Any]]:
    return [
        {
            "name": workload.name,
            "weight": workload.weight,
            "macs": workload.macs,
            "cycles": workload.cycles,
            "bytes": workload.transfer_bytes,
            "energy": _parts(workload.energy),
            "layers": [_layer(layer, texts) for layer in workload.layers] if with_layers else None,
        }
        for workload in outcome.workloads
    ]


def _layer(layer: LayerOutcome, texts: dict[str, int]) -> dict[str, Any]:
    return {
        "operator": layer.operator,
        "times": layer.times,
        "macs": layer.macs,
        "dataflow": layer.dataflow,
        "nest": texts.setdefault(layer.loop_nest, len(texts)),
        "simulate": texts.setdefault(layer.simulate, len(texts)),
        "cycles": layer.cycles,
        "array_cycles": layer.array_cycles,
        "transfer_cycles": layer.transfer_cycles,
        "bytes": layer.transfer_bytes,
        "energy": _parts(layer.energy),
        "proven": layer.proven,
    }


def _parts(energy: EnergyParts) -> list[float]:
    return [energy.operation_pj, energy.hop_pj, energy.buffer_pj, energy.off_chip_pj, energy.leakage_pj]
