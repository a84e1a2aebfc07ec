"""Drawings of the arrays behind mapped layers."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from math import prod

from dataflow import Dataflow, Plan, build
from reports.drawing import draw_array
from reports.exploration.outcome import LayerOutcome
from workloads.errors import BrickworkError
from workloads.spec import load

# A drawing of 256 units takes about a second and 300 KB; beyond, units are no longer told apart.
MOST_UNITS = 256
MOST_DRAWINGS = 6


def array_key(layer: LayerOutcome) -> str:
    """Layers with equal keys run on arrays whose links are the same."""
    options = _options(layer)
    return " ".join([layer.operator.partition(":")[0], options["--space"], options["--skew"], options["--order"]])


def draw_arrays(layers: Iterable[LayerOutcome]) -> dict[str, str]:
    """SVG by `array_key`: those that most products run on first, as many as a page can hold."""
    macs: dict[str, int] = {}
    largest: dict[str, LayerOutcome] = {}
    for layer in layers:
        key = array_key(layer)
        macs[key] = macs.get(key, 0) + layer.macs * layer.times
        if key not in largest or layer.macs > largest[key].macs:
            largest[key] = layer
    drawn: dict[str, str] = {}
    for key in sorted(macs, key=lambda key: (-macs[key], key)):
        if len(drawn) == MOST_DRAWINGS:
            break
        sizes = [int(part.partition("=")[2]) for part in _options(largest[key])["--space"].split(",")]
        if prod(sizes) > MOST_UNITS:
            continue
        try:
            drawn[key] = draw_array(plan_of(largest[key]))
        except BrickworkError:
            # A results file may come from another version of the library; the page then has no picture of it.
            continue
    return drawn


def plan_of(layer: LayerOutcome) -> Plan:
    """The array of a layer, from the command that simulates it.

    Raises
    ------
    BrickworkError
    """
    options = _options(layer)
    nest = load(layer.operator).nest
    dataflow = Dataflow.of(
        nest,
        _sizes(options["--space"]),
        skew=tuple(int(part) for part in options["--skew"].split(",")),
        order=tuple(options["--order"].split(",")),
        tile=_sizes(options.get("--tile", "")),
    )
    return build(nest, dataflow).plans[0]


def _options(layer: LayerOutcome) -> dict[str, str]:
    words = shlex.split(layer.simulate)[3:]
    return dict(zip(words[::2], words[1::2], strict=True))


def _sizes(text: str) -> dict[str, int]:
    pairs = (part.partition("=") for part in text.split(",") if part)
    return {loop: int(size) for loop, _, size in pairs}
