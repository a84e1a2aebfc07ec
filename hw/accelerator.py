"""Architecture -> accelerator: lowering, passes, Verilog and manifest in one call."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dataflow.architecture import Architecture
from hw.collector import paused_collector
from hw.design import Design
from hw.emit import emit
from hw.lower import lower
from hw.manifest import Manifest, manifest
from hw.merge import merge
from hw.netlist import Netlist, check
from hw.passes.broadcasts import rewire_broadcasts, rewiring
from hw.passes.clean_up import clean_up
from hw.passes.delay_matching import match_delays
from hw.passes.gating import gate
from hw.passes.reduction_trees import balance_reductions
from hw.passes.shared_pins import share_pins
from hw.passes.statistics import measure
from hw.passes.widths import infer_widths
from hw.pipelining import pipelined
from hw.post.stage import PostError, Quantize, design_faults
from hw.supported_formats import UnsupportedError, slot_formats, unshared_formats

Pass = Callable[[Netlist], Netlist]
# Passes over one dataflow come before fusion, all others after it.
PLAN_PASSES: tuple[Pass, ...] = (infer_widths, balance_reductions)
PASSES: tuple[Pass, ...] = (*PLAN_PASSES, gate, clean_up, share_pins, rewire_broadcasts, match_delays)


def passes_with(*, fan_out_limit: int) -> tuple[Pass, ...]:
    """All passes, with at most ``fan_out_limit`` operands behind one register; 0 leaves broadcasts as they are.

    Raises
    ------
    FanOutError
    """
    return tuple(rewiring(fan_out_limit) if apply is rewire_broadcasts else apply for apply in PASSES)


@dataclass(frozen=True)
class Accelerator:
    """A generated design.

    Attributes
    ----------
    top : str
        Name of the top module; its ports are described in docs/reference/host-port.md.
    verilog : str
    manifest : dict
        What a driver needs, as JSON types.
    host_bits : int
        Width of a row at the host port.
    """

    design: Design
    architecture: Architecture
    verilog: str
    manifest: Manifest

    @property
    def name(self) -> str:
        return self.design.name

    @property
    def top(self) -> str:
        return self.design.name

    @property
    def host_bits(self) -> int:
        return self.design.host_bits


def generate(
    architecture: Architecture, *, passes: Sequence[Pass] = PASSES, stage: Quantize | None = None
) -> Accelerator:
    """Generate synthesizable Verilog; the same architecture gives the same bytes.

    Parameters
    ----------
    stage
        What results pass after a run, before the host reads them.

    Raises
    ------
    UnsupportedError
        A format without a functional unit.
    InfeasibleError
        A recurrence that cannot meet its deadline.
    PostError
        The design cannot have the stage.
    """
    if stage is not None and (faults := tuple(design_faults(architecture.plans, stage))):
        raise PostError(faults)
    with paused_collector():
        design = replace(design_of(architecture, passes=passes), stage=stage)
        return Accelerator(design, architecture, emit(design), manifest(design))


def design_of(architecture: Architecture, *, passes: Sequence[Pass] = PASSES) -> Design:
    """Lower and run the passes, checking between them and recording what each one changed."""
    name = verilog_name(architecture.name)
    plans = architecture.plans
    if faults := tuple(unshared_formats(plans)):
        raise UnsupportedError("\n".join(faults))
    factors, slots = max(len(plan.feeds) for plan in plans), slot_formats(plans)
    lowered = [lower(plan, name, factors=factors, slots=slots) for plan in plans]
    # A gate that one dataflow needs lies in the way of all.
    if any("gated" in netlist.node for netlist, _ in lowered):
        lowered = [lower(plan, name, factors=factors, slots=slots, gate=True) for plan in plans]
    netlists = [netlist for netlist, _ in lowered]
    for netlist in netlists:
        check(netlist, after="lowering")
    early = [apply for apply in passes if apply in PLAN_PASSES]
    recorded = [merge(netlists, name)]
    for apply in early:
        netlists = [apply(netlist) for netlist in netlists]
        for netlist in netlists:
            check(netlist, after=apply.__name__)
        recorded.append(merge(netlists, name))
    merged = recorded[-1]
    names = ["lowering", *(apply.__name__ for apply in early)]
    statistics = tuple(measure(each.netlist, step) for each, step in zip(recorded, names, strict=True))
    netlist = replace(pipelined(merged.netlist), statistics=statistics)
    check(netlist, after="merging")
    for apply in passes:
        if apply in PLAN_PASSES:
            continue
        netlist = apply(netlist)
        check(netlist, after=apply.__name__)
        netlist = replace(netlist, statistics=(*netlist.statistics, measure(netlist, apply.__name__)))
    return Design(netlist, tuple(generators for _, generators in lowered), merged.placements)


def verilog_name(text: str) -> str:
    """A name that every Verilog tool accepts as a plain identifier."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII)
    return name if re.match(r"[A-Za-z]", name) else f"design_{name}"
