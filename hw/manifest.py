"""The manifest: everything a driver needs to run a design, as JSON types."""

from __future__ import annotations

from typing import Any

from hw.design import Design
from hw.host import HOST_ADDRESS_BITS, HOST_READ_CYCLES
from workloads.text import body_text

Manifest = dict[str, Any]


def manifest(design: Design) -> Manifest:
    """Describe a design's host port, registers, bank sets and timing."""
    netlist = design.netlist
    plan = netlist.plan
    timing = design.timing
    return {
        "format": 1,
        "name": design.name,
        "top": design.name,
        "nest": {
            "name": plan.nest.name,
            "loops": plan.nest.extents,
            "body": body_text(plan.nest),
            "output": str(plan.nest.output),
            "inputs": [str(a) for a in plan.nest.inputs],
            "coefficient": plan.nest.coefficient,
            "guards": [str(g) for g in plan.nest.guards],
            "formats": {t.name: str(t.format) for t in plan.nest.tensors},
            "shapes": {t.name: list(t.shape) for t in plan.nest.tensors},
            "padded": [t.name for t in plan.nest.tensors if t.padded],
        },
        "dataflow": {
            "name": plan.dataflow.name,
            "space": dict(plan.dataflow.space),
            "skew": list(plan.dataflow.skew),
            "order": list(plan.dataflow.order),
            "tile": dict(plan.dataflow.tile),
        },
        "limits": plan.extents,
        "units": len(plan.dataflow.units),
        "host": {
            "data_bits": design.host_bits,
            "address_bits": HOST_ADDRESS_BITS,
            "read_latency_cycles": HOST_READ_CYCLES,
        },
        "timing": {
            "write_cycles": timing.write_cycles,
            "hazard_cycles": timing.hazard_cycles,
            "skew_cycles": plan.dataflow.most_skew_cycles,
            "gap_loop": plan.dataflow.order[plan.drain.gap_level] if plan.drain.gap_level >= 0 else None,
        },
        "tensors": [
            {
                "operand": gen.name,
                "tensor": gen.access.tensor,
                "id": gen.tensor_id,
                "role": "output" if gen.tensor_id == 0 else "input",
                "access": str(gen.access),
                "word_bits": design.bank_bits(gen),
                "banks": list(gen.banking.counts),
                "granularity": list(gen.banking.granularity),
                "rotating": list(gen.banking.rotating),
                "ports": len(gen.banking.ports),
                "depth": gen.depth,
                "preload": gen.tensor_id == 0 and plan.drain.start == "memory",
            }
            for gen in sorted(design.generators, key=lambda g: g.tensor_id)
        ],
        "registers": [
            {"name": r.name, "address": r.address, "bits": r.bits, "signed": r.signed, "meaning": r.meaning}
            for r in design.registers
        ],
        "links": [
            {
                "operand": feed.operand,
                "direct": [list(s.space) for s in feed.direct],
                "delayed": [{"space": list(s.space), "time": list(s.time)} for s in feed.delayed],
            }
            for feed in plan.feeds
        ],
        "passes": [
            {
                "name": s.name,
                "register_bits": s.register_bits,
                "adder_bits": s.adder_bits,
                "multiplier_bits": s.multiplier_bits,
                "mux_bits": s.mux_bits,
                "depth_cycles": s.depth_cycles,
            }
            for s in netlist.statistics
        ],
    }
