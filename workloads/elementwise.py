"""Elementwise steps between nests, and what they compute bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workloads.formats import FORMATS, Format
from workloads.formats.exact import rounded_once
from workloads.nest import Tensor
from workloads.wrapping import wrapped_array

Array = npt.NDArray[np.generic]
PARAMETERS = ("factor", "axis", "format")

# What `requantized` holds in 64 bits.
_INTEGERS = tuple(name for name, f in FORMATS.items() if f.integer and f.bits <= 32)
_FLOATS = tuple(name for name, f in FORMATS.items() if not f.integer)


@dataclass(frozen=True)
class Elementwise:
    """One elementwise step.

    Attributes
    ----------
    operation : str
        A key of `OPERATIONS`.
    inputs : tuple of str
        Names of tensors.
    output : str
    factor : float or None
        For ``scale``, ``requantize`` and ``rescale``; rounded to fp32.
    axis : int or None
        For ``softmax``; negative counts from the last.
    format : str or None
        For ``requantize`` an integer format, for ``rescale`` a floating-point one.
    """

    name: str
    operation: str
    inputs: tuple[str, ...]
    output: str
    factor: float | None = None
    axis: int | None = None
    format: str | None = None

    def __post_init__(self) -> None:
        if self.factor is not None:
            with np.errstate(over="ignore"):
                object.__setattr__(self, "factor", float(np.float32(self.factor)))

    def __str__(self) -> str:
        parts = [f"name: {self.name}", f"operation: {self.operation}"]
        parts += [f"inputs: [{', '.join(self.inputs)}]", f"output: {self.output}"]
        if self.factor is not None:
            parts.append(f"factor: {np.float32(self.factor)!s}")
        if self.axis is not None:
            parts.append(f"axis: {self.axis}")
        if self.format is not None:
            parts.append(f"format: {self.format}")
        return f"{{{', '.join(parts)}}}"


@dataclass(frozen=True)
class Operation:
    """A kind of elementwise step.

    Attributes
    ----------
    parameters : tuple of str
        The fields of `Elementwise` that it needs; it takes no others.
    meaning : str
        One line, exact.
    apply : callable
        (step, arrays, output tensor) -> array in the output's dtype.
    """

    arity: int
    parameters: tuple[str, ...]
    meaning: str
    apply: Callable[[Elementwise, list[Array], Tensor], Array]


def form_faults(step: Elementwise) -> Iterator[str]:
    """Sentences on what is wrong with the step by itself."""
    operation = OPERATIONS.get(step.operation)
    if operation is None:
        yield f"operation {step.operation!r} is not known; expected one of {', '.join(OPERATIONS)}"
        return
    if len(step.inputs) != operation.arity:
        expected = "one input" if operation.arity == 1 else f"{operation.arity} inputs"
        yield f"{step.operation} takes {expected}, not {len(step.inputs)}"
    for parameter in PARAMETERS:
        given = getattr(step, parameter) is not None
        if given and parameter not in operation.parameters:
            yield f"{step.operation} takes no {parameter!r}"
        elif not given and parameter in operation.parameters:
            yield f"{step.operation} needs {parameter!r}"
    if step.factor is not None and not (np.isfinite(step.factor) and step.factor > 0):
        yield f"the factor must be a positive number that fp32 holds, not {step.factor}"
    if step.format is not None and step.operation == "requantize" and step.format not in _INTEGERS:
        yield f"the format must be an integer one, {', '.join(_INTEGERS)}, not {step.format!r}"
    if step.format is not None and step.operation == "rescale" and step.format not in _FLOATS:
        yield f"the format must be a floating-point one, {', '.join(_FLOATS)}, not {step.format!r}"


def output_faults(step: Elementwise, tensors: tuple[Tensor, ...]) -> Iterator[str]:
    """Sentences on what keeps a step of good form from taking these tensors."""
    first = tensors[0]
    for other in tensors[1:]:
        if other.shape != first.shape:
            yield (
                f"{step.operation} takes tensors of one shape, "
                f"but {first.name!r} is {list(first.shape)} and {other.name!r} is {list(other.shape)}"
            )
        if other.format != first.format:
            yield (
                f"{step.operation} takes tensors of one format, "
                f"but {first.name!r} is {first.format} and {other.name!r} is {other.format}"
            )
    if step.operation == "softmax" and first.format.integer:
        yield f"softmax takes floating point, but {first.name!r} is {first.format}; expected a 'scale' before it"
    if step.operation == "requantize" and first.format.integer and first.format.name not in _INTEGERS:
        yield f"requantize takes at most 32 bits, but {first.name!r} is {first.format}"
    if step.axis is not None and not -len(first.shape) <= step.axis < len(first.shape):
        rank = len(first.shape)
        yield f"axis {step.axis} is not one of {first.name!r}, whose axes are {-rank}..{rank - 1}"


def output_tensor(step: Elementwise, tensors: tuple[Tensor, ...]) -> Tensor:
    """The tensor that the step makes of these."""
    number_format: Format = tensors[0].format
    if step.format is not None:
        number_format = FORMATS[step.format]
    elif step.operation == "scale":
        number_format = FORMATS["fp32"]
    return Tensor(step.output, number_format, tensors[0].shape)


def apply(step: Elementwise, arrays: Mapping[str, Array], output: Tensor) -> Array:
    """Run a step of good form on arrays in the dtypes of their formats; fp32 results round on to a smaller format."""
    result = OPERATIONS[step.operation].apply(step, [arrays[name] for name in step.inputs], output)
    if not output.format.integer and output.format.bits < 32:
        result = output.format.rounded(result)
    assert (result.dtype, result.shape) == (output.format.dtype, output.shape), (step, result.dtype, result.shape)
    return result


def requantized(values: Array, factor: float, result: Format) -> Array:
    """``values * factor``, exact, then rounded to nearest even and saturated.

    ``factor`` is an fp32 number, ``m * 2**e`` with a 24-bit ``m``, so the product with an element of at most 32 bits
    fits into 64.
    """
    least, most = result.range
    if values.dtype.kind == "f":
        # 24 bits times 24 bits is exact in the 53 of fp64, and rint rounds to even.
        return np.clip(np.rint(values.astype(np.float64) * factor), least, most).astype(result.dtype)
    fraction, exponent = np.frexp(np.float64(factor))
    product = values.astype(np.int64) * np.int64(fraction * (1 << 24))
    shift = 24 - int(exponent)
    if shift <= 0:
        # Beyond 2**40 everything saturates, so neither clip changes a result.
        rounded = np.clip(product, -(1 << 40), 1 << 40) << min(-shift, 22)
    elif shift > 62:
        rounded = np.zeros_like(product)
    else:
        floor = product >> shift
        rest, half = product - (floor << shift), 1 << (shift - 1)
        rounded = floor + ((rest > half) | ((rest == half) & (floor & 1 == 1)))
    saturated: Array = np.clip(rounded, least, most).astype(result.dtype)
    return saturated


def _relu(step: Elementwise, arrays: list[Array], output: Tensor) -> Array:
    positive: Array = np.maximum(arrays[0], output.format.dtype.type(0))
    return positive


def _add(step: Elementwise, arrays: list[Array], output: Tensor) -> Array:
    return _arithmetic(np.add, arrays, output)


def _mul(step: Elementwise, arrays: list[Array], output: Tensor) -> Array:
    return _arithmetic(np.multiply, arrays, output)


def _arithmetic(operation: np.ufunc, arrays: list[Array], output: Tensor) -> Array:
    if output.format.integer:
        exact = operation(*(a.astype(np.int64) for a in arrays))
        return wrapped_array(exact, output.format.bits).astype(output.format.dtype)
    with np.errstate(over="ignore"):
        result: Array = operation(*(a.astype(np.float32) for a in arrays))
    return result


def _scale(step: Elementwise, arrays: list[Array], output: Tensor) -> Array:
    assert step.factor is not None
    with np.errstate(over="ignore"):
        return np.multiply(arrays[0].astype(np.float32), np.float32(step.factor))


def _softmax(step: Elementwise, arrays: list[Array], output: Tensor) -> Array:
    values = arrays[0].astype(np.float64)
    powers = np.exp(values - values.max(axis=step.axis, keepdims=True))
    result: Array = (powers / powers.sum(axis=step.axis, keepdims=True)).astype(np.float32)
    return result


def _requantize(step: Elementwise, arrays: list[Array], output: Tensor) -> Array:
    assert step.factor is not None
    return requantized(arrays[0], step.factor, output.format)


def _rescale(step: Elementwise, arrays: list[Array], output: Tensor) -> Array:
    encoding = output.format.encoding
    assert step.factor is not None and encoding is not None
    if arrays[0].dtype.kind == "i":
        return rounded_once(arrays[0].astype(np.int64), step.factor, 0, encoding)
    # 24 bits times 24 bits is exact in the 53 of fp64.
    return output.format.rounded(arrays[0].astype(np.float64) * step.factor)


OPERATIONS: dict[str, Operation] = {
    "relu": Operation(1, (), "max(x, 0)", _relu),
    "add": Operation(2, (), "a + b; integers wrap, fp32 rounds", _add),
    "mul": Operation(2, (), "a * b; integers wrap, fp32 rounds", _mul),
    "scale": Operation(1, ("factor",), "fp32(x) * factor in fp32", _scale),
    "softmax": Operation(1, ("axis",), "exp(x - max) / sum along the axis, in fp64, rounded once to fp32", _softmax),
    "requantize": Operation(
        1, ("factor", "format"), "x * factor exactly, rounded to nearest even, saturated in the format", _requantize
    ),
    "rescale": Operation(1, ("factor", "format"), "x * factor exactly, rounded once in the format", _rescale),
}
