"""The HTML page of an array for several dataflows: self-contained, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dataflow.architecture import Plan
from dataflow.cycles import Cycles
from dataflow.fusion import Fusion
from hw.accelerator import Accelerator
from hw.program import runs
from reports.charts import CAUSES, passes_chart
from reports.fused_drawing import draw_fused
from reports.fused_links import RESULT, links_of, slots_of
from reports.page import PASS_TEXT, total_cycles
from reports.template import render
from reports.unit_drawing import draw_unit
from sim.job import Result


@dataclass(frozen=True, slots=True)
class _Row:
    """What the page says about one dataflow."""

    plan: Plan
    links: tuple[int, ...]
    cycles: Cycles
    utilization: float
    register_bits_alone: int
    results: tuple[Result, ...]


def fused_page(
    accelerator: Accelerator,
    fusion: Fusion,
    alone_register_bits: Sequence[int],
    rounds: Sequence[Sequence[Result]] = (),
) -> str:
    """HTML of one design for several dataflows.

    Parameters
    ----------
    alone_register_bits
        By dataflow, registers of a design for it alone.
    rounds
        Simulations of all dataflows, in the order of the design's; none where it was not simulated.
    """
    design = accelerator.design
    plans = design.netlist.plans
    slots = (*slots_of(plans), RESULT)
    names = {feed.slot: feed.operand for plan in plans for feed in plan.feeds} | {RESULT: plans[0].drain.operand}
    rows = []
    for mode, plan in enumerate(plans):
        cycles = total_cycles([run.cycles for run in runs(accelerator, plan.nest, plan.dataflow.name)])
        links = links_of(plan)
        rows.append(
            _Row(
                plan,
                tuple(sum(link.slot == slot for link in links) for slot in slots),
                cycles,
                plan.nest.points / (cycles.total * accelerator.manifest["units"]),
                alone_register_bits[mode],
                tuple(results[mode] for results in rounds),
            )
        )
    statistics = design.netlist.statistics
    return render(
        "fused_page.html",
        name=accelerator.name,
        units=accelerator.manifest["units"],
        rows=rows,
        slots=[names[slot] for slot in slots],
        rounds=len(rounds),
        matches=all(result.matches for results in rounds for result in results),
        simulator=rounds[0][0].simulator if rounds else None,
        recurrences=[
            (plan.dataflow.name, found) for mode, plan in enumerate(plans) for found in design.recurrences(mode)
        ],
        causes=[(cause, why) for cause, _, why in CAUSES],
        fusion=fusion,
        largest=max(rows, key=lambda row: row.register_bits_alone),
        array=draw_fused(fusion.architecture),
        unit=draw_unit(design),
        passes=statistics,
        pass_text=PASS_TEXT,
        passes_chart=passes_chart([s.name for s in statistics], [s.register_bits for s in statistics]),
        verilog_bytes=len(accelerator.verilog),
        kinds=len(design.kind_name),
    )
