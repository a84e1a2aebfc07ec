"""Products of NVFP4 matrices whose sums need every digit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl

from sw_kernels.nvfp4.matrix import Nvfp4Matrix
from sw_kernels.nvfp4.product.digits import ALL, Digits, digits_of
from sw_kernels.nvfp4.product.kernel import scaled_once, store_rounded
from sw_kernels.nvfp4.product.launch import Branch, Tiles, exact_product, wide_product
from sw_kernels.nvfp4.product.naive import branched_product_naively, product_naively
from workloads.formats.encoding import BF16, FP16, FP32
from workloads.formats.exact import rounded_once


@dataclass(frozen=True)
class Case:
    """Matrices of random codes under scale codes in a range; ``count`` digits each."""

    id: str
    m: int
    n: int
    k: int
    scales: tuple[int, int] = (0, 0x7E)
    digits: Digits | None = None
    rank: int = 0
    extreme: bool = False
    tensor_scale: float = 2.0**-9


# Products with it have bits far below those of any result.
ALPHA = 0.7310585975646973

TILES = Tiles(32, 32, 32, 4, 2)

CASES = [
    Case("one-element", 1, 1, 16),
    Case("every-scale", 33, 37, 176),
    Case("largest", 20, 34, 96, scales=(0x7E, 0x7E), extreme=True),
    Case("one-digit", 5, 40, 64, scales=(0x38, 0x38), digits=Digits(1, 6), tensor_scale=0.5),
    Case("two-digits", 33, 7, 64, scales=(0x58, 0x78), digits=Digits(2, 10)),
    Case("subnormal-scales", 5, 6, 48, scales=(0, 7), digits=Digits(1, 0), tensor_scale=64),
    Case("low-rank", 18, 34, 64, scales=(0x30, 0x48), rank=16),
]


def matrix(generator: torch.Generator, case: Case, rows: int) -> Nvfp4Matrix:
    least, most = case.scales
    codes = torch.randint(0, 256, (rows, case.k // 2), generator=generator, dtype=torch.uint8)
    scales = torch.randint(least, most + 1, (rows, case.k // 16), generator=generator, dtype=torch.uint8)
    if case.extreme:
        codes = torch.where(codes < 20, 0xF7, 0x77).to(torch.uint8)
    return Nvfp4Matrix(codes, scales, torch.rand(1, generator=generator) * case.tensor_scale)


def compared(case: Case, dtype: torch.dtype) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(5)
    left, right = (matrix(generator, case, rows) for rows in (case.m, case.n))
    digits = case.digits or ALL
    assert case.digits is None or case.digits == digits_of(right.scales), digits_of(right.scales)
    out = torch.full((case.m, case.n), float("nan"), dtype=dtype)
    room = torch.full(((digits.count * case.m + digits.count * case.n) * case.k,), 99, dtype=torch.int8)
    branch = None
    if case.rank:
        up = torch.randn(case.n, case.rank, generator=generator).to(dtype)
        branch = Branch(torch.randn(case.m, case.rank, generator=generator).to(dtype), up)
    exact_product(left, right, out, room, branch, left_digits=digits, right_digits=digits, tiles=TILES)
    wide = torch.full_like(out, float("nan"))
    wide_product(left, right, wide, torch.empty((case.m + case.n) * case.k, dtype=dtype), branch, tiles=TILES)
    if branch:
        reference = branched_product_naively(left, right, branch.narrow, branch.up)
        return {"error": relative(out, reference), "wide": relative(wide, reference)}
    expected = product_naively(left, right, dtype)
    return {
        "different": int((out != expected).sum()),
        "wide": relative(wide, expected.double()),
    }


def relative(value: torch.Tensor, reference: torch.Tensor) -> float:
    return ((value.double() - reference).norm() / reference.norm()).item()


@triton.jit
def rounded(totals, alpha, out, BLOCK: tl.constexpr):
    where = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = scaled_once(tl.load(totals + where), tl.load(alpha), 0)
    store_rounded(out, where, value, where >= 0)


def just_above_ties(factor: int) -> np.ndarray:
    """Sums whose product with ``factor`` exceeds a tie of 24 bits by something in its last 11 of 62 bits."""
    ties = (2 * np.arange(1 << 23, (1 << 23) + (1 << 20), dtype=np.int64) + 1) << 37
    excess = -ties % factor
    return ((ties + excess) // factor)[(excess > 0) & (excess < 1 << 11)]


def roundings() -> dict[str, int]:
    """How many sums of up to 58 bits are rounded otherwise than by definition, for each type."""
    generator = np.random.default_rng(6)
    bits = generator.integers(1, 59, 2048)
    totals = generator.integers(0, 1 << 62, 2048) >> (62 - bits)
    # Next to ties of 24 and of 8 bits.
    for kept in (24, 8):
        top = generator.integers(1 << (kept - 1), 1 << kept, 512)
        shift = generator.integers(1, 58 - kept, 512)
        tie = (2 * top + 1) << (shift - 1)
        totals = np.concatenate([totals, tie, tie - 1, tie + 1])
    fraction, _ = np.frexp(np.float32(ALPHA))
    totals = np.concatenate([totals, just_above_ties(int(fraction * (1 << 24)))])
    totals = np.concatenate([totals, -totals])
    totals = np.pad(totals, (0, -len(totals) % 64))
    different = {}
    for alpha in (1.0, 2.0**-13, ALPHA, 1.1754943508222875e-38, 1e-40):
        for kind, encoding in ((torch.float32, FP32), (torch.float16, FP16), (torch.bfloat16, BF16)):
            if kind == torch.bfloat16 and alpha < 1e-30:
                # The interpreter reads subnormal bf16 as zero.
                continue
            out = torch.empty(totals.shape, dtype=kind)
            rounded[(len(totals) // 64,)](torch.from_numpy(totals), torch.tensor([alpha]), out, BLOCK=64)
            expected = torch.from_numpy(rounded_once(totals, alpha, 20, encoding)).to(kind)
            different[f"{str(kind).removeprefix('torch.')}-{alpha}"] = int((out != expected).sum())
    return different
