"""Mapped nests and networks, as JSON types and on the terminal."""

from __future__ import annotations

from typing import Any

from brickwork import console
from brickwork.mapping_steps import MappedNest
from dataflow.mapping import Found, Machine, MappedNetwork, scheduled_cycles
from reports.exploration.evaluate import simulate_command


def nest_facts(spec: str, mapped: MappedNest, seconds: float) -> dict[str, Any]:
    """A mapped nest as JSON types."""
    found = mapped.found
    mapping, certificate = found.mapping, found.certificate
    return {
        "spec": spec,
        "dataflow": mapping.plan.dataflow.name,
        "space": dict(mapping.plan.dataflow.space),
        "time_order": list(mapping.plan.dataflow.order),
        "tiles": {loop: cut.size for loop, cut in mapping.cuts},
        "tile_order": [loop for loop in mapping.order if mapping.cut[loop].count > 1],
        "double_buffered": mapping.double_buffered,
        "loop_nest": str(mapping),
        "simulate": simulate_command(spec, found.mapping),
        **_cost_facts(found, mapped.machine, mapped.units),
        "tensors": [
            {
                "name": o.name,
                "tile_bytes": o.bits * o.tile / 8,
                "fetched_bytes": o.bits * o.fetched / 8,
                "stored_bytes": (o.transfer_bits - o.bits * o.fetched) / 8,
                "buffer_reads": o.reads,
                "buffer_writes": o.writes,
                "hops": o.hops,
            }
            for o in found.counts.operands
        ],
        "certificate": {
            "tiler": certificate.tiler,
            "value": certificate.value,
            "lower_bound": certificate.lower_bound,
            "proven": certificate.proven,
            "dataflows": certificate.dataflows,
            "mappings": certificate.mappings,
            "bounded": certificate.bounded,
            "evaluated": certificate.evaluated,
        },
        "seconds": round(seconds, 3),
    }


def _cost_facts(found: Found, machine: Machine, units: int) -> dict[str, Any]:
    cost = found.cost
    return {
        "cycles": cost.cycles,
        "scheduled_cycles": scheduled_cycles(found.mapping, machine),
        "array_cycles": cost.array_cycles,
        "transfer_cycles": cost.transfer_cycles,
        "latency_cycles": cost.latency_cycles,
        "time_us": cost.cycles / machine.clock_ghz / 1e3,
        "runs": found.counts.runs,
        "macs": found.counts.macs,
        "utilization": found.counts.macs / cost.cycles / units,
        "energy_pj": cost.energy_pj,
        "operation_pj": cost.operation_pj,
        "hop_pj": cost.hop_pj,
        "buffer_pj": cost.buffer_pj,
        "off_chip_pj": cost.off_chip_pj,
        "transfer_bytes": found.counts.transfer_bits // 8,
    }


def network_facts(mapped: MappedNetwork, machine: Machine, seconds: float) -> dict[str, Any]:
    """A mapped network as JSON types."""
    return {
        "network": mapped.network.name,
        "inputs": mapped.network.inputs,
        "macs": mapped.network.macs,
        "parameters": mapped.network.parameters,
        "cycles": mapped.cycles,
        "time_us": mapped.cycles / machine.clock_ghz / 1e3,
        "utilization": mapped.utilization,
        "energy_pj": mapped.energy_pj,
        "transfer_bytes": mapped.transfer_bytes,
        "proven": mapped.proven,
        "layers": [
            {
                "operator": layer.operator,
                "times": layer.times,
                "dataflow": layer.found.mapping.plan.dataflow.name,
                "tiles": {loop: cut.size for loop, cut in layer.found.mapping.cuts},
                "tile_order": list(layer.found.mapping.order),
                "double_buffered": layer.found.mapping.double_buffered,
                **_cost_facts(layer.found, machine, mapped.units),
            }
            for layer in mapped.layers
        ],
        "seconds": round(seconds, 3),
    }


def _energy(energy_pj: float) -> str:
    return f"{energy_pj / 1e6:,.2f} uJ" if energy_pj >= 1e4 else f"{energy_pj:,.1f} pJ"


