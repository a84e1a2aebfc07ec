"""Matrices whose quantization has something to go wrong: ties, ends of the formats, zeros of either sign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl

from sw_kernels.nvfp4.matrix import Nvfp4Matrix
from sw_kernels.nvfp4.quantize.kernel import e2m1_code, e4m3_code, e4m3_value
from sw_kernels.nvfp4.quantize.launch import Narrowing, largest_magnitude, quantize
from sw_kernels.nvfp4.quantize.naive import narrow_naively, quantize_naively
from workloads.formats.encoding import E2M1, E4M3, Encoding
from workloads.formats.packing import pack


@dataclass(frozen=True)
class Case:
    id: str
    make: Callable[[], torch.Tensor]
    smooth: bool = False
    rank: int = 0
    apart: int = 0


def normal(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns)


def whole(rows: int, columns: int) -> torch.Tensor:
    """Small whole numbers: many ties."""
    return torch.randint(-8, 9, (rows, columns)).float()


def wide(rows: int, columns: int) -> torch.Tensor:
    """Blocks from beyond the largest scale down to ones whose scale is subnormal or zero."""
    power = torch.linspace(4, -18, columns // 16).repeat_interleave(16)
    return torch.randn(rows, columns) * torch.exp2(power)


def zeros(rows: int, columns: int) -> torch.Tensor:
    x = torch.randn(rows, columns)
    x[:, 16:48] = 0
    x[:, 32:48] = -0.0
    x[1] = -0.0
    return x


CASES = [
    Case("one-block", lambda: normal(1, 16)),
    Case("odd-rows-and-tail", lambda: normal(19, 272)),
    Case("ties", lambda: whole(17, 512)),
    Case("wide", lambda: wide(5, 640)),
    Case("zeros", lambda: zeros(3, 80)),
    Case("all-zero", lambda: torch.zeros(2, 32)),
    Case("rows-apart", lambda: normal(3, 64), apart=5),
    Case("smooth", lambda: normal(18, 304), smooth=True),
    Case("low-rank", lambda: normal(18, 528), rank=16),
    Case("smooth-and-low-rank", lambda: wide(5, 272), smooth=True, rank=32),
]


def compared(case: Case, dtype: torch.dtype) -> dict[str, Any]:
    torch.manual_seed(4)
    x = case.make().to(dtype)
    rows, columns = x.shape
    x = torch.nn.functional.pad(x, (0, case.apart), value=1e4)[:, :columns]
    smooth = torch.exp2(torch.randn(columns)).to(dtype) if case.smooth else None
    amax = torch.full((1,), float("nan"))
    out = Nvfp4Matrix.empty(rows, columns, "cpu")
    out.codes.fill_(0x5A)
    out.scales.fill_(0x7F)
    out.tensor_scale.fill_(float("nan"))
    narrowing = None
    if case.rank:
        narrow = torch.full((rows, case.rank), float("nan"), dtype=dtype)
        narrowing = Narrowing(torch.randn(case.rank, columns).to(dtype), narrow)
    largest_magnitude(x, amax, smooth)
    quantize(x, amax, out, smooth=smooth, narrowing=narrowing)
    expected = quantize_naively(x, smooth)
    codes, scales = (torch.from_numpy(each) for each in pack(expected))
    row: dict[str, Any] = {
        "codes": int((out.codes != codes).sum()),
        "scales": int((out.scales != scales).sum()),
        "tensor_scale": out.tensor_scale.item() == float(expected.tensor_scale),
        "scale_codes": len(set(scales.flatten().tolist())),
    }
    if narrowing:
        reference = narrow_naively(x, narrowing.down)
        row["narrow"] = ((narrowing.narrow.double() - reference).norm() / reference.norm()).item()
    return row


@triton.jit
def rounded(values, scale_codes, scale_values, element_codes, BLOCK: tl.constexpr):
    where = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(values + where)
    code = e4m3_code(tl.minimum(tl.abs(value), 448.0))
    tl.store(scale_codes + where, code)
    tl.store(scale_values + where, e4m3_value(code))
    tl.store(element_codes + where, e2m1_code(value))


def _corners(encoding: Encoding) -> np.ndarray:
    """Numbers of the format, the ties between them, and the fp32 numbers on either side of each."""
    numbers = encoding.decode(np.arange(encoding.most_code + 1)).astype(np.float32)
    at = np.concatenate([numbers, (numbers[1:] + numbers[:-1]) / 2, [np.float32(1e30), np.float32(1e-40)]])
    at = at.astype(np.float32)
    return np.concatenate([at, np.nextafter(at, np.float32(np.inf)), np.nextafter(at, np.float32(0))])


def corners() -> dict[str, Any]:
    """How many of all roundings that differ from the formats' own there are."""
    values = np.concatenate([_corners(E4M3), _corners(E2M1)])
    values = np.concatenate([values, -values])
    values = np.pad(values, (0, -len(values) % 64))
    found = [torch.full(values.shape, -1, dtype=kind) for kind in (torch.int32, torch.float32, torch.int32)]
    rounded[(len(values) // 64,)](torch.from_numpy(values), *found, BLOCK=64)
    scale = np.minimum(np.abs(values), np.float32(448))
    return {
        "tried": len(values),
        "scale_codes": int((found[0].numpy() != E4M3.encode(scale)).sum()),
        "scale_values": int((found[1].numpy() != E4M3.rounded(scale)).sum()),
        "element_codes": int((found[2].numpy() != E2M1.encode(values)).sum()),
    }
