"""Area of a design point: its array from the netlist that serves all its dataflows, and its memories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod

from dataflow import Dataflow
from dataflow.technology import technology_named
from reports.exploration.outcome import MEMORY, Area, LayerOutcome, PointOutcome
from workloads.errors import BrickworkError
from workloads.nest import Nest
from workloads.spec import load

# Enough to see whether a part of the array is one that area is known for.
_SMALL = 2


@dataclass(frozen=True, slots=True)
class ArrayTask:
    """An array to be generated and counted; equal tasks have equal results.

    Attributes
    ----------
    array : tuple of int
    members : tuple of (operator, dataflow)
        What it runs: a library entry, and its dataflow as the command ``brickwork simulate`` takes it.
    """

    array: tuple[int, ...]
    members: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ArrayResult:
    """What an array consists of.

    Attributes
    ----------
    components : tuple of (name, um2)
        Of logic, in the library that the estimate was calibrated on.
    banks : int
        Memories that it reads and writes.
    """

    components: tuple[tuple[str, float], ...]
    banks: int


def array_task(outcome: PointOutcome) -> ArrayTask | str:
    """The array of a point, or why it has none.

    For each kind of operator and choice of loops on the axes, the dataflow of one layer, with the tiles of its mapping
    as the limits of the array: of the layers that use most functional units, the one that takes most cycles.
    """
    if outcome.failure is not None:
        return outcome.failure
    if not outcome.point.spaces:
        return "every dataflow is a bound for what arrays can do, and no array"
    found: dict[tuple[str, str, str], LayerOutcome] = {}
    ranked = [
        (_units(layer), w.weight * layer.times * layer.cycles, layer) for w in outcome.workloads for layer in w.layers
    ]
    for _, _, layer in sorted(ranked, key=lambda each: (-each[0], -each[1], each[2].operator)):
        kind, _, settings = layer.operator.partition(":")
        number_format = next((s for s in settings.split(",") if s.startswith("format=")), "")
        found.setdefault((kind, number_format, layer.dataflow.partition("_keeps_")[0]), layer)
    members = sorted((layer.operator, _options(layer)) for layer in found.values())
    return ArrayTask(outcome.point.array, tuple(members))


# One process meets the same array again where studies differ in what the array cannot see.
@lru_cache(maxsize=1 << 8)
def run_array(task: ArrayTask) -> ArrayResult | str:
    """Generate an array and count it; what cannot be counted is the result.

    A small array of the same dataflows goes first: what is refused is refused in milliseconds.
    """
    # The generator takes seconds to import, and mapping does not need it.
    from dataflow import build, fuse
    from hw.accelerator import design_of
    from hw.estimate import calibrated_components

    members = [(load(operator).nest, text) for operator, text in task.members]
    try:
        for most in (_SMALL, None):
            plans = [
                build(nest, _dataflow(nest, text, len(task.array), n, most)) for n, (nest, text) in enumerate(members)
            ]
            architecture = fuse(plans, name="array").architecture if len(plans) > 1 else plans[0]
            design = design_of(architecture)
            components = calibrated_components(design)
    except BrickworkError as error:
        return "; ".join(str(error).splitlines())
    return ArrayResult(components, sum(unit.banks for unit in design.units))


def with_area(outcome: PointOutcome, result: ArrayResult | str) -> PointOutcome:
    """Area at the point's node: the array's logic, and its buffer cut into as many banks as the array has."""
    from hw.estimate import memory_area_um2, scaled

    if isinstance(result, str):
        return replace(outcome, area=None, no_area=None if outcome.failure is not None else result)
    point = outcome.point
    technology = technology_named(point.technology)
    banks = min(result.banks, point.buffer_bytes)
    try:
        logic = scaled(result.components, technology)
        memory_um2 = memory_area_um2(technology, point.buffer_bytes, banks)
    except BrickworkError as error:
        return replace(outcome, area=None, no_area="; ".join(str(error).splitlines()))
    source = f"logic: {logic.source}; memory: CACTI, {banks} banks"
    return replace(outcome, area=Area((*logic.components, (MEMORY, memory_um2)), source, banks), no_area=None)


def _options(layer: LayerOutcome) -> str:
    """Those of the command that runs the layer's array in RTL."""
    return layer.simulate.partition(f"{layer.operator} ")[2]


def _units(layer: LayerOutcome) -> int:
    """Functional units that the layer's dataflow has; a short loop does not fill its axis."""
    words = _options(layer).split()
    return prod(_sizes(words[words.index("--space") + 1]).values())


def _dataflow(nest: Nest, text: str, axes: int, number: int, most: int | None) -> Dataflow:
    """Read the options of a simulation; an axis that the nest does not use has one unit."""
    words = text.split()
    options = dict(zip(words[::2], words[1::2], strict=True))
    space = _sizes(options["--space"])
    skew = [int(cycles) for cycles in options["--skew"].split(",")]
    for loop in nest.loop_names:
        if len(space) < axes and loop not in space:
            space[loop], skew = 1, [*skew, 1]
    tile = _sizes(options["--tile"]) if "--tile" in options else {}
    if most is not None:
        space, tile = {loop: min(most, size) for loop, size in space.items()}, {}
    return Dataflow.of(
        nest,
        space,
        skew=tuple(skew),
        order=tuple(options["--order"].split(",")),
        tile=tile,
        name=f"{'_'.join(space)}_{number}",
    )


def _sizes(text: str) -> dict[str, int]:
    return {loop: int(size) for loop, size in (part.split("=") for part in text.split(","))}
