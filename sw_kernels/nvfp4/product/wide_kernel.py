"""Products by 16-bit tensor cores, which hold every ``element * block scale`` and add up in fp32."""

# Triton reads annotations of kernels as types of its own.
# mypy: disallow-untyped-defs=False

import triton
import triton.language as tl

from sw_kernels.nvfp4.product.kernel import halves
from sw_kernels.nvfp4.quantize.kernel import e4m3_value


@triton.jit
def widen(codes, scales, out, rows, CODES, SCALES, BM: tl.constexpr, BK: tl.constexpr):
    """``element * block scale``, six significant bits; rows have CODES bytes of two codes each and SCALES scales."""
    rm = tl.program_id(0) * BM + tl.arange(0, BM)
    row = rm.to(tl.int64)[:, None]
    byte = tl.program_id(1) * (BK // 2) + tl.arange(0, BK // 2)
    block = tl.program_id(1) * (BK // 16) + tl.arange(0, BK // 16)
    k = tl.program_id(1) * BK + tl.arange(0, BK)
    live = (rm < rows)[:, None]
    pair = tl.load(codes + row * CODES + byte[None, :], mask=live & (byte < CODES)[None, :], other=0)
    scale = tl.load(scales + row * SCALES + block[None, :], mask=live & (block < SCALES)[None, :], other=0)
    code = tl.join(pair & 15, pair >> 4).reshape(BM, BK // 16, 16).to(tl.int32)
    value = halves(code).to(tl.float32) * (0.5 * e4m3_value(scale.to(tl.int32)))[:, :, None]
    inside = live & (k < 2 * CODES)[None, :]
    tl.store(out + row * (2 * CODES) + k[None, :], value.reshape(BM, BK).to(out.dtype.element_ty), mask=inside)


@triton.jit
def multiply_wide(a, b, out, a_scale, b_scale, narrow, up, M, N, K, BM: tl.constexpr, BN: tl.constexpr,
                  BK: tl.constexpr, STAGES: tl.constexpr, RANK: tl.constexpr):  # fmt: skip
    """``out = a b^T`` times both tensor scales, plus ``narrow up^T`` if RANK > 0.

    ``a`` and ``b`` describe M and N rows in blocks of BM x BK and BN x BK.
    """
    rows = tl.cdiv(M, BM)
    m = (tl.program_id(0) % rows) * BM
    n = (tl.program_id(0) // rows) * BN
    acc = tl.zeros((BM, BN), tl.float32)
    for k in tl.range(0, K, BK, num_stages=STAGES):
        acc = tl.dot(a.load([m, k]), b.load([n, k]).T, acc, input_precision="ieee")
    rm = m + tl.arange(0, BM)
    rn = n + tl.arange(0, BN)
    acc = acc * (tl.load(a_scale) * tl.load(b_scale))
    if RANK > 0:
        rr = tl.arange(0, RANK)
        t = tl.load(narrow + rm[:, None] * RANK + rr[None, :], mask=(rm < M)[:, None], other=0.0)
        u = tl.load(up + rn[None, :] * RANK + rr[:, None], mask=(rn < N)[None, :], other=0.0)
        acc = tl.dot(t, u, acc, input_precision="ieee")
    where = rm.to(tl.int64)[:, None] * N + rn[None, :]
    tl.store(out + where, acc.to(out.dtype.element_ty), mask=(rm < M)[:, None] & (rn < N)[None, :])
