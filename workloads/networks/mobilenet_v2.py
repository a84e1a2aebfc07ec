"""MobileNetV2."""

from __future__ import annotations

from workloads.networks.network import Layer, Network
from workloads.networks.operators import conv, depthwise, linear

# Expansion, channels, blocks, stride of the first block (table 2 of the paper).
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def mobilenet_v2() -> Network:
    """One image of 224 by 224, width 1."""
    layers: list[Layer] = [conv("stem", 32, 3, 224, 3, stride=2)]
    channels, size = 32, 112
    for stage, (expansion, out, blocks, first_stride) in enumerate(_STAGES):
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            name, wide = f"stage{stage}.{block}", expansion * channels
            if expansion > 1:
                layers.append(conv(f"{name}.expand", wide, channels, size, 1))
            layers.append(depthwise(f"{name}.depthwise", wide, size, stride=stride))
            size //= stride
            layers.append(conv(f"{name}.project", out, wide, size, 1))
            channels = out
    layers += [conv("head", 1280, channels, size, 1), linear("classifier", 1, 1000, 1280)]
    return Network(
        "mobilenet_v2",
        "one image of 224 x 224",
        tuple(layers),
        (),
        "M. Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018; details of torchvision",
    )
