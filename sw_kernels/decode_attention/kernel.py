"""Decode attention: a slice of the tokens a program, merged by the last slice to arrive."""

# Triton reads annotations of kernels as types of its own.
# mypy: disallow-untyped-defs=False

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["SPLIT", "most_pages"])
def decode(q, keys, values, table, lengths, out, partial, partial_lse, counters, scale_log2, HEADS, most_pages, SPLIT,
           GROUP: tl.constexpr, ROWS: tl.constexpr, D: tl.constexpr, PAGE: tl.constexpr, BN: tl.constexpr,
           STAGES: tl.constexpr):  # fmt: skip
    """One new token a sequence: GROUP query heads share a head of keys and values, BN tokens at a time.

    ROWS is GROUP rounded up to what the tensor cores take. ``counters`` are zero before and after. A sequence is cut
    into at most SPLIT slices, whose order of merging does not depend on which comes last, so that results repeat.
    """
    head = tl.program_id(0)
    slice_ = tl.program_id(1)
    sequence = tl.program_id(2)
    length = tl.load(lengths + sequence)
    blocks = tl.cdiv(length, BN)
    slices = tl.maximum(tl.minimum(SPLIT, blocks), 1)
    if slice_ < slices:
        rg = tl.arange(0, ROWS)
        rd = tl.arange(0, D)
        rn = tl.arange(0, BN)
        live = rg < GROUP
        where = ((sequence * HEADS + head) * GROUP + rg[:, None]) * D + rd[None, :]
        query = tl.load(q + where, mask=live[:, None], other=0.0)
        most = tl.full((ROWS,), -float("inf"), tl.float32)
        total = tl.zeros((ROWS,), tl.float32)
        acc = tl.zeros((ROWS, D), tl.float32)
        first = (slice_.to(tl.int64) * blocks // slices).to(tl.int32)
        last = ((slice_ + 1).to(tl.int64) * blocks // slices).to(tl.int32)
        for block in tl.range(first, last, num_stages=STAGES):
            # Past the end the last token is read again, since what a page holds there may be anything, NaN included.
            if PAGE % BN == 0:
                page = tl.load(table + sequence * most_pages + block * BN // PAGE)
                token = tl.minimum(rn, length - 1 - block * BN)
                row = token * D + ((page.to(tl.int64) * HEADS + head) * PAGE + block * BN % PAGE) * D
            else:
                token = tl.minimum(block * BN + rn, length - 1)
                page = tl.load(table + sequence * most_pages + token // PAGE)
                row = ((page.to(tl.int64) * HEADS + head) * PAGE + token % PAGE) * D
            k = tl.load(keys + row[None, :] + rd[:, None])
            v = tl.load(values + row[:, None] + rd[None, :])
            scores = tl.dot(query, k, input_precision="ieee")
            scores = tl.where((block * BN + rn < length)[None, :], scores * scale_log2, -float("inf"))
            above = tl.maximum(most, tl.max(scores, 1))
            weight = tl.exp2(scores - above[:, None])
            decay = tl.exp2(most - above)
            total = total * decay + tl.sum(weight, 1)
            acc = tl.dot(weight.to(v.dtype), v, acc * decay[:, None], input_precision="ieee")
            most = above
        # Of no tokens the sums stay zero.
        acc = acc / tl.where(total > 0, total, 1.0)[:, None]
        finish = True
        if slices > 1:
            base = (sequence * HEADS + head) * SPLIT
            rows = rg[:, None] * D + rd[None, :]
            tl.store(partial + (base + slice_).to(tl.int64) * (ROWS * D) + rows, acc)
            tl.store(partial_lse + (base + slice_) * ROWS + rg, most + tl.log2(total))
            tl.debug_barrier()
            finish = tl.atomic_add(counters + sequence * HEADS + head, 1, sem="acq_rel") == slices - 1
            if finish:
                most = tl.full((ROWS,), -float("inf"), tl.float32)
                total = tl.zeros((ROWS,), tl.float32)
                acc = tl.zeros((ROWS, D), tl.float32)
                for i in range(slices):
                    lse = tl.load(partial_lse + (base + i) * ROWS + rg, cache_modifier=".cg")
                    part = tl.load(partial + (base + i).to(tl.int64) * (ROWS * D) + rows, cache_modifier=".cg")
                    above = tl.maximum(most, lse)
                    decay = tl.exp2(most - above)
                    weight = tl.exp2(lse - above)
                    acc = acc * decay[:, None] + part * weight[:, None]
                    total = total * decay + weight
                    most = above
                acc = acc / total[:, None]
                tl.atomic_xchg(counters + sequence * HEADS + head, 0)
        if finish:
            tl.store(out + where, acc.to(out.dtype.element_ty), mask=live[:, None])
