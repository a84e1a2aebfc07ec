"""The cases that ``brickwork bench`` runs: nests in the layouts that GPUs like, with the stock operator beside each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workloads.nest import Nest
from workloads.spec import parse


@dataclass(frozen=True, slots=True)
class Case:
    """One measured nest.

    Attributes
    ----------
    dtype : str
        Torch type of the inputs.
    peer : str
        The stock operator measured beside it.
    """

    name: str
    nest: Nest
    dtype: str
    peer: str


def _nest(name: str, loops: str, body: str, shapes: str = "", padded: str = "") -> Nest:
    lines = [f"name: {name}", f"loops: {{{loops}}}", f"body: {body}"]
    inputs = sorted(set(re.findall(r"(\w+)\[", body)))
    lines.append(f"formats: {{{', '.join(f'{tensor}: fp32' for tensor in inputs)}}}")
    if shapes:
        lines += [f"shapes: {{{shapes}}}", f"padding: {{{padded}: 0}}"]
    return parse("\n".join(lines) + "\n").nest


def gemm(m: int, n: int, k: int, *, columns: bool = False) -> Nest:
    """``C = A B``, row-major, or with B stored by columns."""
    right = "B[n, k]" if columns else "B[k, n]"
    return _nest("gemm", f"m: {m}, n: {n}, k: {k}", f"C[m, n] += A[m, k] * {right}")


def conv(n: int, c: int, k: int, size: int, r: int, stride: int = 1) -> Nest:
    """A convolution with channels last and 'same' padding."""
    pad, out = r // 2, (size + stride - 1) // stride
    row, column = (
        f"{f'{stride} * ' if stride > 1 else ''}{o} + {w}{f' - {pad}' if pad else ''}"
        for o, w in (("oh", "kh"), ("ow", "kw"))
    )
    return _nest(
        "conv",
        f"n: {n}, oh: {out}, ow: {out}, oc: {k}, kh: {r}, kw: {r}, ic: {c}",
        f"O[n, oh, ow, oc] += I[n, {row}, {column}, ic] * W[oc, kh, kw, ic]",
        f"I: [{n}, {size}, {size}, {c}]",
        "I",
    )


def depthwise(n: int, c: int, size: int) -> Nest:
    """A 3x3 depthwise convolution with channels last."""
    return _nest(
        "depthwise",
        f"n: {n}, oh: {size}, ow: {size}, c: {c}, kh: 3, kw: 3",
        "O[n, oh, ow, c] += I[n, oh + kh - 1, ow + kw - 1, c] * W[kh, kw, c]",
        f"I: [{n}, {size}, {size}, {c}]",
        "I",
    )


def cases() -> tuple[Case, ...]:
    """Every case, in the order in which they run."""
    return (
        Case("gemm-4096-bf16", gemm(4096, 4096, 4096), "bfloat16", "cublas"),
        Case("gemm-4096-fp16", gemm(4096, 4096, 4096), "float16", "cublas"),
        Case("gemm-4096-int8", gemm(4096, 4096, 4096), "int8", "cublas"),
        Case("gemm-4096-int8-columns", gemm(4096, 4096, 4096, columns=True), "int8", "cublas"),
        Case("gemm-128-bf16", gemm(128, 128, 128), "bfloat16", "cublas"),
        Case("gemm-4608x12288x3072-bf16", gemm(4608, 12288, 3072), "bfloat16", "cublas"),
        Case("conv3x3-64ch-56-n32-bf16", conv(32, 64, 64, 56, 3), "bfloat16", "cudnn"),
        Case("conv3x3-128ch-256-n4-bf16", conv(4, 128, 128, 256, 3), "bfloat16", "cudnn"),
        Case("conv3x3-512ch-128-n1-bf16", conv(1, 512, 512, 128, 3), "bfloat16", "cudnn"),
        Case("conv1x1-1024to2048-64-n4-bf16", conv(4, 1024, 2048, 64, 1), "bfloat16", "cudnn"),
        Case("conv3x3s2-256to512-64-n8-bf16", conv(8, 256, 512, 64, 3, 2), "bfloat16", "cudnn"),
        Case("depthwise3x3-4096ch-64-n1-bf16", depthwise(1, 4096, 64), "bfloat16", "cudnn"),
    )


def peer(torch: Any, case: Case, tensors: dict[str, Any]) -> Callable[[], Any]:
    """The stock operator on the same tensors, in the storage it likes best; its result has the nest's layout."""
    if case.nest.name == "gemm":
        a, b = tensors["A"], tensors["B"]
        if case.nest.inputs[1].index[0].loops == ("n",):
            b = b.t()
        if case.dtype != "int8":
            return lambda: torch.matmul(a, b)
        # cuBLAS multiplies int8 fastest with the right operand stored by columns.
        b = b.t().contiguous().t()
        return lambda: torch._int_mm(a, b)
    data = tensors["I"].permute(0, 3, 1, 2)
    pad = -case.nest.inputs[0].index[1].constant
    stride = case.nest.inputs[0].index[1].coefficient("oh")
    conv = torch.nn.functional.conv2d
    if case.nest.name == "depthwise":
        weight = tensors["W"].permute(2, 0, 1).unsqueeze(1)
        return lambda: conv(data, weight, padding=pad, groups=weight.shape[0]).permute(0, 2, 3, 1)
    weight = tensors["W"].permute(0, 3, 1, 2)
    return lambda: conv(data, weight, padding=pad, stride=stride).permute(0, 2, 3, 1)
