"""FLUX.1: a transformer of two kinds of blocks over image and text tokens."""

from __future__ import annotations

from workloads.networks.network import Layer, Network
from workloads.networks.operators import attention, linear

_WIDTH, _HEADS, _DOUBLE, _SINGLE = 3072, 24, 19, 38


def flux_1_dev(tokens: int = 4096, text: int = 512) -> Network:
    """One step on ``tokens`` image tokens (4096 are an image of 1024 by 1024) and ``text`` text tokens."""
    width, inner, head = _WIDTH, 4 * _WIDTH, _WIDTH // _HEADS
    both = tokens + text
    layers: list[Layer] = [linear("image.in", tokens, width, 64), linear("text.in", text, width, 4096)]
    for name, inputs in (("time", 256), ("guidance", 256), ("pooled_text", 768)):
        layers += [linear(f"{name}.0", 1, width, inputs), linear(f"{name}.1", 1, width, width)]
    for stream, rows in (("image", tokens), ("text", text)):
        layers += [
            linear(f"double.{stream}.modulation", 1, 6 * width, width, repeat=_DOUBLE),
            linear(f"double.{stream}.query_key_value", rows, 3 * width, width, repeat=_DOUBLE),
            linear(f"double.{stream}.projection", rows, width, width, repeat=_DOUBLE),
            linear(f"double.{stream}.mlp.up", rows, inner, width, repeat=_DOUBLE),
            linear(f"double.{stream}.mlp.down", rows, width, inner, repeat=_DOUBLE),
        ]
    layers += attention("double.attention", _HEADS, both, both, head, repeat=_DOUBLE)
    layers += [
        linear("single.modulation", 1, 3 * width, width, repeat=_SINGLE),
        linear("single.query_key_value_mlp.up", both, 3 * width + inner, width, repeat=_SINGLE),
        *attention("single.attention", _HEADS, both, both, head, repeat=_SINGLE),
        linear("single.projection_mlp.down", both, width, width + inner, repeat=_SINGLE),
        linear("out.modulation", 1, 2 * width, width),
        linear("out", tokens, 64, width),
    ]
    return Network(
        "flux.1_dev",
        f"one step on {tokens} image tokens and {text} text tokens",
        tuple(layers),
        (("normalisation of queries and keys", (2 * _DOUBLE + _SINGLE) * 2 * head),),
        "Black Forest Labs, FLUX.1 [dev], 2024; model.py of the released code",
    )
