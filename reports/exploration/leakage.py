"""Energy that leaks while a point runs: power of its area times time."""

from __future__ import annotations

from dataclasses import replace

from dataflow.technology import Technology, TechnologyError, technology_named
from dataflow.technology.sram import sram_leakage_mw
from reports.exploration.outcome import LayerOutcome, PointOutcome


def leakage_mw(outcome: PointOutcome, technology: Technology) -> float:
    """Power that a point leaks: logic by its area, memory by the table of CACTI.

    Logic whose area is not known leaks nothing here, and the buffer is one memory then. Nothing leaks in a technology
    that does not say how much.

    Raises
    ------
    TechnologyError
        The table of memories does not reach the technology's node.
    """
    if technology.leakage is None:
        return 0.0
    area = outcome.area
    banks = 1 if area is None else area.banks
    one_mw = sram_leakage_mw(technology.node_nm, -(-outcome.point.buffer_bytes // banks))
    memory_mw = banks * one_mw * technology.leakage.memory_factor.value
    logic_mm2 = 0.0 if area is None else area.logic_um2 / 1e6
    return memory_mw + logic_mm2 * technology.leakage.logic_mw_per_mm2.value


def with_leakage(outcome: PointOutcome, technology: Technology | None = None) -> PointOutcome:
    """The outcome with the leakage of every layer's cycles, in its own technology or the same one moved in its band."""
    if outcome.failure is not None:
        return outcome
    try:
        leaking_mw = leakage_mw(outcome, technology or technology_named(outcome.point.technology))
    except TechnologyError:
        # The point has no area either, and says so.
        return outcome
    # mW times ns is pJ.
    pj_per_cycle = leaking_mw / outcome.point.clock_ghz

    def leaking(layer: LayerOutcome) -> LayerOutcome:
        return replace(layer, energy=replace(layer.energy, leakage_pj=layer.cycles * pj_per_cycle))

    return replace(
        outcome,
        workloads=tuple(replace(w, layers=tuple(map(leaking, w.layers))) for w in outcome.workloads),
    )
