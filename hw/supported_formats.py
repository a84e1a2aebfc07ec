"""Formats that functional units exist for."""

from __future__ import annotations

from collections.abc import Iterator

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


def _has_unit(held: Format, nest: Nest, *, output: bool) -> bool:
    if output:
        return held.integer or held == FORMATS["fp32"]
    if nest.floating:
        # An integer that fp32 does not hold would round before it is multiplied.
        return significand_bits(held) <= significand_bits(FORMATS["fp32"])
    return held.integer or held.fraction_bits is not None
