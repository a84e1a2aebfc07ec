"""The product with four-bit weights by programs that all do the same number of steps, wherever tiles begin."""

# Triton reads annotations of kernels as types of its own.
# mypy: disallow-untyped-defs=False

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

from sw_kernels.nvfp4.weight_only.kernel import branch_of, narrow_activations, sums_of_steps, wait_for


@triton.jit(do_not_specialize=["M", "SHARES"])
def linear_evenly(x, codes, scales, out, down, up, narrow, narrow_partial, partial, counters, factor, M, N, K, ldx,
                  slabs, SHARES, BN: tl.constexpr, BM: tl.constexpr, G: tl.constexpr, STAGES: tl.constexpr,
                  GUARD: tl.constexpr, PLAIN: tl.constexpr, EVEN: tl.constexpr, RANK: tl.constexpr,
                  PARTS: tl.constexpr, DEPENDENT: tl.constexpr):  # fmt: skip
    """``out[M, N] = x[M, K] W^T``, plus ``(x down^T) up^T`` where RANK > 0.

    The steps of all tiles, one tile after another, are cut into SHARES runs of equal length, each a program. The run
    in which a tile begins owns it: it adds what later runs did for the tile, in their order, and the low-rank branch,
    whose narrow activations the first PARTS programs make. ``counters`` are zero before and after: the two of the
    branch, and a flag for each run.
    """
    if DEPENDENT:
        gdc_launch_dependents()
        gdc_wait()
    heights = tl.cdiv(M, BM)
    steps = slabs * (4 // G)
    total = tl.cdiv(N, BN) * heights * steps
    pid = tl.program_id(0)
    # A program waits for later runs only, whose programs have lower numbers and so are running already.
    run = SHARES - 1 - (pid - PARTS)
    position = run * total // SHARES
    end = (run + 1) * total // SHARES
    # One condition is the compiler's.
    if RANK > 0:  # noqa: SIM102
        if pid < PARTS:
            tiles = tl.cdiv(N, BN) * heights
            narrow_activations(x, down, narrow, narrow_partial, counters, M, K, ldx, pid, tiles, PARTS, BM, RANK, 128)
            position = end
    inside = tl.arange(0, BN)[:, None] * BM + tl.arange(0, BM)[None, :]
    while position < end:
        tile = position // steps
        first = position - tile * steps
        last = tl.minimum(steps, end - tile * steps)
        rn = (tile // heights) * BN + tl.arange(0, BN)
        # Rows beyond N read the last row, and are not stored.
        row = tl.minimum(rn, N - 1)
        rm = (tile % heights) * BM + tl.arange(0, BM)
        acc = sums_of_steps(
            x, codes, scales, row, rm, first, last, M, N, K, ldx, BN, BM, G, STAGES, GUARD, PLAIN, EVEN
        )  # fmt: skip
        acc = acc * (factor if PLAIN else factor * 256.0)
        if first > 0:
            tl.store(partial + run * (BN * BM) + inside, acc)
            tl.debug_barrier()
            tl.atomic_xchg(counters + 2 + run, 1, sem="release")
        else:
            other = run
            done = end
            while done < (tile + 1) * steps:
                other += 1
                done = (other + 1) * total // SHARES
                wait_for(counters + 2 + other, PLAIN)
                acc += tl.load(partial + other * (BN * BM) + inside, cache_modifier=".cg")
                # No thread may still look at the flag.
                tl.debug_barrier()
                tl.atomic_xchg(counters + 2 + other, 0, sem="relaxed")
            if RANK > 0:
                acc += branch_of(up, narrow, counters + 1, 0, row, rm, M, RANK, PLAIN)
            where = rm[None, :] * N + rn[:, None]
            tl.store(out + where, acc.to(out.dtype.element_ty), mask=(rm < M)[None, :] & (rn < N)[:, None])
        position = tile * steps + last
