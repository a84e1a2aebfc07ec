"""ResNet-50."""

from __future__ import annotations

from workloads.networks.network import Layer, Network
from workloads.networks.operators import conv, linear

# Blocks, width and input size of each stage; the stride is in the 3 x 3 convolution.
_STAGES = ((3, 64, 56), (4, 128, 56), (6, 256, 28), (3, 512, 14))


def resnet50() -> Network:
    """One image of 224 by 224."""
    layers: list[Layer] = [conv("conv1", 64, 3, 224, 7, stride=2)]
    channels = 64
    for stage, (blocks, width, size) in enumerate(_STAGES, 2):
        stride = 1 if stage == 2 else 2
        wide, small = 4 * width, size // stride
        layers += [
            conv(f"conv{stage}_1.a", width, channels, size, 1),
            conv(f"conv{stage}_1.b", width, width, size, 3, stride=stride),
            conv(f"conv{stage}_1.c", wide, width, small, 1),
            conv(f"conv{stage}_1.shortcut", wide, channels, size, 1, stride=stride),
            conv(f"conv{stage}_x.a", width, wide, small, 1, repeat=blocks - 1),
            conv(f"conv{stage}_x.b", width, width, small, 3, repeat=blocks - 1),
            conv(f"conv{stage}_x.c", wide, width, small, 1, repeat=blocks - 1),
        ]
        channels = wide
    layers.append(linear("fc", 1, 1000, channels))
    return Network(
        "resnet50",
        "one image of 224 x 224",
        tuple(layers),
        (),
        "K. He et al., Deep Residual Learning for Image Recognition, CVPR 2016; stride as in torchvision resnet50",
    )
