"""EfficientNetV2-S."""

from __future__ import annotations

from workloads.networks.network import Layer, Network
from workloads.networks.operators import conv, depthwise, linear, squeeze

# Fused or not, expansion, stride of the first block, channels, blocks (table 4 of the paper).
_STAGES = (
    (True, 1, 1, 24, 2),
    (True, 4, 2, 48, 4),
    (True, 4, 2, 64, 4),
    (False, 4, 2, 128, 6),
    (False, 6, 1, 160, 9),
    (False, 6, 2, 256, 15),
)


def efficientnet_v2_s(size: int = 384) -> Network:
    """One image of ``size`` by ``size``; 384 is the paper's size for inference."""
    pixels = size
    layers: list[Layer] = [conv("stem", 24, 3, pixels, 3, stride=2)]
    channels, pixels = 24, -(-pixels // 2)
    for stage, (fused, expansion, first_stride, out, blocks) in enumerate(_STAGES, 1):
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            name, wide, small = f"stage{stage}.{block}", expansion * channels, -(-pixels // stride)
            if fused and expansion == 1:
                layers.append(conv(f"{name}.conv", out, channels, pixels, 3, stride=stride))
            elif fused:
                layers.append(conv(f"{name}.expand", wide, channels, pixels, 3, stride=stride))
                layers.append(conv(f"{name}.project", out, wide, small, 1))
            else:
                layers.append(conv(f"{name}.expand", wide, channels, pixels, 1))
                layers.append(depthwise(f"{name}.depthwise", wide, pixels, stride=stride))
                layers += squeeze(f"{name}.squeeze", wide, channels // 4)
                layers.append(conv(f"{name}.project", out, wide, small, 1))
            channels, pixels = out, small
    layers += [conv("head", 1280, channels, pixels, 1), linear("classifier", 1, 1000, 1280)]
    return Network(
        "efficientnet_v2_s",
        f"one image of {size} x {size}",
        tuple(layers),
        (),
        "M. Tan and Q. Le, EfficientNetV2: Smaller Models and Faster Training, ICML 2021; details of torchvision",
    )
