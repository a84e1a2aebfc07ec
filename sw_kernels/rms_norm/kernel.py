"""Root-mean-square normalisation, one row a program."""

# Triton reads annotations of kernels as types of its own.
# mypy: disallow-untyped-defs=False

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["seed", "rows"])
def rms_norm(x, weight, residual, out, rows, N, stride, epsilon, sigma, seed, BLOCK: tl.constexpr,
             RESIDUAL: tl.constexpr, NOISE: tl.constexpr):  # fmt: skip
    """``residual = h = x + residual``, then ``out = h / rms(h) * (weight + sigma * normal(seed, channel))``.

    A program takes every so many-th row, so that noise is made once for all of them.
    """
    channel = tl.arange(0, BLOCK)
    inside = channel < N
    gain = tl.load(weight + channel, mask=inside, other=0.0).to(tl.float32)
    if NOISE:
        gain += sigma * tl.randn(seed, channel)
    for turn in tl.range(tl.cdiv(rows - tl.program_id(0), tl.num_programs(0)), num_stages=2):
        row = tl.program_id(0).to(tl.int64) + turn * tl.num_programs(0)
        h = tl.load(x + row * stride + channel, mask=inside, other=0.0).to(tl.float32)
        if RESIDUAL:
            h += tl.load(residual + row * N + channel, mask=inside, other=0.0).to(tl.float32)
            # What is normalised is what the next layer adds to.
            rounded = h.to(residual.dtype.element_ty)
            tl.store(residual + row * N + channel, rounded, mask=inside)
            h = rounded.to(tl.float32)
        scale = tl.rsqrt(tl.sum(h * h, 0) / N + epsilon)
        tl.store(out + row * N + channel, (h * scale * gain).to(out.dtype.element_ty), mask=inside)
