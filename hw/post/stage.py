"""Stages that a design's results pass after a run, before the host reads them; quantizers are the first kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from dataflow.architecture import Plan
from workloads.errors import BrickworkError
from workloads.formats import BLOCK_FORMATS, BlockFormat
from workloads.nest import Nest

# Elements of four bits; those of eight pass a tensor on as they are.
OUTPUT_FORMATS = tuple(name for name, made in BLOCK_FORMATS.items() if made.element.bits == 4)


class PostError(BrickworkError):
    """A stage that is not known or that a design cannot have; lists every reason."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


@dataclass(frozen=True, slots=True)
class Quantize:
    """Blocks along the output's last dimension become codes and scales.

    Attributes
    ----------
    quantizers : int or None
        How many work at the same time; one for each group of output banks when left out.
    """

    made: BlockFormat
    quantizers: int | None = None


def quantize_to(name: str, quantizers: int | None = None) -> Quantize:
    """The stage that quantizes to a format.

    Raises
    ------
    PostError
        No quantizer makes this format.
    """
    if name not in OUTPUT_FORMATS:
        known = name in BLOCK_FORMATS
        what = "has no quantizer in hardware" if known else "is not known"
        raise PostError((f"output format {name!r} {what}; expected one of {', '.join(OUTPUT_FORMATS)}",))
    return Quantize(BLOCK_FORMATS[name], quantizers)


def design_faults(plans: tuple[Plan, ...], stage: Quantize) -> Iterator[str]:
    """Sentences on what keeps a design from having the stage."""
    if len(plans) > 1:
        names = ", ".join(plan.dataflow.name for plan in plans)
        yield f"output format {str(stage.made)!r}: the design has the dataflows {names}; expected a single one"
        return
    (plan,) = plans
    faults = tuple(nest_faults(plan.nest, stage))
    yield from faults
    if faults:
        return
    groups = prod(plan.drain.banking.counts[:-1])
    if stage.quantizers is not None and (stage.quantizers < 1 or groups % stage.quantizers):
        yield f"{stage.quantizers} quantizers: expected a divisor of the {groups} groups of output banks"
    made, (loop,) = stage.made, plan.nest.output.index[-1].loops
    for name, size in dict.fromkeys((*plan.dataflow.tile, *plan.limits)):
        if name == loop and size % made.block:
            held = "holds" if (name, size) in plan.dataflow.tile else "is generated for"
            yield (
                f"dataflow {plan.dataflow.name!r} {held} {size} of loop {loop!r} in a run; expected a multiple of the "
                f"block of {made}, {made.block}, so that no block lies in two runs"
            )


def nest_faults(nest: Nest, stage: Quantize) -> Iterator[str]:
    """Sentences on what keeps a nest's output from being quantized."""
    output, made = nest.tensor(nest.output.tensor), stage.made
    if not all(len(index.terms) == 1 and str(index) == index.loops[0] for index in nest.output.index) or not nest.dense:
        yield (
            f"output format {str(made)!r}: nest {nest.name!r} writes {nest.output}; expected indices that are loops, "
            "each another one"
        )
        return
    reached = tuple(nest.extents[index.loops[0]] for index in nest.output.index)
    if output.shape != reached:
        yield (
            f"output format {str(made)!r}: tensor {output.name!r} has shape {list(output.shape)}, of which nest "
            f"{nest.name!r} writes {list(reached)}; expected all of it"
        )
    if reached[-1] % made.block:
        yield (
            f"output format {str(made)!r}: tensor {output.name!r} has {reached[-1]} elements along its last dimension; "
            f"expected a multiple of the block, {made.block}"
        )
