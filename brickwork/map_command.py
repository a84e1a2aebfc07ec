"""The verb ``map``: the best tiles, order and dataflow of a nest or a network, with the proof."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated, cast

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
from brickwork.map_output import nest_facts, network_facts, print_nest, print_network
from brickwork.mapping_steps import ARRAY, check_choice, map_nest, map_network
from brickwork.mistaken import refuse_study
from brickwork.models import is_network, network_of
from brickwork.options import chosen_dataflow
from brickwork.steps import ChoiceError, checked_dataflow, load
from dataflow import Dataflow
from dataflow.mapping import OBJECTIVES, Machine, Objective
from dataflow.technology import technology_named
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
    tiler: Annotated[
        str, typer.Option(help="who chooses tiles: optimal, with a proof, or gemmini, as that array's library does")
    ] = "optimal",
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

    Example: `brickwork map resnet50 --array 16x16 --buffer 320KB --tiler gemmini` has tiles of Gemmini's library
    """
    with console.user_errors():
        began = time.perf_counter()
        chosen = cast(Objective, objective)
        check_choice("objective", objective, OBJECTIVES)
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
        shape = None if array is None else _shape(array)
        if is_network(spec):
            for option, value in (("--dataflow", dataflow), ("--space", space), ("--skew", skew), ("--order", order)):
                if value is not None:
                    raise ChoiceError(f"{option} is about one nest; for a network give --array and --axes")
            for option, wanted in (("--every-tile", every_tile), ("--exact-timing", exact_timing)):
                if wanted:
                    raise ChoiceError(f"{option} is about one nest; a network has many")
            with console.progress("map") as say:
                network = map_network(
                    network_of(spec, tuple(inputs or ()), input_dtype=input_dtype),
                    machine,
                    array=shape or ARRAY,
                    axes=spaces,
                    objective=chosen,
                    tiler=tiler,
                    number_format=number_format,
                    progress=say,
                )
            seconds = time.perf_counter() - began
            if json_:
                console.print_json(network_facts(network, machine, seconds))
            else:
                print_network(network, machine, seconds)
            return
        if number_format is not None:
            raise ChoiceError("--format is for networks; a nest has its formats in the spec")
        _check_known(spec)
        refuse_study(spec)
        given = load(spec)
        many = shape is not None or bool(spaces)
        flows = _given_dataflows(given, spec, many, (dataflow, space, skew, order))
        with console.progress("map"):
            mapped = map_nest(
                given.nest,
                machine,
                flows,
                array=shape,
                axes=spaces,
                objective=chosen,
                tiler=tiler,
                every_tile=every_tile,
                exact_timing=exact_timing,
            )
        seconds = time.perf_counter() - began
        if json_:
            console.print_json(nest_facts(spec, mapped, seconds))
        else:
            print_nest(spec, mapped, seconds)


def _check_known(text: str) -> None:
    """Refuse a name that is neither in the library nor a network, with the nearest of both."""
    base = text.partition(":")[0]
    names = (*entry_names(), *network_names())
    is_name = re.fullmatch(r"[\w.]+", base) and not base.endswith((".yaml", ".yml"))
    if is_name and base not in names and not Path(text).is_file():
        raise ChoiceError(
            f"{base!r} is neither a spec file, nor in the library, nor a network{did_you_mean(base, names)}"
        )


def _given_dataflows(
    given: Spec, text: str, many: bool, options: tuple[str | None, str | None, str | None, str | None]
) -> tuple[Dataflow, ...]:
    """What options name, else those of a spec file; none where all of a shape are to be tried."""
    if any(option is not None for option in options):
        return (chosen_dataflow(given, *options, None),)
    if not many and given.dataflows and Path(text).is_file():
        return tuple(checked_dataflow(given.nest, each) for each in given.dataflows)
    return ()


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
