"""The definition, in fp64."""

from __future__ import annotations

from typing import Any

from sw_kernels.rms_norm.noise import Noise


def rms_norm_naively(x: Any, weight: Any, residual: Any | None, epsilon: float, noise: Noise | None) -> tuple[Any, Any]:
    """``h = x + residual`` in the type of x, and ``h / rms(h) * (weight + noise)`` in fp64."""
    import torch

    h = x if residual is None else (x.double() + residual.double()).to(x.dtype)
    wide = h.double()
    scale = torch.rsqrt(wide.square().mean(1, keepdim=True) + epsilon)
    gain = weight.double()
    if noise is not None:
        gain = gain + torch.from_numpy(noise.values(weight.numel())).to(gain.device)
    return h, wide * scale * gain
