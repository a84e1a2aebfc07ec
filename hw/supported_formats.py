"""Formats that functional units exist for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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
    """A sentence on each dataflow whose sums are floating point where the first one's are integers, or otherwise."""
    first = plans[0]
    for plan in plans[1:]:
        if plan.nest.floating != first.nest.floating:
            yield (
                f"dataflow {plan.dataflow.name!r} has sums in {_sums(plan)}, but {first.dataflow.name!r} has them in "
                f"{_sums(first)}; floating point shares no array with integers"
            )


def _sums(plan: Plan) -> str:
    return str(plan.nest.tensor(plan.nest.output.tensor).format)


def slot_formats(plans: Sequence[Plan]) -> dict[int, Format]:
    """For each operand slot of floating-point dataflows the format that its multiplier takes.

    It is that of the operands where they all agree, else bf16 if that holds every number of theirs, else fp32.
    """
    found: dict[int, dict[Format, None]] = {}
    for plan in plans:
        if plan.nest.floating:
            for feed in plan.feeds:
                found.setdefault(feed.slot, {})[plan.nest.tensor(feed.access.tensor).format] = None
    return {slot: next(iter(held)) if len(held) == 1 else _container(held) for slot, held in found.items()}


def _container(formats: Iterable[Format]) -> Format:
    bf16, fp32 = FORMATS["bf16"], FORMATS["fp32"]
    assert bf16.encoding is not None
    return bf16 if all(held == bf16 or _in_bf16(held) for held in formats) else fp32


def _in_bf16(held: Format) -> bool:
    """True if bf16 holds every number of a format; its exponents are those of fp32."""
    bf16 = FORMATS["bf16"]
    # An integer's most negative number is a power of two, and all others have a bit less.
    bits = held.bits - 1 if held.integer else significand_bits(held)
    return bits <= significand_bits(bf16) and (held.integer or (held.encoding is not None and held.bits <= bf16.bits))


def _has_unit(held: Format, nest: Nest, *, output: bool) -> bool:
    if output:
        return held.integer or held == FORMATS["fp32"]
    if nest.floating:
        # An integer that fp32 does not hold would round before it is multiplied.
        return significand_bits(held) <= significand_bits(FORMATS["fp32"])
    return held.integer or held.fraction_bits is not None
