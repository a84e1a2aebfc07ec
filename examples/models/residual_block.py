"""A block of a residual network: `brickwork explore examples/models/residual_block.py:build --format bf16`."""

import torch
from torch import nn


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut, as ResNet-18 has them at 56 by 56 (He et al., CVPR 2016, table 1)."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features of the same shape."""
        return torch.relu(image + self.second(torch.relu(self.first(image))))


def build() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """The block with 32 images."""
    return ResidualBlock(), (torch.randn(32, 64, 56, 56),)
