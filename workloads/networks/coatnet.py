"""CoAtNet-0."""

from __future__ import annotations

from workloads.networks.network import Layer, Network
from workloads.networks.operators import attention, conv, depthwise, linear, squeeze

_HEAD = 32


def coatnet_0() -> Network:
    """One image of 224 by 224; two stages of convolutions and two of relative attention (table 3 of the paper)."""
    layers: list[Layer] = [conv("s0.0", 64, 3, 224, 3, stride=2), conv("s0.1", 64, 64, 112, 3)]
    channels, size = 64, 112
    norms = biases = 0
    for stage, (blocks, out) in enumerate(((2, 96), (3, 192)), 1):
        for block in range(blocks):
            name, stride, wide = f"s{stage}.{block}", 2 if block == 0 else 1, 4 * out
            norms += 2 * channels
            layers.append(conv(f"{name}.expand", wide, channels, size, 1, stride=stride))
            size //= stride
            layers.append(depthwise(f"{name}.depthwise", wide, size))
            layers += squeeze(f"{name}.squeeze", wide, out // 4)
            layers.append(conv(f"{name}.project", out, wide, size, 1, bias=True, norm=False))
            if block == 0:
                layers.append(conv(f"{name}.shortcut", out, channels, size, 1, bias=True, norm=False))
            channels = out
    for stage, (blocks, out) in enumerate(((5, 384), (2, 768)), 3):
        size //= 2
        tokens, heads = size**2, out // _HEAD
        for block in range(blocks):
            name = f"s{stage}.{block}"
            norms += 2 * (channels + out)
            biases += heads * (2 * size - 1) ** 2
            if block == 0:
                layers.append(linear(f"{name}.shortcut", tokens, out, channels))
            layers.append(linear(f"{name}.query_key_value", tokens, 3 * out, channels))
            layers += attention(f"{name}.attention", heads, tokens, tokens, _HEAD)
            layers.append(linear(f"{name}.projection", tokens, out, out))
            layers.append(linear(f"{name}.mlp.up", tokens, 4 * out, out))
            layers.append(linear(f"{name}.mlp.down", tokens, out, 4 * out))
            channels = out
    layers.append(linear("classifier", 1, 1000, channels))
    return Network(
        "coatnet_0",
        "one image of 224 x 224",
        tuple(layers),
        (("normalisation", norms + 2 * channels), ("relative positions", biases)),
        "Z. Dai et al., CoAtNet: Marrying Convolution and Attention for All Data Sizes, NeurIPS 2021",
    )
