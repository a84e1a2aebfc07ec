"""Products by the block-scaled instructions of sm_100, which add up in fp32."""

# Triton reads annotations of kernels as types of its own.
# mypy: disallow-untyped-defs=False

import triton
import triton.language as tl


@triton.jit
def multiply_scaled(a, b, a_scales, b_scales, out, a_scale, b_scale, narrow, up, M, N, CODES, SCALES,
                    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, STAGES: tl.constexpr,
                    RANK: tl.constexpr):  # fmt: skip
    """``out = a b^T`` times both tensor scales, plus ``narrow up^T`` if RANK > 0.

    Rows have CODES bytes of two codes each and SCALES scales in E4M3.
    """
    rows = tl.cdiv(M, BM)
    rm = (tl.program_id(0) % rows) * BM + tl.arange(0, BM)
    rn = (tl.program_id(0) // rows) * BN + tl.arange(0, BN)
    rh = tl.arange(0, BK // 2)
    rb = tl.arange(0, BK // 16)
    am = tl.minimum(rm, M - 1).to(tl.int64)
    bn = tl.minimum(rn, N - 1).to(tl.int64)
    acc = tl.zeros((BM, BN), tl.float32)
    for first in tl.range(0, CODES, BK // 2, num_stages=STAGES):
        byte = first + rh
        block = first // 8 + rb
        held, scaled = byte < CODES, block < SCALES
        left = tl.load(a + am[:, None] * CODES + byte[None, :], mask=held[None, :], other=0)
        right = tl.load(b + bn[None, :] * CODES + byte[:, None], mask=held[:, None], other=0)
        left_scale = tl.load(a_scales + am[:, None] * SCALES + block[None, :], mask=scaled[None, :], other=0.0)
        right_scale = tl.load(b_scales + bn[:, None] * SCALES + block[None, :], mask=scaled[None, :], other=0.0)
        acc = tl.dot_scaled(left, left_scale, "e2m1", right, right_scale, "e2m1", acc)
    acc = acc * (tl.load(a_scale) * tl.load(b_scale))
    if RANK > 0:
        rr = tl.arange(0, RANK)
        t = tl.load(narrow + rm[:, None] * RANK + rr[None, :], mask=(rm < M)[:, None], other=0.0)
        u = tl.load(up + rn[None, :] * RANK + rr[:, None], mask=(rn < N)[None, :], other=0.0)
        acc = tl.dot(t, u, acc, input_precision="ieee")
    where = rm.to(tl.int64)[:, None] * N + rn[None, :]
    tl.store(out + where, acc.to(out.dtype.element_ty), mask=(rm < M)[:, None] & (rn < N)[None, :])
