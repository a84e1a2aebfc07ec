"""Quantization to NVFP4 in the order of operations of the definition, every step rounded to fp32 or exact."""

# Triton reads annotations of kernels as types of its own.
# mypy: disallow-untyped-defs=False

import triton
import triton.language as tl

LARGEST = tl.constexpr(3.4028234663852886e38)
SIXTH = tl.constexpr(0.16666667163372040)


@triton.jit
def e4m3_code(value):
    """The code of a number of 0..448, rounded to nearest even; casts differ between GPUs and the interpreter."""
    bits = value.to(tl.int32, bitcast=True)
    normal = ((bits + 0x7FFFF + ((bits >> 20) & 1)) >> 20) - (120 << 3)
    # Added to 2**23, subnormal numbers round to whole units of 2**-9.
    small = (value * 512.0 + 8388608.0).to(tl.int32, bitcast=True) & 15
    return tl.where(value < 0.015625, small, normal)


@triton.jit
def e4m3_value(code):
    """The number of a code without sign."""
    normal = (((code >> 3) + 120) << 23) | ((code & 7) << 20)
    return tl.where(code >= 8, normal.to(tl.float32, bitcast=True), code.to(tl.float32) * 0.001953125)


@triton.jit
def e2m1_code(value):
    """The code of a number, rounded to nearest even code and saturated."""
    size = tl.minimum(tl.abs(value), 6.0)
    bits = size.to(tl.int32, bitcast=True)
    normal = ((bits + 0x1FFFFF + ((bits >> 22) & 1)) >> 22) - (126 << 1)
    # Added to 2**23, numbers below 1 round to whole halves.
    small = (size * 2.0 + 8388608.0).to(tl.int32, bitcast=True) & 3
    return tl.where(size < 1.0, small, normal) | ((value.to(tl.int32, bitcast=True) >> 31) & 8)


@triton.jit
def smoothed(x, smooth, k, inside, SMOOTH: tl.constexpr):
    """``x / smooth`` in fp32, column by column."""
    x = x.to(tl.float32)
    if SMOOTH:
        divisor = tl.load(smooth + k, mask=inside, other=1.0).to(tl.float32)
        x = tl.div_rn(x, tl.broadcast_to(divisor[None, :], x.shape))
    return x


@triton.jit
def largest(x, smooth, amax, M, K, ldx, BM: tl.constexpr, BK: tl.constexpr, SMOOTH: tl.constexpr):
    """Raise ``amax`` to the largest magnitude of BM rows; the order of programs does not matter."""
    rm = tl.program_id(0) * BM + tl.arange(0, BM)
    most = tl.zeros((BM, BK), tl.float32)
    for start in tl.range(0, K, BK, num_stages=4):
        k = start + tl.arange(0, BK)
        inside = k < K
        mask = (rm < M)[:, None] & inside[None, :]
        tile = tl.load(x + rm.to(tl.int64)[:, None] * ldx + k[None, :], mask=mask, other=0.0)
        most = tl.maximum(most, tl.abs(smoothed(tile, smooth, k, inside, SMOOTH)))
    tl.atomic_max(amax, tl.max(tl.max(most, 1), 0), sem="relaxed")


@triton.jit
def quantize(x, smooth, amax, down, codes, scales, tensor_scale, narrow, M, K, ldx, COLUMNS, BM: tl.constexpr,
             BK: tl.constexpr, RANK: tl.constexpr, SMOOTH: tl.constexpr):  # fmt: skip
    """Codes and scales of BM rows and COLUMNS columns, and ``narrow = x down^T`` if RANK > 0; then COLUMNS is K."""
    most = tl.load(amax)
    multiplier = tl.where(most > 0, tl.minimum(tl.div_rn(2688.0, most), LARGEST), 1.0)
    inverse_multiplier = tl.div_rn(1.0, multiplier)
    if (tl.program_id(0) == 0) & (tl.program_id(1) == 0):
        tl.store(tensor_scale, inverse_multiplier)
    rm = tl.program_id(0) * BM + tl.arange(0, BM)
    row = rm.to(tl.int64)[:, None]
    live = (rm < M)[:, None]
    acc = tl.zeros((BM, RANK if RANK > 0 else 16), tl.float32)
    first = tl.program_id(1) * COLUMNS
    for start in tl.range(first, tl.minimum(first + COLUMNS, K), BK, num_stages=3):
        k = start + tl.arange(0, BK)
        inside = k < K
        tile = tl.load(x + row * ldx + k[None, :], mask=live & inside[None, :], other=0.0)
        if RANK > 0:
            rr = tl.arange(0, RANK)
            d = tl.load(down + rr[None, :] * K + k[:, None], mask=inside[:, None], other=0.0)
            acc = tl.dot(tile, d, acc, input_precision="ieee")
        blocks = smoothed(tile, smooth, k, inside, SMOOTH).reshape(BM, BK // 16, 16)
        wanted = tl.minimum(tl.max(tl.abs(blocks), 2) * (multiplier * SIXTH), 448.0)
        scale = e4m3_code(wanted)
        inverse = tl.minimum(tl.div_rn(1.0, e4m3_value(scale) * inverse_multiplier), LARGEST)
        low, high = tl.split(e2m1_code(blocks * inverse[:, :, None]).reshape(BM, BK // 2, 2))
        half = start // 2 + tl.arange(0, BK // 2)
        block = start // 16 + tl.arange(0, BK // 16)
        tl.store(
            codes + row * (K // 2) + half[None, :],
            (low | (high << 4)).to(tl.uint8),
            mask=live & (half < K // 2)[None, :],
        )
        tl.store(scales + row * (K // 16) + block[None, :], scale.to(tl.uint8), mask=live & (block < K // 16)[None, :])
    if RANK > 0:
        rr = tl.arange(0, RANK)
        tl.store(narrow + row * RANK + rr[None, :], acc.to(narrow.dtype.element_ty), mask=live)
