"""Four-bit weights times 16-bit activations, both with the weights as left operand."""

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

# Two halfwords of codes and the scales of their blocks to eight bf16 weights, each ``value * scale * 2**-8``.
# $4 has the codes; $5, $6 the scales of j = 0 (low half) and 1; $7, $8 those of j = 2 and 3; both times 2**118.
DECODE = tl.constexpr("""
{
 .reg .b32 t, u, r, s;
 .reg .b16 l, h, l2, h2;
 mov.b32 {l, h}, $5;
 mov.b32 {l2, h2}, $7;
 and.b32 r, $4, 0x81C081C0;
 mov.b32 s, {l, l};
 mul.rn.bf16x2 $0, r, s;
 shl.b32 t, $4, 3;
 and.b32 r, t, 0x81C081C0;
 mov.b32 s, {h, h};
 mul.rn.bf16x2 $1, r, s;
 shl.b32 t, $4, 1;
 shl.b32 u, $4, 6;
 lop3.b32 r, t, u, 0x80008000, 0xE4;
 and.b32 r, r, 0x81C081C0;
 mov.b32 s, {l2, l2};
 mul.rn.bf16x2 $2, r, s;
 shl.b32 t, $4, 2;
 shr.b32 u, $4, 3;
 lop3.b32 r, t, u, 0x80008000, 0xE4;
 and.b32 r, r, 0x81C081C0;
 mov.b32 s, {h2, h2};
 mul.rn.bf16x2 $3, r, s;
}
""")
# Brings a line into the L2 cache; the output register only pleases the interface.
PREFETCH = tl.constexpr("prefetch.global.L2 [$1]; mov.b32 $0, 0;")
ACQUIRE = tl.constexpr("ld.acquire.gpu.global.b32 $0, [$1];")
RELAXED = tl.constexpr("ld.relaxed.gpu.global.b32 $0, [$1];")
# Hopper's warp-group products in flight come to their end.
SETTLE = tl.constexpr("wgmma.wait_group.sync.aligned 0; mov.b32 $0, $1;")


