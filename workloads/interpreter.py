"""The definition of what a nest computes, point by point, and a fast form of the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from workloads.affine import Affine, Guard
from workloads.contraction import DEEPEST, Factor, arrays_of, chunks, contract, contraction_order
from workloads.errors import BrickworkError
from workloads.formats import FORMATS
from workloads.formats.exact import rounded_once
from workloads.functional_unit import Arrays, Integers
from workloads.nest import Access, Nest, Tensor
from workloads.wrapping import wrapped, wrapped_array

Array = npt.NDArray[np.generic]
Box = Mapping[str, tuple[int, int]]

# 16 MiB of float64 an array; a contraction holds a handful of them at a time.
MOST_ELEMENTS = DEEPEST


class InputError(BrickworkError):
    """Arrays that do not fit the tensors of a nest or workload; lists every fault."""

    def __init__(self, name: str, faults: tuple[str, ...]) -> None:
        self.name, self.faults = name, faults
        super().__init__("\n".join(f"{name!r}: {fault}" for fault in faults))


def random_inputs(nest: Nest, seed: int) -> dict[str, Array]:
    """Seeded input arrays over the full range of each format, in the order of ``nest.tensors``."""
    rng = np.random.default_rng(seed)
    return {t.name: t.format.random(t.shape, rng) for t in nest.tensors if t.name != nest.output.tensor}


def check_inputs(
    nest: Nest, inputs: Mapping[str, npt.ArrayLike], initial: npt.ArrayLike | None = None
) -> dict[str, Array]:
    """Return the arrays in the dtype of their formats, the output's as well when ``initial`` is given.

    Raises
    ------
    InputError
        A tensor is missing or unknown, or an array has the wrong shape, the wrong kind of numbers, or values outside
        the format; lists every fault.
    """
    expected = [t for t in nest.tensors if t.name != nest.output.tensor]
    given = dict(inputs)
    faults = [
        f"tensor {name!r} is not an input; the inputs are {', '.join(t.name for t in expected)}"
        for name in given
        if name not in {t.name for t in expected}
    ]
    if initial is not None:
        output = nest.tensor(nest.output.tensor)
        expected, given = [*expected, output], {**given, output.name: initial}
    arrays = {}
    for tensor in expected:
        if tensor.name not in given:
            faults.append(f"tensor {tensor.name!r} is missing; expected an array of shape {list(tensor.shape)}")
            continue
        array = np.asarray(given[tensor.name])
        found = tuple(array_faults(tensor, array))
        faults += found
        if not found:
            arrays[tensor.name] = array.astype(tensor.format.dtype)
    if faults:
        raise InputError(nest.name, tuple(faults))
    return arrays


def array_faults(tensor: Tensor, array: Array) -> Iterator[str]:
    """Sentences on everything that keeps ``array`` from being ``tensor``."""
    if array.shape != tensor.shape:
        yield f"tensor {tensor.name!r} has shape {list(tensor.shape)}, but the array has {list(array.shape)}"
    if tensor.format.integer:
        if array.dtype.kind not in "iu":
            yield f"tensor {tensor.name!r} is {tensor.format}; expected an array of integers, not {array.dtype}"
        elif array.size:
            least, most = tensor.format.range
            low, high = int(array.min()), int(array.max())
            if low < least or high > most:
                yield f"tensor {tensor.name!r} is {tensor.format} and holds {least}..{most}, not {low}..{high}"
    elif array.dtype not in (np.float16, np.float32):
        expected = tensor.format.dtype
        yield f"tensor {tensor.name!r} is {tensor.format}; expected an array of {expected}, not {array.dtype}"
    elif not np.isfinite(array).all():
        yield f"tensor {tensor.name!r} has elements that are not finite; expected numbers only"
    elif (strange := array[tensor.format.rounded(array) != array]).size:
        yield f"tensor {tensor.name!r} is {tensor.format}, which has no {strange[0]}; expected numbers rounded to it"


def start_of(nest: Nest) -> Array:
    """The output before any term has reached it: the identity of the reduction."""
    output = nest.tensor(nest.output.tensor)
    value = nest.reduction.identity(output.format.range) if output.format.integer else 0
    return np.full(output.shape, value, output.format.dtype)


def run_points(nest: Nest, inputs: Mapping[str, npt.ArrayLike], initial: npt.ArrayLike | None = None) -> Array:
    """Run every iteration point in loop order: the definition.

    Integer terms wrap in the output's format before they are reduced, and so do sums. Floating point whose terms are
    integers times ``2**-nest.fraction_bits`` sums exactly and rounds once. Other floating point multiplies the factors
    from left to right, then by the coefficient, and accumulates, each operation rounded to fp32; the last sum rounds to
    the output's format. A reduction starts from ``initial``, or from its identity when there is none, and so do
    elements that no point reaches.
    """
    arrays = check_inputs(nest, inputs, initial)
    output = nest.tensor(nest.output.tensor)
    integer, bits = output.format.integer, output.format.bits
    if nest.fraction_bits is not None:
        arrays = _in_steps(nest, arrays)
    result = arrays[output.name].copy() if initial is not None else start_of(nest)
    total: dict[tuple[int, ...], Any] = {}
    for values in product(*(range(loop.extent) for loop in nest.loops)):
        point = dict(zip(nest.loop_names, values, strict=True))
        if not nest.guarded(point):
            continue
        operands = [_element(nest.tensor(a.tensor), arrays[a.tensor], a.element(point)) for a in nest.inputs]
        where = nest.output.element(point)
        if integer:
            value = int(nest.unit.value(Integers(), [int(operand) for operand in operands]))
            term = wrapped(nest.coefficient * value, bits)
            total[where] = nest.reduction.combine(Integers(), int(total.get(where, int(result[where]))), term)
        elif nest.fraction_bits is not None:
            exact = Fraction(nest.coefficient * prod(map(int, operands)), 1 << nest.fraction_bits)
            total[where] = total.get(where, Fraction(float(result[where]))) + exact
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                rounded = np.float32(operands[0])
                for factor in operands[1:]:
                    rounded = rounded * np.float32(factor)
                rounded = rounded * np.float32(nest.coefficient)
                total[where] = np.float32(total.get(where, result[where])) + rounded
    for where, last in total.items():
        if isinstance(last, Fraction):
            assert output.format.encoding is not None
            result[where] = output.format.encoding.rounded_exactly(last)
        else:
            result[where] = wrapped(int(last), bits) if integer else output.format.rounded(last)
    return result


def _in_steps(nest: Nest, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Inputs as integers in the steps of their formats."""
    output = nest.output.tensor
    return {name: a if name == output else nest.tensor(name).format.steps(a) for name, a in arrays.items()}


