"""The verb ``show``: a nest and its dataflow, as text and as a picture."""

from __future__ import annotations

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
    SpecArgument,
    TileOption,
)
from brickwork.files import check_writable, write_all
from brickwork.models import is_network, network_of
from brickwork.options import chosen_dataflow
from brickwork.recurrences import of_architecture
from brickwork.show_network import network_table, print_network
from brickwork.steps import ChoiceError, architecture, load
from dataflow import Architecture
from hw.manifest import recurrence_facts
from hw.supported_formats import UnsupportedError


def show(
    spec: SpecArgument,
    dataflow: DataflowOption = None,
    space: SpaceOption = None,
    skew: SkewOption = None,
    order: OrderOption = None,
    tile: TileOption = None,
    drawing: Annotated[Path | None, typer.Option(help="write a picture of the array (.svg)")] = None,
    inputs: InputShapeOption = None,
    input_dtype: InputDtypeOption = "float32",
    json_: JsonOption = False,
) -> None:
    """The nest, its tensors, sizes, reuse and dataflow, as text and as a picture.

    Example: `brickwork show conv2d:oc=64,ic=64,oh=56,ow=56 --drawing array.svg`

    Example: `brickwork show examples/models/small_cnn.py:build` lists the layers of a torch model
    """
    from workloads.describe import describe, nest_facts

    with console.user_errors():
        if is_network(spec):
            for option, value in (
                ("--dataflow", dataflow),
                ("--space", space),
                ("--skew", skew),
                ("--order", order),
                ("--tile", tile),
                ("--drawing", drawing),
            ):
                if value is not None:
                    raise ChoiceError(f"{option} is about one nest; a network has many")
            network = network_of(spec, tuple(inputs or ()), input_dtype=input_dtype, incomplete=True)
            if json_:
                console.print_json(network_table(network))
            else:
                print_network(network)
            return
        given = load(spec)
        if drawing is not None:
            check_writable(drawing)
        built = None
        if given.dataflows or space:
            built = architecture(given.nest, chosen_dataflow(given, dataflow, space, skew, order, tile))
        if drawing is not None:
            if built is None:
                raise ChoiceError("--drawing needs a dataflow; give one with --space or in the spec")
            from reports.drawing import draw_array

            write_all({drawing: draw_array(built.plans[0]).encode()})
        facts = nest_facts(given.nest)
        if json_:
            console.print_json(
                {
                    "name": given.nest.name,
                    "loops": given.nest.extents,
                    "macs": facts.macs,
                    "bytes": facts.bytes,
                    "tensors": [
                        {"name": t.tensor.name, "shape": list(t.tensor.shape), "format": str(t.tensor.format)}
                        for t in facts.tensors
                    ],
                    "recurrences": None if built is None else _recurrence_facts(built),
                }
            )
            return
        console.out.print(describe(given.nest, given.dataflows), markup=False, end="")
        if built is not None:
            _print_architecture(built)
        if drawing is not None:
            console.out.print(f"  drawing: {drawing}", markup=False)


def _print_architecture(built: Architecture) -> None:
    plan = built.plans[0]
    console.out.print(f"\narray of {' x '.join(map(str, built.shape))} functional units", markup=False)
    for feed in plan.feeds:
        ways = [f"hops {list(s.space)}" for s in feed.direct] + [f"delayed {s}" for s in feed.delayed]
        if feed.held:
            ways.append(f"stationary over {', '.join(plan.dataflow.order[-feed.held :])}")
        console.out.print(
            f"  {feed.access}: {feed.banking}; {'; '.join(ways) or 'every unit from its port'}", markup=False
        )
    drain = plan.drain
    ways = [f"{'tree' if s.tree else 'chain'} along {list(s.step.space)}" for s in drain.stages]
    if drain.held:
        ways.append(f"accumulated over {', '.join(plan.dataflow.order[-drain.held :])}")
    console.out.print(f"  {drain.access}: {drain.banking}; {'; '.join(ways) or 'written at once'}", markup=False)
    try:
        for recurrence in of_architecture(built):
            console.out.print(f"  {recurrence}", markup=False)
    except UnsupportedError as no_netlist:
        console.out.print(f"  when sums come back from their banks is not known: {no_netlist}", markup=False)


def _recurrence_facts(built: Architecture) -> list[dict[str, Any]] | None:
    try:
        return [recurrence_facts(found) for found in of_architecture(built)]
    except UnsupportedError:
        return None
