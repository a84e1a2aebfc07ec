"""Layers by the terms of network papers, with their parameter counts."""

from __future__ import annotations

from workloads.networks.network import Layer


def conv(
    name: str,
    oc: int,
    ic: int,
    size: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: int | None = None,
    bias: bool = False,
    norm: bool = True,
    repeat: int = 1,
) -> Layer:
    """A square convolution on ``ic`` maps of ``size`` by ``size``; the padding keeps the size when left out.

    Parameters
    ----------
    norm
        A normalisation follows, with a scale and a shift a channel.
    """
    pad = kernel // 2 if padding is None else padding
    operator = f"conv2d:n=1,oc={oc},ic={ic},h={size},w={size},kh={kernel},kw={kernel},stride={stride},padding={pad}"
    return Layer(name, operator, repeat, oc * ic * kernel**2 + oc * bias + 2 * oc * norm)


def depthwise(
    name: str, channels: int, size: int, kernel: int = 3, *, stride: int = 1, padding: int = 1, repeat: int = 1
) -> Layer:
    """A convolution of each channel by itself, with the normalisation that follows."""
    operator = f"depthwise:n=1,c={channels},h={size},w={size},kh={kernel},kw={kernel},stride={stride},padding={padding}"
    return Layer(name, operator, repeat, channels * kernel**2 + 2 * channels)


def linear(name: str, rows: int, outputs: int, inputs: int, *, bias: bool = True, repeat: int = 1) -> Layer:
    """A matrix of ``inputs`` by ``outputs`` applied to ``rows`` vectors."""
    return Layer(name, f"gemm:m={rows},n={outputs},k={inputs}", repeat, inputs * outputs + outputs * bias)


def attention(name: str, heads: int, queries: int, keys: int, width: int, *, repeat: int = 1) -> tuple[Layer, Layer]:
    """Scores and weighted sums of dense attention; ``width`` is that of one head."""
    sizes = f"h={heads},q={queries},k={keys},d={width}"
    return (
        Layer(f"{name}.scores", f"attention_scores:{sizes}", repeat),
        Layer(f"{name}.output", f"attention_output:{sizes}", repeat),
    )


def grouped_attention(
    name: str, heads: int, groups: int, queries: int, keys: int, width: int, *, repeat: int = 1
) -> tuple[Layer, Layer]:
    """The same where ``heads // groups`` query heads share the keys and values of a group.

    The queries of one group are rows of one product, so that its keys are read once for all of them.
    """
    rows = heads // groups * queries
    sizes = f"h={groups},q={rows},k={keys},d={width}"
    return (
        Layer(f"{name}.scores", f"attention_scores:{sizes}", repeat),
        Layer(f"{name}.output", f"attention_output:{sizes}", repeat),
    )


def squeeze(name: str, channels: int, squeezed: int, *, repeat: int = 1) -> tuple[Layer, Layer]:
    """Squeeze and excitation: two linear layers on the mean of each channel."""
    return (
        linear(f"{name}.reduce", 1, squeezed, channels, repeat=repeat),
        linear(f"{name}.expand", 1, channels, squeezed, repeat=repeat),
    )