def _element(tensor: Tensor, array: Array, where: tuple[int, ...]) -> np.generic | int:
    if all(0 <= d < extent for d, extent in zip(where, tensor.shape, strict=True)):
        element: np.generic = array[where]
        return element
    assert tensor.padded, (tensor, where)
    return 0


def run(nest: Nest, inputs: Mapping[str, npt.ArrayLike], initial: npt.ArrayLike | None = None) -> Array:
    """Run the nest with array operations: the same bits as `run_points` wherever sums are exact.

    Other floating point accumulates in fp64 and rounds once. All ways work chunk by chunk, in a few hundred MiB at
    most.
    """
    arrays = check_inputs(nest, inputs, initial)
    start = arrays[nest.output.tensor] if initial is not None else start_of(nest)
    output = nest.tensor(nest.output.tensor).format
    if nest.fraction_bits is None:
        return _contracted(nest, arrays, start)
    if output.integer:
        return _summed(nest, _in_steps(nest, arrays), start)
    if _most(nest) >= 1 << 63:
        return run_points(nest, inputs, initial)
    return _summed_exactly(nest, _in_steps(nest, arrays), start)


def _most(nest: Nest) -> int:
    """No sum of terms is larger in magnitude."""
    return abs(nest.coefficient) * nest.points * prod(nest.tensor(a.tensor).format.most_steps for a in nest.inputs)


