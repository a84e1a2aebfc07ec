"""Multiply-accumulates of single torch operators, as entries of the library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

# The operator of the library, and what it is of the module when that has several.
Product = tuple[str, str]
Arguments = Mapping[str, Any]


class NoNestError(Exception):
    """An operator multiplies in a way that no entry of the library has; the text says which."""


def products(operator: str, arguments: Arguments) -> tuple[Product, ...] | None:
    """Layers of one operator after torch's decompositions; None where it has no multiply-accumulates.

    Parameters
    ----------
    operator
        Without namespace and overload, as ``addmm``.
    arguments
        By the names of its schema; tensors need shapes only.

    Raises
    ------
    NoNestError
    """
    if operator.startswith(("scaled_dot_product_", "_scaled_dot_product_")):
        return _attention(arguments)
    build = _PRODUCTS.get(operator)
    return None if build is None else build(arguments)


def _matrix(left: str, right: str) -> Callable[[Arguments], tuple[Product, ...]]:
    def build(arguments: Arguments) -> tuple[Product, ...]:
        a, b = arguments[left].shape, arguments[right].shape
        rows, columns = (a[-2] if len(a) > 1 else 1), (b[-1] if len(b) > 1 else 1)
        return _gemm(a[0] if len(a) == 3 else 1, rows, columns, a[-1])

    return build


def _gemm(batch: int, rows: int, columns: int, depth: int) -> tuple[Product, ...]:
    if not batch * rows * columns * depth:
        return ()
    sizes = f"m={rows},n={columns},k={depth}"
    return ((f"gemm:{sizes}" if batch == 1 else f"batched_gemm:b={batch},{sizes}", ""),)


def _attention(arguments: Arguments) -> tuple[Product, ...]:
    """Dense, as masks save nothing on an array; query heads that share keys are rows of one product."""
    query, key, value = (tuple(arguments[name].shape) for name in ("query", "key", "value"))
    queries, keys, width = query[-2], key[-2], query[-1]
    heads, groups = prod(query[:-2]), prod(key[:-2])
    if heads % groups:
        raise NoNestError(f"{heads} query heads over {groups} key heads")
    causal = ",causal=1" if arguments.get("is_causal") and heads == groups else ""
    sizes = f"h={groups},q={heads // groups * queries},k={keys}"
    return (
        (f"attention_scores:{sizes},d={width}{causal}", "scores"),
        (f"attention_output:{sizes},d={value[-1]}{causal}", "output"),
    )


def _convolution(arguments: Arguments) -> tuple[Product, ...]:
    """A convolution; a transposed one is a product whose results are added where they overlap."""
    given, weight, groups = tuple(arguments["input"].shape), tuple(arguments["weight"].shape), arguments["groups"]
    axes = "dhw"[-(len(given) - 2) :] if len(given) > 3 else "w"
    kernel = weight[2:]
    if arguments["transposed"]:
        return _gemm(groups, given[0] * prod(given[2:]), weight[1] * prod(kernel), weight[0] // groups)
    stride, padding, dilation = (_each(arguments[name], len(axes)) for name in ("stride", "padding", "dilation"))
    sizes = given[2:]
    # The library's windows are alike along all axes, so what a stride or padding has more is written as input.
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    outputs = tuple((s + 2 * p - r) // t + 1 for s, p, r, t in zip(sizes, padding, reach, stride, strict=True))
    steps = {t for t, o in zip(stride, outputs, strict=True) if o > 1} or {stride[0]}
    gaps = {d for d, k in zip(dilation, kernel, strict=True) if k > 1} or {1}
    if len(steps) > 1 or len(gaps) > 1:
        raise NoNestError(f"stride {_by(stride)} and dilation {_by(dilation)} differ between axes")
    step, gap, pad = steps.pop(), gaps.pop(), min(padding)
    if len(set(padding)) > 1:
        sizes = tuple(s + 2 * (p - pad) for s, p in zip(sizes, padding, strict=True))
    settled = tuple((s + 2 * pad - r) // step + 1 for s, r in zip(sizes, reach, strict=True))
    if settled != outputs:
        sizes = tuple((o - 1) * step + r - 2 * pad for o, r in zip(outputs, reach, strict=True))
    if min(sizes) < 1:
        raise NoNestError(f"padding {_by(padding)} is larger than the input")
    window = ",".join(
        (
            *(f"{axis}={size}" for axis, size in zip(axes, sizes, strict=True)),
            *(f"k{axis}={size}" for axis, size in zip(axes, kernel, strict=True)),
            f"stride={step},padding={pad}",
            *((f"dilation={gap}",) if gap > 1 else ()),
        )
    )
    if len(axes) == 2 and groups == given[1] == weight[0] and groups > 1:
        return ((f"depthwise:n={given[0]},c={groups},{window}", ""),)
    grouped = f",groups={groups}" if groups > 1 else ""
    return ((f"conv{len(axes)}d:n={given[0]},oc={weight[0]},ic={given[1]},{window}{grouped}", ""),)


def _each(values: list[int], axes: int) -> tuple[int, ...]:
    return tuple(values) if len(values) == axes else tuple(values) * axes


def _by(values: tuple[int, ...]) -> str:
    return " x ".join(map(str, values))


def _linear(arguments: Arguments) -> tuple[Product, ...]:
    given, weight = arguments["input"].shape, arguments["weight"].shape
    return _gemm(1, prod(given[:-1]), weight[0] if len(weight) > 1 else 1, given[-1])


_PRODUCTS: dict[str, Callable[[Arguments], tuple[Product, ...]]] = {
    "linear": _linear,
    "mm": _matrix("self", "mat2"),
    "addmm": _matrix("mat1", "mat2"),
    "_addmm_activation": _matrix("mat1", "mat2"),
    "bmm": _matrix("self", "mat2"),
    "baddbmm": _matrix("batch1", "batch2"),
    "mv": _matrix("self", "vec"),
    "addmv": _matrix("mat", "vec"),
    "dot": _matrix("self", "tensor"),
    "_int_mm": _matrix("self", "mat2"),
    "_scaled_mm": _matrix("self", "mat2"),
    "convolution": _convolution,
}
