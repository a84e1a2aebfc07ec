"""Normalisations of odd widths, with everything that may go along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from sw_kernels.rms_norm.launch import rms_norm
from sw_kernels.rms_norm.naive import rms_norm_naively
from sw_kernels.rms_norm.noise import Noise


@dataclass(frozen=True)
class Case:
    id: str
    rows: int
    channels: int
    residual: bool = False
    noise: Noise | None = None
    apart: int = 0
    size: float = 1.0


CASES = [
    Case("one-channel", 3, 1),
    Case("odd-width", 2, 333),
    Case("rows-apart", 3, 100, apart=7),
    Case("residual", 3, 130, residual=True),
    Case("noise", 2, 700, noise=Noise(0.5, 1)),
    Case("noise-of-a-long-seed", 2, 64, noise=Noise(0.5, (1 << 62) + 12345)),
    Case("no-noise-of-sigma-zero", 2, 64, noise=Noise(0.0, 3)),
    Case("residual-and-noise", 2, 257, residual=True, noise=Noise(0.01, 9), apart=3),
    Case("more-rows-than-programs", 600, 10, residual=True, noise=Noise(0.1, 4)),
    # Here epsilon decides.
    Case("tiny", 2, 50, size=1e-4),
]


def compared(case: Case, dtype: torch.dtype) -> dict[str, Any]:
    torch.manual_seed(3)
    x = (torch.randn(case.rows, case.channels + case.apart) * case.size).to(dtype)[:, : case.channels]
    weight = (1 + 0.1 * torch.randn(case.channels)).to(dtype)
    residual = torch.randn(case.rows, case.channels).to(dtype) if case.residual else None
    h, reference = rms_norm_naively(x, weight, residual, 1e-6, case.noise)
    out = torch.full((case.rows, case.channels), float("nan"), dtype=dtype)
    rms_norm(x, weight, out, residual=residual, epsilon=1e-6, noise=case.noise)
    return {
        "error": ((out.double() - reference).abs() / reference.abs().clamp(min=1e-3)).max().item(),
        "residual": residual is None or torch.equal(residual, h),
    }
