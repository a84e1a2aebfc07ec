"""The verb ``map``: the best tiles, order and dataflow of a nest or a network, with the proof."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Annotated, Any

import typer

from brickwork import console
from brickwork.arguments import (
    DataflowOption,
    InputDtypeOption,
    InputShapeOption,
    JsonOption,
    OrderOption,
    SkewOption,
    SpaceOption,
)
from brickwork.models import is_network, network_of
from brickwork.options import chosen_dataflow
from brickwork.steps import ChoiceError, architecture, check_banks, checked_dataflow, load
from dataflow import Dataflow, Timing
from dataflow.mapping import OBJECTIVES, Found, Machine, best_mapping, every_dataflow, scheduled_cycles
from dataflow.mapping.network import MappedNetwork, fitting_spaces, map_network
from dataflow.mapping.space import all_cuts, even_cuts
from dataflow.technology import technology_named
from hw.accelerator import design_of
from workloads.library import entry_names
from workloads.networks import network_names
from workloads.spec import Spec
from workloads.yaml_reader import did_you_mean

_UNITS = {"": 1, "B": 1, "KB": 1 << 10, "MB": 1 << 20}


def map_(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC|NETWORK", help="a library name, a spec file, a network such as resnet50, or model.py:build"
        ),
    ],
    array: Annotated[
        str | None, typer.Option(help="functional units, as 16x16; every dataflow of this shape is tried")
    ] = None,
    axes: Annotated[
        list[str] | None, typer.Option(help="try only these loops on the axes, as oc,ic; may be given several times")
    ] = None,
    dataflow: DataflowOption = None,
    space: SpaceOption = None,
    skew: SkewOption = None,
    order: OrderOption = None,
    buffer: Annotated[str, typer.Option(help="capacity of all banks together, as 128KB")] = "128KB",
    bank: Annotated[
        str | None, typer.Option(help="memory whose energy an access costs, as 8KB; the whole buffer when left out")
    ] = None,
    bandwidth: Annotated[float, typer.Option(help="off-chip bytes a cycle, reads and writes together")] = 16.0,
    latency: Annotated[int, typer.Option(help="cycles from an off-chip request to its first byte")] = 100,
    clock: Annotated[float, typer.Option(help="GHz; turns cycles into time")] = 1.0,
    technology: Annotated[str, typer.Option(help="7nm, 28nm, 45nm or a .toml file")] = "7nm",
    off_chip: Annotated[
        str | None, typer.Option(help="off-chip memory of the technology; its first one when left out")
    ] = None,
    objective: Annotated[str, typer.Option(help="cycles, energy or energy-delay")] = "energy-delay",
    result_bits: Annotated[
        int | None, typer.Option(help="width of finished sums off chip, where post-processing narrows them")
    ] = None,
    number_format: Annotated[
        str | None, typer.Option("--format", help="number format of a network's inputs, as int8")
    ] = None,
    exact_timing: Annotated[
        bool, typer.Option("--exact-timing", help="take pipeline distances from the array of the best dataflow")
    ] = False,
    every_tile: Annotated[bool, typer.Option("--every-tile", help="prove it over every tile size; slower")] = False,
    inputs: InputShapeOption = None,
    input_dtype: InputDtypeOption = "float32",
    json_: JsonOption = False,
) -> None:
    """The best mapping: tile sizes, loop order, dataflow and buffering, proven to be the best.

    Accesses and array cycles are exact counts; off-chip time is bandwidth and latency; energy is counts times the
    technology's constants. docs/mapping.md says what each number means.

    Example: `brickwork map gemm:m=1024,n=1024,k=1024 --array 16x16 --buffer 128KB --objective cycles`

    Example: `brickwork map resnet50 --array 16x16 --buffer 256KB --bandwidth 16 --json`
    """
    with console.user_errors():
        began = time.perf_counter()
        chosen = _one_of("--objective", objective, OBJECTIVES)
        known = technology_named(technology)
        machine = Machine(
            _bytes("--buffer", buffer),
            bandwidth,
            latency,
            technology=known,
            off_chip=off_chip or known.off_chip_pj_per_bit[0][0],
            clock_ghz=clock,
            result_bits=result_bits,
            bank_bytes=None if bank is None else _bytes("--bank", bank),
        )
        spaces = tuple(tuple(loop.strip() for loop in text.split(",")) for text in axes or ())
        if is_network(spec):
            for option, value in (("--dataflow", dataflow), ("--space", space), ("--skew", skew), ("--order", order)):
                if value is not None:
                    raise ChoiceError(f"{option} is about one nest; for a network give --array and --axes")
            with console.progress("map") as say:
                mapped = map_network(
                    network_of(spec, tuple(inputs or ()), input_dtype=input_dtype),
                    machine,
                    _shape(array or "16x16"),
                    objective=chosen,
                    number_format=number_format,
                    spaces=spaces,
                    progress=say,
                )
            seconds = time.perf_counter() - began
            if json_:
                console.print_json(network_facts(mapped, machine, seconds))
            else:
                _print_network(mapped, machine, seconds)
            return
        if number_format is not None:
            raise ChoiceError("--format is for networks; a nest has its formats in the spec")
        _check_known(spec)
        given = load(spec)
        arrays, units = _arrays(given, spec, array, spaces, (dataflow, space, skew, order))
        cuts = all_cuts if every_tile else even_cuts
        with console.progress("map"):
            found = best_mapping(given.nest, machine, arrays, objective=chosen, cuts=cuts)
            if exact_timing:
                machine = replace(machine, timing=_generated_timing(found))
                arrays = (found.mapping.plan.dataflow,)
                found = best_mapping(given.nest, machine, arrays, objective=chosen, cuts=cuts)
        seconds = time.perf_counter() - began
        if json_:
            console.print_json(nest_facts(spec, found, machine, units, seconds))
        else:
            _print_nest(spec, found, machine, units, seconds)


def _generated_timing(found: Found) -> Timing:
    """Pipeline distances of the array that a mapping's tiles need."""
    built = architecture(found.mapping.nest, found.mapping.dataflow)
    check_banks(built)
    return design_of(built).timings[0]


