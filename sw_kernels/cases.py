"""The cases that ``brickwork bench`` runs: nests in the layouts that GPUs like, with the stock operator beside each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workloads.nest import Nest
from workloads.spec import parse

FORMATS = {"bfloat16": "bf16", "float16": "fp16", "int8": "int8"}


@dataclass(frozen=True, slots=True)
class Case:
    """One measured nest.

    Attributes
    ----------
    dtype : str
        Torch type of the inputs.
    peer : str
        The stock operator measured beside it; ends with its format where that is another one.
    operator : str or None
        The same operator in the library's words, without a format; tensors may lie in memory in another order.
    """

    name: str
    nest: Nest
    dtype: str
    peer: str
    operator: str | None = None

    @property
    def format(self) -> str:
        """The library's name of the inputs' format."""
        return FORMATS[self.dtype]


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


def attention(heads: int, queries: int, keys: int, d: int, *, scores: bool) -> Nest:
    """One of the two products of attention, heads outermost."""
    if scores:
        return _nest(
            "attention_scores", f"h: {heads}, q: {queries}, k: {keys}, d: {d}", "S[h, q, k] += Q[h, q, d] * K[h, k, d]"
        )
    return _nest(
        "attention_output", f"h: {heads}, q: {queries}, d: {d}, k: {keys}", "O[h, q, d] += P[h, q, k] * V[h, k, d]"
    )


def _gemm_case(label: str, m: int, n: int, k: int, *types: str) -> tuple[Case, ...]:
    operator = f"gemm:m={m},n={n},k={k}"
    return tuple(Case(f"{label}-{FORMATS[t]}", gemm(m, n, k), t, "cublas", operator) for t in types)


def _conv_case(label: str, n: int, c: int, k: int, size: int, r: int, stride: int, *types: str) -> tuple[Case, ...]:
    """In cuDNN as torch has it, convolutions of integers are missing; bf16 is measured beside them."""
    operator = f"conv2d:n={n},oc={k},ic={c},h={size},w={size},kh={r},kw={r},stride={stride},padding={r // 2}"
    nest = conv(n, c, k, size, r, stride)
    return tuple(
        Case(f"{label}-{FORMATS[t]}", nest, t, "cudnn bf16" if t == "int8" else "cudnn", operator) for t in types
    )


def _depthwise_case(label: str, n: int, c: int, size: int, *types: str) -> tuple[Case, ...]:
    operator = f"depthwise:n={n},c={c},h={size},w={size},kh=3,kw=3,stride=1,padding=1"
    return tuple(
        Case(f"{label}-{FORMATS[t]}", depthwise(n, c, size), t, "cudnn bf16" if t == "int8" else "cudnn", operator)
        for t in types
    )


def _attention_case(label: str, heads: int, rows: int, d: int, scores: bool, *types: str) -> tuple[Case, ...]:
    operator = f"attention_{'scores' if scores else 'output'}:h={heads},q={rows},k={rows},d={d}"
    nest = attention(heads, rows, rows, d, scores=scores)
    return tuple(
        Case(f"{label}-{FORMATS[t]}", nest, t, "cublas bf16" if t == "int8" else "cublas", operator) for t in types
    )


BOTH = ("bfloat16", "int8")


def cases() -> tuple[Case, ...]:
    """Every case, in the order in which they run: large operators, then layers of networks in the library's words."""
    return (
        *_gemm_case("gemm-4096", 4096, 4096, 4096, "bfloat16", "float16", "int8"),
        Case("gemm-4096-int8-columns", gemm(4096, 4096, 4096, columns=True), "int8", "cublas"),
        *_gemm_case("gemm-128", 128, 128, 128, "bfloat16"),
        *_gemm_case("gemm-4608x12288x3072", 4608, 12288, 3072, "bfloat16"),
        *_conv_case("conv3x3-64ch-56-n32", 32, 64, 64, 56, 3, 1, *BOTH),
        *_conv_case("conv3x3-128ch-256-n4", 4, 128, 128, 256, 3, 1, "bfloat16"),
        # A convolution of DC-AE's decoder.
        *_conv_case("conv3x3-512ch-128-n1", 1, 512, 512, 128, 3, 1, *BOTH),
        *_conv_case("conv1x1-1024to2048-64-n4", 4, 1024, 2048, 64, 1, 1, "bfloat16"),
        *_conv_case("conv3x3s2-256to512-64-n8", 8, 256, 512, 64, 3, 2, "bfloat16"),
        *_depthwise_case("depthwise3x3-4096ch-64-n1", 1, 4096, 64, "bfloat16"),
        *_conv_case("resnet50-conv1", 1, 3, 64, 224, 7, 2, "bfloat16"),
        *_conv_case("resnet50-conv2_x.b", 1, 64, 64, 56, 3, 1, *BOTH),
        *_conv_case("resnet50-conv2_x.c", 1, 64, 256, 56, 1, 1, *BOTH),
        *_conv_case("resnet50-conv4_x.b", 1, 256, 256, 14, 3, 1, *BOTH),
        *_conv_case("resnet50-conv5_x.b", 1, 512, 512, 7, 3, 1, *BOTH),
        *_conv_case("resnet50-conv5_x.c", 1, 512, 2048, 7, 1, 1, *BOTH),
        *_depthwise_case("mobilenet_v2-stage1.1", 1, 144, 56, *BOTH),
        *_depthwise_case("mobilenet_v2-stage6.0", 1, 960, 7, *BOTH),
        *_gemm_case("bert_base-mlp.up", 128, 3072, 768, *BOTH),
        *_gemm_case("gpt2-query_key_value", 1024, 2304, 768, *BOTH),
        *_gemm_case("gpt2-mlp.up", 1024, 3072, 768, *BOTH),
        *_attention_case("gpt2-attention.scores", 12, 1024, 64, True, *BOTH),
        *_attention_case("gpt2-attention.output", 12, 1024, 64, False, *BOTH),
    )


def peer(torch: Any, case: Case, tensors: dict[str, Any]) -> Callable[[], Any]:
    """The stock operator on the same tensors, in the storage it likes best; its result has the nest's layout."""
    if case.peer.endswith(" bf16"):
        tensors = {
            name: value.to(torch.bfloat16) if value.dtype == torch.int8 else value for name, value in tensors.items()
        }
    if case.nest.name == "attention_scores":
        return lambda: torch.matmul(tensors["Q"], tensors["K"].transpose(1, 2))
    if case.nest.name == "attention_output":
        return lambda: torch.matmul(tensors["P"], tensors["V"])
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