def print_nest(spec: str, mapped: MappedNest, seconds: float) -> None:
    """The loop nest, cycles, energy, what moves, and the certificate."""
    found = mapped.found
    cost, counts, certificate = found.cost, found.counts, found.certificate
    say = console.out.print
    say(str(found.mapping), markup=False)
    facts = _cost_facts(found, mapped.machine, mapped.units)
    slower = "array" if cost.array_cycles >= cost.transfer_cycles + cost.latency_cycles else "off-chip memory"
    how = f"bound by the {slower}" if found.mapping.double_buffered else "one after the other"
    say(
        f"\n{cost.cycles:,} cycles, {facts['time_us']:,.1f} us, {how}: array {cost.array_cycles:,}, "
        f"transfers {cost.transfer_cycles:,}, their latency {cost.latency_cycles:,}; "
        f"utilization {facts['utilization']:.1%}",
        markup=False,
    )
    if facts["scheduled_cycles"] is not None:
        say(f"{facts['scheduled_cycles']:,} cycles with transfers one tile ahead of the array", markup=False)
    say(
        f"{_energy(cost.energy_pj)} ({cost.energy_pj / counts.macs:.3f} pJ a product): "
        f"operations {_energy(cost.operation_pj)}, hops {_energy(cost.hop_pj)}, "
        f"buffer {_energy(cost.buffer_pj)}, off-chip {_energy(cost.off_chip_pj)}",
        markup=False,
    )
    line = "{:<10} {:>12} {:>15} {:>15} {:>16} {:>16}"
    say(
        line.format("tensor", "tile bytes", "fetched bytes", "stored bytes", "buffer reads", "buffer writes"),
        style="bold",
    )
    for o in counts.operands:
        fetched_bits = o.bits * o.fetched
        moved = (f"{n / 8:,.0f}" for n in (o.bits * o.tile, fetched_bits, o.transfer_bits - fetched_bits))
        say(line.format(o.name, *moved, f"{o.reads:,}", f"{o.writes:,}"), markup=False)
    searched = (
        f"; {certificate.mappings:,} mappings on {certificate.dataflows} dataflows, "
        f"{certificate.bounded:,} bounds, {certificate.evaluated} evaluated"
    )
    say(f"{certificate}{searched if certificate.tiler == 'optimal' else ''}, {seconds:.2f} s", markup=False)
    say(f"array in RTL: {simulate_command(spec, found.mapping)}", markup=False)


def print_network(mapped: MappedNetwork, machine: Machine, seconds: float) -> None:
    """A line a layer, and totals."""
    say = console.out.print
    network = mapped.network
    say(f"{network.name}, {network.inputs}: {network.macs:,} products, {network.parameters:,} parameters", markup=False)
    width = max(len(layer.operator) for layer in mapped.layers)
    line = f"{{:<{width}}} {{:>5}} {{:>14}} {{:>6}} {{:>11}}  {{}}"
    say(line.format("operator", "times", "cycles", "use", "energy uJ", "dataflow"), style="bold")
    for layer in mapped.layers:
        facts = _cost_facts(layer.found, machine, mapped.units)
        say(
            line.format(
                layer.operator,
                layer.times,
                f"{facts['cycles']:,}",
                f"{facts['utilization']:.1%}",
                f"{facts['energy_pj'] / 1e6:,.2f}",
                layer.found.mapping.plan.dataflow.name,
            ),
            markup=False,
        )
    say(
        line.format(
            "all",
            sum(layer.times for layer in mapped.layers),
            f"{mapped.cycles:,}",
            f"{mapped.utilization:.1%}",
            f"{mapped.energy_pj / 1e6:,.2f}",
            "",
        ),
        style="bold",
        markup=False,
    )
    scheduled = [scheduled_cycles(layer.found.mapping, machine) for layer in mapped.layers]
    if None not in scheduled:
        total = sum(layer.times * (cycles or 0) for layer, cycles in zip(mapped.layers, scheduled, strict=True))
        say(f"{total:,} cycles with transfers one tile ahead of the array", markup=False)
    say(
        f"{mapped.cycles / machine.clock_ghz / 1e6:,.3f} ms at {machine.clock_ghz:g} GHz, "
        f"{mapped.transfer_bytes / 1e6:,.1f} MB off chip; "
        f"{_verdict(mapped)}, {seconds:.1f} s",
        markup=False,
    )


def _verdict(mapped: MappedNetwork) -> str:
    unproven = [layer.found.certificate for layer in mapped.layers if not layer.found.certificate.proven]
    if not unproven:
        return "every layer proven"
    return "not every layer proven" if unproven[0].tiler == "optimal" else str(unproven[0])
