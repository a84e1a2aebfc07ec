"""Formats that functional units exist for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dataflow.architecture import Plan
from hw.units.float_multiply import significand_bits
from workloads.errors import BrickworkError
from workloads.formats import FORMATS, Format
from workloads.nest import Nest


class UnsupportedError(BrickworkError):
    """A nest that the hardware generator has no functional unit for."""


def unsupported_formats(nest: Nest) -> Iterator[str]:
    """A sentence on each tensor whose format no functional unit takes, with those that one does."""
    for tensor in nest.tensors:
        output = tensor.name == nest.output.tensor
        known = [name for name, held in FORMATS.items() if _has_unit(held, nest, output=output)]
        if str(tensor.format) not in known:
            yield (
                f"tensor {tensor.name!r} has format {tensor.format}, but functional units exist for "
                f"{', '.join(known)} {'outputs' if output else 'inputs'} only"
            )


def unshared_formats(plans: Sequence[Plan]) -> Iterator[str]:
    """A sentence on each dataflow that cannot share an array with the first one because of floating point."""
    first = _formats(plans[0].nest)
    for plan in plans[1:]:
        formats = _formats(plan.nest)
        if formats != first and (plan.nest.floating or plans[0].nest.floating):
            yield (
                f"dataflow {plan.dataflow.name!r} has formats {', '.join(formats)}, but {plans[0].dataflow.name!r} has "
                f"{', '.join(first)}; in floating point, dataflows share an array only where all formats are the same"
            )


def _formats(nest: Nest) -> tuple[str, ...]:
    return tuple(str(nest.tensor(access.tensor).format) for access in nest.accesses)


def _has_unit(held: Format, nest: Nest, *, output: bool) -> bool:
    if output:
        return held.integer or held == FORMATS["fp32"]
    if nest.floating:
        # An integer that fp32 does not hold would round before it is multiplied.
        return significand_bits(held) <= significand_bits(FORMATS["fp32"])
    return held.integer or held.fraction_bits is not None