@triton.jit
def decoded_plainly(half, word, SIGN: tl.constexpr, MAGNITUDE: tl.constexpr, SHIFT: tl.constexpr, like):
    """Weight ``value * scale`` of one of the four codes in each halfword, by fp32 arithmetic."""
    R: tl.constexpr = half.shape[1]
    h = half.to(tl.int32) & 0xFFFF
    bits = (((h >> SIGN) & 1) << 31) | (((h >> MAGNITUDE) & 7) << 22)
    byte = ((word >> SHIFT) & 0xFF).to(tl.int32)
    # Exponent fields: 22 shifts the E2M1 exponent to that of fp32, 126 too low; the scale's bias is 10.
    scale = ((((byte >> 3) + 117) << 23) | ((byte & 7) << 20)).to(tl.float32, bitcast=True)
    scale = tl.where(byte > 0, scale, 0.0)
    scale = tl.broadcast_to(scale[:, :, None], (half.shape[0], R // 16, 16)).reshape(half.shape[0], R)
    return (bits.to(tl.float32, bitcast=True) * 8.507059173023462e37 * scale).to(like.dtype)


@triton.jit
def decoded(half, word, PLAIN: tl.constexpr, like):
    """Four tiles of weights, those of columns 64 j + i of a slab; ``value * scale`` or, by assembly, 2**-8 of it."""
    if PLAIN:
        w = word.to(tl.uint32, bitcast=True)
        w = (w >> 4) | (w << 28)
        a0 = decoded_plainly(half, w, 15, 6, 0, like)
        a1 = decoded_plainly(half, w, 12, 3, 16, like)
        a2 = decoded_plainly(half, w, 14, 0, 8, like)
        a3 = decoded_plainly(half, w, 13, 9, 24, like)
    else:
        BN: tl.constexpr = half.shape[0]
        R: tl.constexpr = half.shape[1]
        # 0x7580 lifts a scale's exponent field to that of bf16, times 2**118.
        t01 = (word & 0x0FF00FF0) + 0x75807580
        turned = word.to(tl.uint32, bitcast=True)
        turned = (turned >> 8) | (turned << 24)
        t23 = (turned.to(tl.int32, bitcast=True) & 0x0FF00FF0) + 0x75807580
        t01 = tl.broadcast_to(t01[:, :, None], (BN, R // 16, 16)).reshape(BN, R)
        t23 = tl.broadcast_to(t23[:, :, None], (BN, R // 16, 16)).reshape(BN, R)
        a0, a1, a2, a3 = tl.inline_asm_elementwise(
            DECODE,
            "=r,=r,=r,=r,r,r,r,r,r",
            [half, t01, t23],
            dtype=(tl.bfloat16, tl.bfloat16, tl.bfloat16, tl.bfloat16),
            is_pure=True,
            pack=2,
        )
    return a0, a1, a2, a3


@triton.jit
def narrow_activations(x, down, narrow, partial, counters, M, K, ldx, part, tiles, PARTS: tl.constexpr,
                       BM: tl.constexpr, RANK: tl.constexpr, BK: tl.constexpr):  # fmt: skip
    """Slice ``part`` of ``narrow = x down^T``; the last slice to arrive adds all up and raises the flag for tiles."""
    rr = tl.arange(0, RANK)
    rk = tl.arange(0, BK)
    first = tl.cdiv(tl.cdiv(K, BK) * part, PARTS) * BK
    last = tl.cdiv(tl.cdiv(K, BK) * (part + 1), PARTS) * BK
    for m in range(0, M, BM):
        rm = m + tl.arange(0, BM)
        acc = tl.zeros((RANK, BM), tl.float32)
        for k in tl.range(first, tl.minimum(last, K), BK, num_stages=3):
            inside = k + rk < K
            a = tl.load(down + rr[:, None] * K + k + rk[None, :], mask=inside[None, :], other=0.0)
            b = tl.load(
                x + rm[None, :] * ldx + k + rk[:, None],
                mask=inside[:, None] & (rm < M)[None, :],
                other=0.0,
            )
            acc = tl.dot(a, b, acc)
        tl.store(partial + (part * M + rm[None, :]) * RANK + rr[:, None], acc, mask=(rm < M)[None, :])
    tl.debug_barrier()
    if tl.atomic_add(counters, 1, sem="acq_rel") == PARTS - 1:
        for m in range(0, M, BM):
            rm = m + tl.arange(0, BM)
            where = rm[:, None] * RANK + rr[None, :]
            total = tl.zeros((BM, RANK), tl.float32)
            for i in range(0, PARTS, 16):
                # Unrolled, so that these loads are under way at once.
                for j in tl.static_range(16):
                    inside = (rm < M)[:, None] & (i + j < PARTS)
                    at = partial + (i + j) * M * RANK + where
                    total += tl.load(at, mask=inside, other=0.0, cache_modifier=".cg")
            tl.store(narrow + where, total.to(narrow.dtype.element_ty), mask=(rm < M)[:, None])
        tl.debug_barrier()
        tl.atomic_xchg(counters, 0, sem="relaxed")
        tl.atomic_xchg(counters + 1, tiles, sem="release")


@triton.jit
def branch_of(up, narrow, flag, raised, row, rm, M, RANK: tl.constexpr, PLAIN: tl.constexpr):
    """``(x down^T) up^T`` of a tile, once the flag is up; it comes down with the last tile that has seen it."""
    if raised == 0:
        wait_for(flag, PLAIN)
    # No thread may still look at the flag.
    tl.debug_barrier()
    tl.atomic_add(flag, -1, sem="relaxed")
    rr = tl.arange(0, RANK)
    u = tl.load(up + row[:, None] * RANK + rr[None, :])
    t = tl.load(narrow + rm[None, :] * RANK + rr[:, None], mask=(rm < M)[None, :], other=0.0, cache_modifier=".cg")
    return tl.dot(u, t)


@triton.jit
def wait_for(flag, PLAIN: tl.constexpr):
    """Return once the flag is up."""
    up = 0
    while up == 0:
        if PLAIN:
            up = tl.atomic_add(flag, 0, sem="acquire")
        else:
            # Many programs wait here, and loads do not queue up as atomic operations do.
            up = tl.inline_asm_elementwise(ACQUIRE, "=r,l", [flag], dtype=tl.int32, is_pure=False, pack=1)


@triton.jit
def sums_of_steps(x, codes, scales, row, rm, first, last, M, N, K, ldx, BN: tl.constexpr, BM: tl.constexpr,
                  G: tl.constexpr, STAGES: tl.constexpr, GUARD: tl.constexpr, PLAIN: tl.constexpr,
                  EVEN: tl.constexpr):  # fmt: skip
    """Products of rows ``row`` of the weights and ``rm`` of x, summed over steps of 64 G columns from a slab's runs."""
    R: tl.constexpr = 16 * G
    STEPS: tl.constexpr = 4 // G
    ri = tl.arange(0, R)
    live = rm < M
    code_base = codes + row[:, None] * 64 + ri[None, :]
    scale_base = scales + row[:, None] * 4 + tl.arange(0, G)[None, :]
    acc = tl.zeros((BN, BM), tl.float32)
    x_base = x + ri[:, None] + rm[None, :] * ldx
    for step in tl.range(first, last, num_stages=STAGES):
        slab = (step // STEPS) * N
        half = tl.load(code_base + slab * 64 + (step % STEPS) * R)
        word = tl.load(scale_base + slab * 4 + (step % STEPS) * G)
        k = (step // STEPS) * 256 + (step % STEPS) * R
        xp = x_base + k
        if EVEN:
            x0 = tl.load(xp, mask=live[None, :], other=0.0)
            x1 = tl.load(xp + 64, mask=live[None, :], other=0.0)
            x2 = tl.load(xp + 128, mask=live[None, :], other=0.0)
            x3 = tl.load(xp + 192, mask=live[None, :], other=0.0)
        else:
            left = K - k - ri
            x0 = tl.load(xp, mask=live[None, :] & (left > 0)[:, None], other=0.0)
            x1 = tl.load(xp + 64, mask=live[None, :] & (left > 64)[:, None], other=0.0)
            x2 = tl.load(xp + 128, mask=live[None, :] & (left > 128)[:, None], other=0.0)
            x3 = tl.load(xp + 192, mask=live[None, :] & (left > 192)[:, None], other=0.0)
        a0, a1, a2, a3 = decoded(half, word, PLAIN, x0)
        acc = tl.dot(a0, x0, acc)
        acc = tl.dot(a1, x1, acc)
        acc = tl.dot(a2, x2, acc)
        acc = tl.dot(a3, x3, acc)
        if GUARD and not PLAIN:
            # Triton 3.6 and its assembler forget on sm_90 that products in flight read operands from registers,
            # which the next step overwrites.
            tl.inline_asm_elementwise(SETTLE, "=r,r", [step], dtype=tl.int32, is_pure=False, pack=1)
    return acc


@triton.jit(do_not_specialize=["M", "short"])
def linear(x, codes, scales, out, down, up, narrow, narrow_partial, partial, counters, factor, M, N, K, ldx, slabs,
           short, SPLIT: tl.constexpr, EARLY: tl.constexpr, BN: tl.constexpr, BM: tl.constexpr, G: tl.constexpr,
           STAGES: tl.constexpr, GUARD: tl.constexpr, PLAIN: tl.constexpr, EVEN: tl.constexpr, RANK: tl.constexpr,
           PARTS: tl.constexpr, DEPENDENT: tl.constexpr):  # fmt: skip
    """``out[M, N] = x[M, K] W^T``, plus ``(x down^T) up^T`` where RANK > 0.

    A program makes BN outputs of BM rows from a slice of the slabs, 4 runs of 16 G columns at a time; slices are
    added up by the last to arrive, in their order. Tiles have SPLIT slices, the first ``short`` of them one less. The
    first PARTS programs make the narrow activations of the low-rank branch, which a tile's first slice adds if EARLY,
    else the last to arrive. ``counters`` are zero before and after: slices of the narrow activations, their flag
    (tiles that have not seen it), slices of each tile.
    """
    pid = tl.program_id(0)
    columns = tl.cdiv(N, BN)
    tiles = columns * tl.cdiv(M, BM)
    if DEPENDENT:
        gdc_launch_dependents()
    if pid < PARTS:
        if RANK > 0:
            if DEPENDENT:
                gdc_wait()
            narrow_activations(x, down, narrow, narrow_partial, counters, M, K, ldx, pid, tiles, PARTS, BM, RANK, 128)
    else:
        STEPS: tl.constexpr = 4 // G
        pid -= PARTS
        # Programs next to each other read the same columns of x at the same time, which the caches can share.
        tile = pid % tiles
        slice_ = pid // tiles
        if slice_ == SPLIT - 1:
            tile += short
        slices = SPLIT - tl.where(tile < short, 1, 0)
        rn = (tile % columns) * BN + tl.arange(0, BN)
        rm = (tile // columns) * BM + tl.arange(0, BM)
        # Rows beyond N read the last row, and are not stored.
        row = tl.minimum(rn, N - 1)
        steps = slabs * STEPS
        first = slice_ * steps // slices
        last = (slice_ + 1) * steps // slices
        if RANK > 0 and not PLAIN:
            # Used at the end; loaded here, everything would wait for it.
            line = up + row * RANK
            tl.inline_asm_elementwise(PREFETCH, "=r,l", [line], dtype=tl.int32, is_pure=False, pack=1)
        if DEPENDENT:
            # Weights depend on no earlier kernel; bring them near while it finishes.
            for step in range(first // STEPS, tl.minimum(tl.cdiv(last, STEPS), first // STEPS + 8)):
                line = codes + row * 64 + step * N * 64
                tl.inline_asm_elementwise(PREFETCH, "=r,l", [line], dtype=tl.int32, is_pure=False, pack=1)
            gdc_wait()
        acc = sums_of_steps(
            x, codes, scales, row, rm, first, last, M, N, K, ldx, BN, BM, G, STAGES, GUARD, PLAIN, EVEN
        )  # fmt: skip
        acc = acc * (factor if PLAIN else factor * 256.0)
        LATE: tl.constexpr = RANK > 0 and (SPLIT == 1 or not EARLY)
        raised = 0
        # One condition is the compiler's, here and below.
        if SPLIT > 1 and LATE:  # noqa: SIM102
            if not PLAIN:
                # On its way while sums are stored; the counting below orders it before what it says is there.
                raised = tl.inline_asm_elementwise(
                    RELAXED, "=r,l", [counters + 1], dtype=tl.int32, is_pure=False, pack=1
                )
        # Whole tiles, rows beyond M included, so that the addresses are one run.
        inside = tl.arange(0, BN)[:, None] * BM + tl.arange(0, BM)[None, :]
        part = partial + tile * (BN * BM) + inside
        finish = True
        if SPLIT > 1:
            if RANK > 0 and not LATE:  # noqa: SIM102
                if slice_ == 0:
                    acc += branch_of(up, narrow, counters + 1, 0, row, rm, M, RANK, PLAIN)
            tl.store(part + slice_ * tiles * (BN * BM), acc)
            tl.debug_barrier()
            finish = tl.atomic_add(counters + 2 + tile, 1, sem="acq_rel") == slices - 1
        if finish:
            if LATE:
                # The programs that raise the flag have lower numbers and so are running already.
                branch = branch_of(up, narrow, counters + 1, raised, row, rm, M, RANK, PLAIN)
            if SPLIT > 1:
                acc = tl.zeros((BN, BM), tl.float32)
                # Loads that are under way at once; of larger tiles too many registers.
                AT_ONCE: tl.constexpr = SPLIT if BN * BM <= 2048 else (4 if BN * BM <= 4096 else 1)
                for i in range(0, SPLIT, AT_ONCE):
                    for j in tl.static_range(AT_ONCE):
                        there = inside < (slices - i - j) * (BN * BM)
                        at = part + (i + j) * tiles * (BN * BM)
                        acc += tl.load(at, mask=there, other=0.0, cache_modifier=".cg")
                tl.atomic_xchg(counters + 2 + tile, 0, sem="relaxed")
            if LATE:
                acc += branch
            where = rm[None, :] * N + rn[:, None]
            tl.store(out + where, acc.to(out.dtype.element_ty), mask=(rm < M)[None, :] & (rn < N)[:, None])


@triton.jit
def dequantize(codes, scales, out, up, N, K, ldo, slabs, BN: tl.constexpr, PLAIN: tl.constexpr, RANK: tl.constexpr):
    """``value * block scale`` of every weight, exact in bf16, in rows of ``ldo``; ``up`` in the RANK columns after."""
    slab = tl.program_id(0)
    rn = tl.program_id(1) * BN + tl.arange(0, BN)
    ri = tl.arange(0, 64)
    rg = tl.arange(0, 4)
    row = tl.minimum(rn, N - 1)
    half = tl.load(codes + (slab * N + row[:, None]) * 64 + ri[None, :])
    word = tl.load(scales + (slab * N + row[:, None]) * 4 + rg[None, :])
    a0, a1, a2, a3 = decoded(half, word, PLAIN, tl.zeros((1, 1), out.dtype.element_ty))
    if not PLAIN:
        # Powers of two only, so bf16 holds the product too.
        a0, a1, a2, a3 = a0 * 256.0, a1 * 256.0, a2 * 256.0, a3 * 256.0
    lane = slab * 256 + ri
    base = out + rn[:, None] * ldo + lane[None, :]
    inside = (rn < N)[:, None]
    tl.store(base, a0.to(out.dtype.element_ty), mask=inside & (lane < K)[None, :])
    tl.store(base + 64, a1.to(out.dtype.element_ty), mask=inside & (lane + 64 < K)[None, :])
    tl.store(base + 128, a2.to(out.dtype.element_ty), mask=inside & (lane + 128 < K)[None, :])
    tl.store(base + 192, a3.to(out.dtype.element_ty), mask=inside & (lane + 192 < K)[None, :])
    # One condition is the compiler's, the other a tensor.
    if RANK > 0:  # noqa: SIM102
        if slab == slabs - 1:
            rr = tl.arange(0, RANK)
            u = tl.load(up + row[:, None] * RANK + rr[None, :])
            tl.store(out + rn[:, None] * ldo + K + rr[None, :], u, mask=inside)


@triton.jit
def narrow_rows(x, down, factor, M, K, ldx, BM: tl.constexpr, BK: tl.constexpr, RANK: tl.constexpr):
    """``factor * x down^T`` of many rows, stored in the RANK columns of x after its K."""
    rm = tl.program_id(0) * BM + tl.arange(0, BM)
    rr = tl.arange(0, RANK)
    rk = tl.arange(0, BK)
    live = rm < M
    rows = x + rm[:, None] * ldx
    acc = tl.zeros((BM, RANK), tl.float32)
    for k in tl.range(0, K, BK, num_stages=4):
        inside = k + rk < K
        a = tl.load(rows + k + rk[None, :], mask=live[:, None] & inside[None, :], other=0.0)
        b = tl.load(down + rr[None, :] * K + k + rk[:, None], mask=inside[:, None], other=0.0)
        acc = tl.dot(a, b, acc)
    tl.store(rows + K + rr[None, :], (acc * factor).to(x.dtype.element_ty), mask=live[:, None])
