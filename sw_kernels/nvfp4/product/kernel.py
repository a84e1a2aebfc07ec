"""Exact products: numbers in digits of eight bits, multiplied by integer tensor cores and rounded once at the end."""

# Triton reads annotations of kernels as types of its own.
# mypy: disallow-untyped-defs=False

import triton
import triton.language as tl


@triton.jit
def halves(code):
    """Twice the element of a code: 0, 1, 2, 3, then the same with the hidden bit, doubled in the highest binade."""
    size = code & 7
    size = tl.where(size < 4, size, (4 | ((size & 1) << 1)) << ((size >> 1) & 1))
    return tl.where(code >= 8, -size, size)


@triton.jit
def expand(codes, scales, digits, rows, CODES, SCALES, plane, SHIFT: tl.constexpr, COUNT: tl.constexpr,
           BM: tl.constexpr, BK: tl.constexpr):  # fmt: skip
    """``element * block scale`` in units of ``2**(SHIFT - 10)``: COUNT planes of digits, the lowest first.

    Rows have CODES bytes of two codes each and SCALES scales.
    """
    rm = tl.program_id(0) * BM + tl.arange(0, BM)
    row = rm.to(tl.int64)[:, None]
    byte = tl.program_id(1) * (BK // 2) + tl.arange(0, BK // 2)
    block = tl.program_id(1) * (BK // 16) + tl.arange(0, BK // 16)
    k = tl.program_id(1) * BK + tl.arange(0, BK)
    live = (rm < rows)[:, None]
    pair = tl.load(codes + row * CODES + byte[None, :], mask=live & (byte < CODES)[None, :], other=0)
    scale = tl.load(scales + row * SCALES + block[None, :], mask=live & (block < SCALES)[None, :], other=0)
    code = tl.join(pair & 15, pair >> 4).reshape(BM, BK // 16, 16).to(tl.int32)
    scale = scale.to(tl.int32)
    field = scale >> 3
    units = tl.where(field > 0, (8 | (scale & 7)) << tl.maximum(field - 1, 0), scale & 7)
    value = (halves(code) * (units >> SHIFT)[:, :, None]).reshape(BM, BK)
    place = digits + row * (2 * CODES) + k[None, :]
    inside = live & (k < 2 * CODES)[None, :]
    for n in tl.static_range(COUNT):
        digit = ((value & 255) ^ 128) - 128
        tl.store(place + n * plane, digit.to(tl.int8), mask=inside)
        value = (value - digit) >> 8


@triton.jit
def scaled_once(total, alpha, SHIFT: tl.constexpr):
    """``total * alpha * 2**(SHIFT - 20)`` in fp64: exact, or rounded to odd, so that one more rounding is right."""
    alpha_bits = alpha.to(tl.float64).to(tl.int64, bitcast=True)
    exponent = ((alpha_bits >> 52) & 0x7FF) - 1022
    factor = ((alpha_bits & 0xFFFFFFFFFFFFF) | 0x10000000000000) >> 29
    factor = tl.where(alpha > 0, factor, 0)
    size = tl.abs(total)
    low = (size & 0xFFFFFFFF) * factor
    high = (size >> 32) * factor + (low >> 32)
    low = low & 0xFFFFFFFF
    # At least 32 bits stay, the last of them sticky; no format keeps more than 24.
    short = high < (1 << 31)
    product = tl.where(short, (high << 32) | low, high | (low != 0).to(tl.int64))
    power = tl.where(short, 0, 32)
    long = product >= (1 << 53)
    product = tl.where(long, (product >> 11) | ((product & 0x7FF) != 0).to(tl.int64), product)
    power += tl.where(long, 11, 0)
    power = power.to(tl.int64) + exponent - 24 - 20 + SHIFT
    unit = ((power + 1023) << 52).to(tl.float64, bitcast=True)
    value = product.to(tl.float64) * unit
    return tl.where(total < 0, -value, value)


@triton.jit
def rounded_to_odd(value):
    """fp64 to fp32: of two neighbours the one whose last bit is set, unless the number is exact."""
    nearest = value.to(tl.float32)
    back = nearest.to(tl.float64)
    bits = nearest.to(tl.int32, bitcast=True)
    step = tl.where(tl.abs(back) < tl.abs(value), 1, -1)
    step = tl.where((back == value) | ((bits & 1) != 0), 0, step)
    return (bits + step).to(tl.float32, bitcast=True)


@triton.jit
def store_rounded(out, where, value, mask):
    """Store fp64 numbers that are exact or rounded to odd, rounded to nearest in the type of ``out``."""
    if out.dtype.element_ty == tl.float32:
        tl.store(out + where, value.to(tl.float32), mask=mask)
    elif out.dtype.element_ty == tl.float16:
        tl.store(out + where, rounded_to_odd(value).to(tl.float16), mask=mask)
    else:
        # By integers, because the interpreter's cast truncates.
        bits = rounded_to_odd(value).to(tl.int32, bitcast=True)
        bits = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
        tl.store(out + where, bits.to(tl.int16).to(tl.bfloat16, bitcast=True), mask=mask)


@triton.jit
def multiply(a, b, out, a_scale, b_scale, narrow, up, M, N, K, DA: tl.constexpr, DB: tl.constexpr,
             SHIFT: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, STAGES: tl.constexpr,
             RANK: tl.constexpr):  # fmt: skip
    """``out = a b^T`` times both tensor scales, plus ``narrow up^T`` if RANK > 0.

    ``a`` describes DA planes of digits of M rows, one under the other, in blocks of BM x BK, ``b`` DB planes of N rows
    in blocks of BN x BK. Rows that a block reads of the next plane are not stored. Products of digits are summed by
    weight.
    """
    rows = tl.cdiv(M, BM)
    m = (tl.program_id(0) % rows) * BM
    n = (tl.program_id(0) // rows) * BN
    c0 = tl.zeros((BM, BN), tl.int32)
    c1 = tl.zeros((BM, BN), tl.int32)
    c2 = tl.zeros((BM, BN), tl.int32)
    c3 = tl.zeros((BM, BN), tl.int32)
    c4 = tl.zeros((BM, BN), tl.int32)
    for k in tl.range(0, K, BK, num_stages=STAGES):
        a0 = a.load([m, k])
        b0 = b.load([n, k]).T
        c0 = tl.dot(a0, b0, c0, out_dtype=tl.int32)
        if DA > 1:
            a1 = a.load([M + m, k])
            c1 = tl.dot(a1, b0, c1, out_dtype=tl.int32)
        if DB > 1:
            b1 = b.load([N + n, k]).T
            c1 = tl.dot(a0, b1, c1, out_dtype=tl.int32)
            if DA > 1:
                c2 = tl.dot(a1, b1, c2, out_dtype=tl.int32)
        if DA > 2:
            a2 = a.load([2 * M + m, k])
            c2 = tl.dot(a2, b0, c2, out_dtype=tl.int32)
            if DB > 1:
                c3 = tl.dot(a2, b1, c3, out_dtype=tl.int32)
        if DB > 2:
            b2 = b.load([2 * N + n, k]).T
            c2 = tl.dot(a0, b2, c2, out_dtype=tl.int32)
            if DA > 1:
                c3 = tl.dot(a1, b2, c3, out_dtype=tl.int32)
            if DA > 2:
                c4 = tl.dot(a2, b2, c4, out_dtype=tl.int32)
    rm = m + tl.arange(0, BM)
    rn = n + tl.arange(0, BN)
    total = c0.to(tl.int64) + (c1.to(tl.int64) << 8) + (c2.to(tl.int64) << 16)
    total += (c3.to(tl.int64) << 24) + (c4.to(tl.int64) << 32)
    alpha = tl.load(a_scale) * tl.load(b_scale)
    value = scaled_once(total, alpha, SHIFT)
    where = rm.to(tl.int64)[:, None] * N + rn[None, :]
    mask = (rm < M)[:, None] & (rn < N)[None, :]
    if RANK > 0:
        rr = tl.arange(0, RANK)
        t = tl.load(narrow + rm[:, None] * RANK + rr[None, :], mask=(rm < M)[:, None], other=0.0)
        u = tl.load(up + rn[None, :] * RANK + rr[:, None], mask=(rn < N)[None, :], other=0.0)
        branch = tl.dot(t, u, value.to(tl.float32), input_precision="ieee")
        tl.store(out + where, branch.to(out.dtype.element_ty), mask=mask)
    else:
        store_rounded(out, where, value, mask)
