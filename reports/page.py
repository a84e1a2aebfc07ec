"""The HTML page of one simulated design: self-contained, no network."""

from __future__ import annotations

from dataflow.cycles import Cycles
from hw.accelerator import Accelerator
from hw.program import runs
from reports.activity import utilization_over_time
from reports.charts import causes_of, cycles_chart, passes_chart, svg_of, utilization_chart
from reports.drawing import array_figure
from reports.template import render
from sim.job import Result
from workloads.describe import loop_text, nest_facts
from workloads.nest import Nest

BUCKETS = 240


PASS_TEXT = {
    "lowering": "links, ports and banks as primitives, all wires as wide as the output",
    "infer_widths": "every wire as narrow as exactness allows",
    "balance_reductions": "adder chains become balanced trees",
    "gate": "without a step or a guard that holds, sums and multipliers keep still",
    "clean_up": "what is constant, there twice or passed on unchanged is not built",
    "share_pins": "reducers of several dataflows become one set: a multiplexer input for an adder",
    "rewire_broadcasts": "what many operands read in one cycle reaches them through trees of registers",
    "match_delays": "registers so that operands meet, by linear programming (before: as early as possible)",
}


def design_page(accelerator: Accelerator, nest: Nest, result: Result) -> str:
    """HTML of one design and one simulated nest."""
    design = accelerator.design
    plan = design.netlist.plan
    work = runs(accelerator, nest)
    cycles = total_cycles([run.cycles for run in work])
    longest = max(work, key=lambda run: run.predicted_cycles)
    share = utilization_over_time(plan, dict(longest.extents), longest.weights, longest.predicted_cycles, BUCKETS)
    statistics = design.netlist.statistics
    return render(
        "page.html",
        name=accelerator.name,
        nest=nest,
        facts=nest_facts(nest),
        loops=loop_text(nest),
        dataflow=plan.dataflow,
        result=result,
        runs=work,
        longest=longest,
        cycles=cycles,
        recurrences=design.recurrences(0, dict(longest.extents)),
        causes=[(cause, getattr(cycles, cause), why) for cause, _, why in causes_of(cycles)],
        array=svg_of(array_figure(plan)),
        utilization=utilization_chart(share, longest.predicted_cycles),
        cycles_chart=cycles_chart(cycles),
        passes=statistics,
        pass_text=PASS_TEXT,
        passes_chart=passes_chart([s.name for s in statistics], [s.register_bits for s in statistics]),
        generators=sorted(design.generators[0], key=lambda g: g.tensor_id),
        bank_bits={g.name: design.bank_bits(g) for g in design.units},
        feeds=plan.feeds,
        drain=plan.drain,
        units=len(plan.dataflow.units),
        verilog_bytes=len(accelerator.verilog),
        kinds=len(design.kind_name),
        limits=plan.extents,
    )


def total_cycles(parts: list[Cycles]) -> Cycles:
    """Sum over runs, cause by cause."""
    return Cycles(
        *(sum(getattr(part, name) for part in parts) for name in ("steady", "border", "gap", "fill", "drain", "post"))
    )
