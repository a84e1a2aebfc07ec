"""The manifest: everything a driver needs to run a design, as JSON types."""

from __future__ import annotations

from typing import Any

from dataflow.ordered_sum import sum_order
from dataflow.recurrence import Recurrence
from hw.design import Design
from hw.host import HOST_ADDRESS_BITS, HOST_READ_CYCLES
from hw.post.plan import PostPlan
from workloads.text import body_text

Manifest = dict[str, Any]


def manifest(design: Design) -> Manifest:
    """Describe a design's host port, registers, bank sets and, for each dataflow, its nest, timing and links."""
    netlist = design.netlist
    return {
        "format": 2,
        "name": design.name,
        "top": design.name,
        "units": len(netlist.region["fu"].points),
        "host": {
            "data_bits": design.host_bits,
            "address_bits": HOST_ADDRESS_BITS,
            "read_latency_cycles": HOST_READ_CYCLES,
        },
        "modes": [_mode(design, mode) for mode in netlist.modes],
        "bank_sets": [
            {
                "operand": unit.name,
                "id": unit.tensor_id,
                "role": "output" if unit.tensor_id == 0 else "input",
                "memories": unit.banks,
                "word_bits": design.bank_bits(unit),
                "depth": unit.depth,
            }
            for unit in design.units
        ],
        "registers": [
            {"name": r.name, "address": r.address, "bits": r.bits, "signed": r.signed, "meaning": r.meaning}
            for r in design.registers
        ],
        **({"post": _post(design.post, design)} if design.post else {}),
        "passes": [
            {
                "name": s.name,
                "register_bits": s.register_bits,
                "adder_bits": s.adder_bits,
                "multiplier_bits": s.multiplier_bits,
                "mux_bits": s.mux_bits,
                "depth_cycles": s.depth_cycles,
                "largest_fan_out": s.largest_fan_out,
            }
            for s in netlist.statistics
        ],
    }


def _post(post: PostPlan, design: Design) -> Manifest:
    """The stage between output banks and host."""
    return {
        "kind": "quantize",
        "format": str(post.made),
        "source": str(post.source),
        "fraction_bits": post.fraction_bits,
        "id": post.tensor_id,
        "block": post.made.block,
        "element_bits": post.made.element.bits,
        "scale_bits": post.made.scale.bits,
        "groups": post.groups,
        "quantizers": post.quantizers,
        "depth": post.depth,
        "timing": {"block_cycles": post.block_cycles, "tail_cycles": post.tail_cycles},
        "registers": [register.name for register in design.post_registers],
    }


def _mode(design: Design, mode: int) -> Manifest:
    plan, timing = design.netlist.plans[mode], design.timings[mode]
    nest, dataflow = plan.nest, plan.dataflow
    return {
        "nest": {
            "name": nest.name,
            "loops": nest.extents,
            "body": body_text(nest),
            "output": str(nest.output),
            "inputs": [str(a) for a in nest.inputs],
            "coefficient": nest.coefficient,
            "guards": [str(g) for g in nest.guards],
            "formats": {t.name: str(t.format) for t in nest.tensors},
            "shapes": {t.name: list(t.shape) for t in nest.tensors},
            "padded": [t.name for t in nest.tensors if t.padded],
        },
        "dataflow": {
            "name": dataflow.name,
            "space": dict(dataflow.space),
            "skew": list(dataflow.skew),
            "order": list(dataflow.order),
            "tile": dict(dataflow.tile),
        },
        "limits": plan.extents,
        **({"sum_order": sum_order(plan)} if nest.floating else {}),
        "timing": {
            "write_cycles": timing.write_cycles,
            "hazard_cycles": timing.hazard_cycles,
            "skew_cycles": dataflow.most_skew_cycles,
            "gap_loop": dataflow.order[plan.drain.gap_level] if plan.drain.gap_level >= 0 else None,
        },
        "recurrences": [recurrence_facts(found) for found in design.recurrences(mode)],
        "tensors": [
            {
                "operand": gen.name,
                "tensor": gen.access.tensor,
                "id": gen.tensor_id,
                "access": str(gen.access),
                "banks": list(gen.banking.counts),
                "granularity": list(gen.banking.granularity),
                "rotating": list(gen.banking.rotating),
                "ports": len(gen.banking.ports),
                "memories": list(design.placement(mode, gen)),
                "preload": gen.tensor_id == 0 and plan.drain.start == "memory",
            }
            for gen in sorted(design.generators[mode], key=lambda g: g.tensor_id)
        ],
        "links": [
            {
                "operand": feed.operand,
                "direct": [list(s.space) for s in feed.direct],
                "delayed": [{"space": list(s.space), "time": list(s.time)} for s in feed.delayed],
            }
            for feed in plan.feeds
        ],
    }


def recurrence_facts(found: Recurrence) -> Manifest:
    """A recurrence as JSON types, with the sentence that people read."""
    return {
        "tensor": found.tensor,
        "through": found.through,
        "steps": dict(found.steps),
        "space": list(found.space),
        "distance_cycles": found.distance_cycles,
        "latency_cycles": found.latency_cycles,
        "idle_cycles": found.idle_cycles,
        "idle_loops": list(found.idle_loops),
        "total_idle_cycles": found.total_idle_cycles,
        "order_without": list(found.order_without) if found.order_without else None,
        "text": str(found),
    }