def _check_known(text: str) -> None:
    """Refuse a name that is neither in the library nor a network, with the nearest of both."""
    base = text.partition(":")[0]
    names = (*entry_names(), *network_names())
    is_name = re.fullmatch(r"[\w.]+", base) and not base.endswith((".yaml", ".yml"))
    if is_name and base not in names and not Path(text).is_file():
        raise ChoiceError(
            f"{base!r} is neither a spec file, nor in the library, nor a network{did_you_mean(base, names)}"
        )


def _arrays(
    given: Spec,
    text: str,
    array: str | None,
    spaces: tuple[tuple[str, ...], ...],
    options: tuple[str | None, str | None, str | None, str | None],
) -> tuple[tuple[Dataflow, ...], int]:
    """Dataflows to choose from, and functional units: what options name, else a spec file, else all of a shape."""
    if any(option is not None for option in options):
        if array is not None or spaces:
            raise ChoiceError("--array and --axes try many dataflows; give them or a single dataflow, not both")
        chosen = chosen_dataflow(given, *options, None)
        return (chosen,), len(chosen.units)
    if array is None and not spaces and given.dataflows and Path(text).is_file():
        flows = tuple(checked_dataflow(given.nest, each) for each in given.dataflows)
        return flows, max(len(flow.units) for flow in flows)
    shape = _shape(array or "16x16")
    return every_dataflow(given.nest, shape, fitting_spaces(given.nest, spaces)), prod(shape)


def _one_of(option: str, value: str, known: tuple[Any, ...]) -> Any:
    if value not in known:
        raise ChoiceError(f"{option}: expected one of {', '.join(known)}, not {value!r}")
    return value


def _shape(text: str) -> tuple[int, ...]:
    parts = text.split("x")
    if not 1 <= len(parts) <= 3 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ChoiceError(f"--array: expected one to three sizes, as in --array 16x16, not {text!r}")
    return tuple(int(part) for part in parts)


def _bytes(option: str, text: str) -> int:
    found = re.fullmatch(r"(\d+)\s*([KM]?B?)", text.strip().upper())
    if not found or found[2] not in _UNITS:
        raise ChoiceError(f"{option}: expected bytes, as in {option} 128KB or 4MB, not {text!r}")
    return int(found[1]) * _UNITS[found[2]]


def nest_facts(spec: str, found: Found, machine: Machine, units: int, seconds: float) -> dict[str, Any]:
    """A mapped nest as JSON types."""
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
        "simulate": simulate_command(spec, found),
        **_cost_facts(found, machine, units),
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


def simulate_command(spec: str, found: Found) -> str:
    """The command that runs the array part of a mapping in RTL."""
    flow = found.mapping.dataflow
    parts = [
        f"brickwork simulate {spec}",
        f"--space {','.join(f'{loop}={size}' for loop, size in flow.space)}",
        f"--skew {','.join(map(str, flow.skew))}",
        f"--order {','.join(flow.order)}",
    ]
    if flow.tile:
        parts.append(f"--tile {','.join(f'{loop}={size}' for loop, size in flow.tile)}")
    return " ".join(parts)


def _energy(energy_pj: float) -> str:
    return f"{energy_pj / 1e6:,.2f} uJ" if energy_pj >= 1e4 else f"{energy_pj:,.1f} pJ"


def _print_nest(spec: str, found: Found, machine: Machine, units: int, seconds: float) -> None:
    cost, counts, certificate = found.cost, found.counts, found.certificate
    say = console.out.print
    say(str(found.mapping), markup=False)
    facts = _cost_facts(found, machine, units)
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
    say(
        f"{certificate}; {certificate.mappings:,} mappings on {certificate.dataflows} dataflows, "
        f"{certificate.bounded:,} bounds, {certificate.evaluated} evaluated, {seconds:.2f} s",
        markup=False,
    )
    say(f"array in RTL: {simulate_command(spec, found)}", markup=False)


def _print_network(mapped: MappedNetwork, machine: Machine, seconds: float) -> None:
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
        f"{'every layer proven' if mapped.proven else 'not every layer proven'}, {seconds:.1f} s",
        markup=False,
    )
