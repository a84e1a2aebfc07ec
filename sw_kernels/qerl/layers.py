"""Layers of a policy in four bits: frozen matrices with adapters, and normalisation that takes noise."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from workloads.errors import BrickworkError
from workloads.formats.block_format import BlockFormat
from workloads.formats.packing import pack
from workloads.formats.quantize import quantize


class LayerError(BrickworkError):
    """A format that frozen matrices cannot have."""


class FrozenMatrix(nn.Module):
    """A matrix in a four-bit block format with byte scales, widened for every product.

    Parameters
    ----------
    weight : tensor, shape (outputs, inputs)
    number_format
        None keeps the matrix as it is.

    Raises
    ------
    LayerError
    """

    packed: torch.Tensor
    scale_codes: torch.Tensor
    elements: torch.Tensor
    scales: torch.Tensor
    wide: torch.Tensor

    def __init__(self, weight: torch.Tensor, number_format: BlockFormat | None) -> None:
        super().__init__()
        self.format = number_format
        if number_format is None:
            self.register_buffer("wide", weight.detach().clone())
            return
        element, scale = number_format.element.encoding, number_format.scale.encoding
        if element is None or scale is None or element.bits != 4 or scale.bits != 8:
            raise LayerError(f"frozen matrices take nvfp4 or mxfp4, not {number_format.name}")
        tensor = quantize(weight.detach().cpu().float().numpy(), number_format)
        packed, scale_codes = pack(tensor)
        self.tensor_scale = float(tensor.tensor_scale)

        def table(values: np.ndarray) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.float32, device=weight.device)

        self.register_buffer("packed", torch.from_numpy(packed).to(weight.device))
        self.register_buffer("scale_codes", torch.from_numpy(scale_codes).to(weight.device))
        self.register_buffer("elements", table(element.decode(range(16))))
        self.register_buffer("scales", table(scale.decode(range(256))))

    def weight(self, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """The numbers that are meant, shape ``(outputs, inputs)``."""
        if self.format is None:
            return self.wide.to(dtype)
        codes = torch.stack([self.packed & 15, self.packed >> 4], dim=-1).flatten(1)
        scales = self.scales[self.scale_codes.int()].repeat_interleave(self.format.block, dim=1)
        return (self.elements[codes.int()] * scales * self.tensor_scale).to(dtype)


class AdaptedLinear(nn.Module):
    """``x W^T + (x A^T) B^T``: W frozen, A and B learned. B starts as zeros, so the adapter does nothing at first.

    References
    ----------
    E. Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR 2022.
    """

    def __init__(
        self, weight: torch.Tensor, rank: int, number_format: BlockFormat | None, generator: torch.Generator
    ) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.frozen = FrozenMatrix(weight, number_format)
        down = torch.randn(rank, inputs, generator=generator, device=weight.device, dtype=weight.dtype)
        self.down = nn.Parameter(down / inputs**0.5)
        self.up = nn.Parameter(torch.zeros(outputs, rank, device=weight.device, dtype=weight.dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.frozen.weight(x.dtype).T + (x @ self.down.T) @ self.up.T


class RmsNorm(nn.Module):
    """``x / sqrt(mean(x^2) + epsilon) * (w + Z)``; Z is the noise, zero unless it is drawn.

    Noise on w is noise ``Z / w + 1`` on the columns of every matrix that reads the result, at no cost: the matrices
    stay as they are.

    References
    ----------
    QeRL, arXiv 2510.11696, equations 10 to 12.
    """

    weight: torch.Tensor
    noise: torch.Tensor

    def __init__(self, weight: torch.Tensor, epsilon: float = 1e-6) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.register_buffer("weight", weight)
        self.register_buffer("noise", torch.zeros_like(weight))

    def draw(self, sigma: float, generator: torch.Generator) -> None:
        """Take new noise; no noise where ``sigma`` is 0."""
        if sigma:
            self.noise.normal_(0, sigma, generator=generator)
        else:
            self.noise.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inverse = torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + self.epsilon)
        return x * inverse * (self.weight + self.noise)