def _summed(nest: Nest, arrays: Mapping[str, Array], start: Array) -> Array:
    """Integers, with the linear algebra library where that is exact: modulo 2**32, or while nothing leaves fp64."""
    narrow = nest.tensor(nest.output.tensor).format.bits <= 32 or _most(nest) < 1 << 53
    return _contracted(nest, arrays, start) if nest.contraction and narrow else _reduced(nest, arrays, start)


def _summed_exactly(nest: Nest, arrays: Mapping[str, Array], start: Array) -> Array:
    """Sums in 64 bits, each rounded once."""
    output, fraction_bits = nest.tensor(nest.output.tensor), nest.fraction_bits
    assert output.format.encoding is not None and fraction_bits is not None
    whole = replace(output, format=FORMATS["int64"])
    sums = replace(nest, tensors=tuple(whole if t.name == output.name else t for t in nest.tensors))
    totals = _summed(sums, arrays, start_of(sums))
    result = rounded_once(totals.astype(np.int64), 1.0, fraction_bits, output.format.encoding)
    for where in map(tuple, np.argwhere(start)):
        exact = Fraction(float(start[where])) + Fraction(int(totals[where]), 1 << fraction_bits)
        result[where] = output.format.encoding.rounded_exactly(exact)
    return result


def _contracted(nest: Nest, arrays: Mapping[str, Array], start: Array) -> Array:
    """A sum of products: each input is gathered over its own loops, a guard becomes a factor of zeros and ones."""
    output = nest.tensor(nest.output.tensor)
    integer = output.format.integer
    total = np.zeros(output.elements, np.int64 if integer else np.float64)
    loops = [*(a.loops for a in nest.inputs), *(g.loops for g in nest.guards)]
    # A loop that the output alone depends on still has to appear in a factor.
    loops.append(tuple(n for n in nest.output.loops if not any(n in used for used in loops)))
    kept = nest.output.loops
    order = contraction_order(loops, kept, nest.extents)
    idle = [n for n in nest.loop_names if not any(n in used for used in loops)]
    repeats = nest.coefficient * prod(nest.extents[n] for n in idle)
    used_extents = {n: extent for n, extent in nest.extents.items() if n not in idle}
    for box in chunks(arrays_of(loops, kept, order), used_extents, MOST_ELEMENTS):
        factors = [_gathered(nest.tensor(a.tensor), arrays[a.tensor], a, box, integer) for a in nest.inputs]
        factors += [Factor(g.loops, _mask(g, box).astype(np.float64), 1 if integer else None) for g in nest.guards]
        factors.append(Factor(loops[-1], np.ones(_shape(loops[-1], box)), 1 if integer else None))
        sums = contract(factors, kept, order)
        where, _ = _positions(output, nest.output, box)
        whole = sums.astype(np.int64) * np.int64(wrapped(repeats, 64)) if integer else sums * repeats
        np.add.at(total, where.ravel(), whole.ravel())
    total += start.ravel().astype(total.dtype)
    if integer:
        return (
            wrapped_array(total.astype(np.int64), output.format.bits).astype(output.format.dtype).reshape(output.shape)
        )
    return output.format.rounded(total).reshape(output.shape)


def _reduced(nest: Nest, arrays: Mapping[str, Array], start: Array) -> Array:
    """Any unit and reduction on integers: terms over all loops at once, reduced over those that the output has not.

    64 bits hold what a unit compares; where a product leaves them it wraps, as it does in the output's format anyway.
    """
    output, reduction = nest.tensor(nest.output.tensor), nest.reduction
    bits, identity = output.format.bits, reduction.identity(output.format.range)
    kept = nest.output.loops
    loops = (*kept, *(n for n in nest.loop_names if n not in kept))
    away = tuple(range(len(kept), len(loops)))
    coefficient = np.int64(wrapped(nest.coefficient, 64))
    total = start.ravel().astype(np.int64)
    for box in chunks([loops], nest.extents, MOST_ELEMENTS):
        operands = []
        for access in nest.inputs:
            values, inside = _elements(nest.tensor(access.tensor), arrays[access.tensor], access, box)
            values = values.astype(np.int64) * (1 if inside is None else inside)
            operands.append(_spread(values, access.loops, loops))
        value = np.asarray(nest.unit.value(Arrays(), operands)).astype(np.int64)
        terms = wrapped_array(value * coefficient, bits)
        for guard in nest.guards:
            terms = np.where(_spread(_mask(guard, box), guard.loops, loops), terms, identity)
        terms = np.broadcast_to(terms, _shape(loops, box))
        where, _ = _positions(output, nest.output, box)
        reduction.ufunc.at(total, where.ravel(), reduction.ufunc.reduce(terms, axis=away).ravel())
    return wrapped_array(total, bits).astype(output.format.dtype).reshape(output.shape)


