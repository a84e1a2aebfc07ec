"""Generated Verilog of a design's own arrays, simulated on reduced sizes of its layers and compared bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from dataflow import Dataflow, build
from dataflow.mapping import Objective
from hw.accelerator import generate
from reports.exploration.design_point import DesignPoint
from reports.exploration.evaluate import map_layer
from reports.exploration.outcome import LayerOutcome, PointOutcome, Verification
from sim import simulate
from workloads.errors import BrickworkError
from workloads.interpreter import random_inputs, run
from workloads.spec import load

Say = Callable[[str, float], None]

# Iterations of a loop that lies on no axis.
_SHORT = 3
# Parameters that say what an operator is, not how large.
_KEPT = {"format", "kh", "kw", "kd", "stride", "dilation", "padding", "groups", "causal", "radius", "block", "group"}


class VerificationError(BrickworkError):
    """A design that could not be generated or simulated."""


def verify(
    outcome: PointOutcome,
    objective: Objective,
    *,
    simulator: str = "verilator",
    cache: Path | None = None,
    say: Say | None = None,
) -> tuple[Verification, ...]:
    """Simulate one reduced layer for each choice of axes that a point's layers use, the costliest layer of each.

    The array has the point's own size, time order and skew. Loops on its axes run once more than the axis is long where
    the layer is that large, so that the borders of a second, partial tile are covered; other loops are cut short.

    Raises
    ------
    VerificationError
        Names the layer that could not be generated or simulated.
    """
    found = []
    chosen = _costliest(outcome)
    for number, layer in enumerate(chosen):
        if say:
            say(layer.operator, number / len(chosen))
        try:
            found.append(_verified(layer, outcome.point, objective, simulator, cache))
        except BrickworkError as error:
            reason = "; ".join(str(error).splitlines())
            raise VerificationError(f"{outcome.point}: {layer.operator} cannot be verified: {reason}") from None
    return tuple(found)


def reduced_operator(operator: str, dataflow: Dataflow) -> str:
    """The operator at the least sizes that still fill the array and leave a rest."""
    entry, _, text = operator.partition(":")
    settings = dict(setting.split("=") for setting in text.split(","))
    sizes = {name: int(value) for name, value in settings.items() if name != "format"}
    axes = dict(dataflow.space)
    extents = load(operator).nest.extents

    def reduced(name: str, size: int) -> int:
        if name == "k" and "kb" in extents:
            # Whole blocks of a scale.
            return min(size, extents["ki"] * (axes.get("kb", 1) + 1))
        if (out := f"o{name}") in extents:
            # An input's size, of which the loop over outputs follows.
            kernel = (sizes.get(f"k{name}", 1) - 1) * sizes.get("dilation", 1) + 1
            wanted = axes[out] + 1 if out in axes else _SHORT
            return min(size, sizes.get("stride", 1) * wanted + kernel - 1)
        return min(size, axes[name] + 1 if name in axes else _SHORT)

    written = {name: reduced(name, size) if name not in _KEPT else size for name, size in sizes.items()}
    return f"{entry}:" + ",".join(f"{name}={written.get(name, value)}" for name, value in settings.items())


def _costliest(outcome: PointOutcome) -> tuple[LayerOutcome, ...]:
    """The layer of most cycles for each operator kind and dataflow, costliest first."""
    layers = [layer for workload in outcome.workloads for layer in workload.layers]
    found: dict[tuple[str, str], LayerOutcome] = {}
    for layer in sorted(layers, key=lambda layer: (-layer.times * layer.cycles, layer.operator)):
        axes = layer.dataflow.partition("_keeps_")[0]
        found.setdefault((layer.operator.partition(":")[0], axes), layer)
    return tuple(found.values())


def _verified(
    layer: LayerOutcome, point: DesignPoint, objective: Objective, simulator: str, cache: Path | None
) -> Verification:
    flow = map_layer(load(layer.operator).nest, point, objective).mapping.plan.dataflow
    operator = reduced_operator(layer.operator, flow)
    nest = load(operator).nest
    sizes = {loop: min(size, nest.extents[loop]) for loop, size in flow.space}
    small = Dataflow.of(nest, sizes, skew=flow.skew, order=flow.order, name=flow.name)
    accelerator = generate(build(nest, small))
    inputs = random_inputs(nest, 0)
    result = simulate(accelerator, nest, inputs, simulator=simulator, cache=cache)
    expected = run(nest, inputs)
    match = np.array_equal(result.outputs, expected, equal_nan=not np.issubdtype(expected.dtype, np.integer))
    return Verification(operator, flow.name, match, result.predicted_cycles, result.simulated_cycles, result.simulator)
