"""A small image classifier, as a user would write it: `brickwork show examples/models/small_cnn.py:build`."""

import torch
from torch import nn


class SmallCnn(nn.Module):
    """Three convolutions, one of them depthwise, and a classifier."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())
        self.depthwise = nn.Conv2d(32, 32, 3, stride=2, padding=1, groups=32)
        self.pointwise = nn.Conv2d(32, 64, 1)
        self.classifier = nn.Linear(64, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """One score a class."""
        features = torch.relu(self.pointwise(self.depthwise(self.stem(image))))
        return self.classifier(features.mean((2, 3)))


def build() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """The model with example inputs: one image of 32 by 32."""
    return SmallCnn(), (torch.randn(1, 3, 32, 32),)