def _spread(values: npt.NDArray[Any], axes: tuple[str, ...], loops: tuple[str, ...]) -> npt.NDArray[Any]:
    """An array with one axis for each of ``axes``, laid out to broadcast over ``loops``."""
    order = sorted(range(len(axes)), key=lambda axis: loops.index(axes[axis]))
    extents = dict(zip(axes, values.shape, strict=True))
    return values.transpose(order).reshape([extents.get(n, 1) for n in loops])


def executed_points(nest: Nest) -> int:
    """Iteration points at which every guard holds."""
    loops = [g.loops for g in nest.guards]
    used = {n: extent for n, extent in nest.extents.items() if any(n in names for names in loops)}
    order = contraction_order(loops, (), used)
    free = nest.points // prod(used.values())
    if not loops:
        return free
    boxes = chunks(arrays_of(loops, (), order), used, MOST_ELEMENTS)
    return free * sum(
        int(contract([Factor(g.loops, _mask(g, box).astype(np.float64), 1) for g in nest.guards], (), order))
        for box in boxes
    )


def _shape(loops: tuple[str, ...], box: Box) -> tuple[int, ...]:
    return tuple(box[n][1] - box[n][0] for n in loops)


def _along(loops: tuple[str, ...], loop: str, box: Box) -> npt.NDArray[np.int64]:
    """The values of ``loop`` in the box, along its own axis."""
    axis = loops.index(loop)
    return np.arange(*box[loop], dtype=np.int64).reshape([-1 if k == axis else 1 for k in range(len(loops))])


def _affine(expression: Affine, loops: tuple[str, ...], box: Box) -> npt.NDArray[np.int64]:
    start = np.full((1,) * len(loops), expression.constant, np.int64)
    return sum((c * _along(loops, n, box) for n, c in expression.terms), start=start)


def _positions(tensor: Tensor, access: Access, box: Box) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_] | None]:
    """Flat element positions over the access's loops, and where they are inside the tensor (None: everywhere)."""
    loops = access.loops
    where = np.zeros(_shape(loops, box), np.int64)
    inside: npt.NDArray[np.bool_] | None = None
    for index, extent in zip(access.index, tensor.shape, strict=True):
        value = _affine(index, loops, box)
        if value.size and (value.min() < 0 or value.max() >= extent):
            fits = (value >= 0) & (value < extent)
            inside = fits if inside is None else inside & fits
            value = np.where(fits, value, 0)
        where *= extent
        where += value
    return where, inside


def _elements(tensor: Tensor, array: Array, access: Access, box: Box) -> tuple[Array, npt.NDArray[np.bool_] | None]:
    """Elements over the access's loops, and where they are inside the tensor (None: everywhere)."""
    where, inside = _positions(tensor, access, box)
    elements: Array = array.ravel()[where]
    return elements, inside


def _gathered(tensor: Tensor, array: Array, access: Access, box: Box, integer: bool) -> Factor:
    elements, inside = _elements(tensor, array, access, box)
    values = elements.astype(np.float64)
    if inside is not None:
        values *= inside
    return Factor(access.loops, values, tensor.format.most_steps if integer else None)


def _mask(guard: Guard, box: Box) -> npt.NDArray[np.bool_]:
    """Where a guard holds, over its loops."""
    loops = guard.loops
    value = _affine(guard.affine, loops, box)
    for division, c in guard.divisions:
        inner = _affine(division.inner, loops, box)
        value = value + c * (inner // division.divisor if division.operator == "//" else inner % division.divisor)
    holds = value >= 0 if guard.relation == ">=" else (value == 0) == (guard.relation == "==")
    return np.broadcast_to(holds, _shape(loops, box))
