"""The U-Nets of diffusion models: DDPM on CIFAR-10 and Stable Diffusion 1.5."""

from __future__ import annotations

from workloads.networks.network import Layer, Network
from workloads.networks.operators import attention, conv, linear


class _Builder:
    """Collects layers; normalisation comes before a layer here, so it is counted apart."""

    def __init__(self, time_width: int) -> None:
        self.time_width = time_width
        self.layers: list[Layer] = []
        self.norms = 0

    def conv(self, name: str, oc: int, ic: int, size: int, kernel: int = 3, stride: int = 1) -> None:
        self.layers.append(conv(name, oc, ic, size, kernel, stride=stride, bias=True, norm=False))

    def residual(self, name: str, oc: int, ic: int, size: int) -> None:
        """Two convolutions with the time step added between them, and a shortcut where channels change."""
        self.norms += 2 * (ic + oc)
        self.conv(f"{name}.conv1", oc, ic, size)
        self.layers.append(linear(f"{name}.time", 1, oc, self.time_width))
        self.conv(f"{name}.conv2", oc, oc, size)
        if oc != ic:
            self.conv(f"{name}.shortcut", oc, ic, size, 1)

    def attend(self, name: str, channels: int, size: int) -> None:
        """Attention of one head over all pixels."""
        self.norms += 2 * channels
        tokens = size**2
        self.layers.append(linear(f"{name}.query_key_value", tokens, 3 * channels, channels))
        self.layers += attention(name, 1, tokens, tokens, channels)
        self.layers.append(linear(f"{name}.projection", tokens, channels, channels))

    def transform(self, name: str, channels: int, size: int, *, text: int, text_width: int) -> None:
        """A transformer block: attention over the pixels, attention to the text, a gated MLP."""
        self.norms += 2 * channels + 3 * 2 * channels
        tokens, heads = size**2, 8
        head = channels // heads
        self.conv(f"{name}.in", channels, channels, size, 1)
        self.layers.append(linear(f"{name}.self.query_key_value", tokens, 3 * channels, channels, bias=False))
        self.layers += attention(f"{name}.self", heads, tokens, tokens, head)
        self.layers.append(linear(f"{name}.self.projection", tokens, channels, channels))
        self.layers.append(linear(f"{name}.text.query", tokens, channels, channels, bias=False))
        self.layers.append(linear(f"{name}.text.key_value", text, 2 * channels, text_width, bias=False))
        self.layers += attention(f"{name}.text", heads, tokens, text, head)
        self.layers.append(linear(f"{name}.text.projection", tokens, channels, channels))
        self.layers.append(linear(f"{name}.mlp.up", tokens, 8 * channels, channels))
        self.layers.append(linear(f"{name}.mlp.down", tokens, channels, 4 * channels))
        self.conv(f"{name}.out", channels, channels, size, 1)


def ddpm_cifar10() -> Network:
    """One step on one image of 32 by 32."""
    base, multiples, blocks, attended = 128, (1, 2, 2, 2), 2, 16
    net = _Builder(4 * base)
    net.layers += [linear("time.0", 1, 4 * base, base), linear("time.1", 1, 4 * base, 4 * base)]
    net.conv("in", base, 3, 32)
    size, channels, skips = 32, base, [base]
    for level, multiple in enumerate(multiples):
        for block in range(blocks):
            net.residual(f"down{level}.{block}", base * multiple, channels, size)
            channels = base * multiple
            if size == attended:
                net.attend(f"down{level}.{block}.attention", channels, size)
            skips.append(channels)
        if level < len(multiples) - 1:
            net.conv(f"down{level}.halve", channels, channels, size, stride=2)
            size //= 2
            skips.append(channels)
    net.residual("middle.0", channels, channels, size)
    net.attend("middle.attention", channels, size)
    net.residual("middle.1", channels, channels, size)
    for level, multiple in reversed(list(enumerate(multiples))):
        for block in range(blocks + 1):
            net.residual(f"up{level}.{block}", base * multiple, channels + skips.pop(), size)
            channels = base * multiple
            if size == attended:
                net.attend(f"up{level}.{block}.attention", channels, size)
        if level:
            size *= 2
            net.conv(f"up{level}.double", channels, channels, size)
    net.norms += 2 * channels
    net.conv("out", 3, channels, size)
    return Network(
        "ddpm_cifar10",
        "one step on one image of 32 x 32",
        tuple(net.layers),
        (("normalisation", net.norms),),
        "J. Ho et al., Denoising Diffusion Probabilistic Models, NeurIPS 2020, appendix B",
    )


def stable_diffusion_1_5() -> Network:
    """One step of the U-Net on latents of 64 by 64 (an image of 512 by 512) with 77 text tokens of 768."""
    widths, blocks, text, text_width = (320, 640, 1280, 1280), 2, 77, 768
    time_width = 4 * widths[0]
    net = _Builder(time_width)
    net.layers += [linear("time.0", 1, time_width, widths[0]), linear("time.1", 1, time_width, time_width)]
    net.conv("in", widths[0], 4, 64)
    size, channels, skips = 64, widths[0], [widths[0]]
    last = len(widths) - 1
    for level, width in enumerate(widths):
        for block in range(blocks):
            net.residual(f"down{level}.{block}", width, channels, size)
            channels = width
            if level < last:
                net.transform(f"down{level}.{block}.transformer", width, size, text=text, text_width=text_width)
            skips.append(channels)
        if level < last:
            net.conv(f"down{level}.halve", channels, channels, size, stride=2)
            size //= 2
            skips.append(channels)
    net.residual("middle.0", channels, channels, size)
    net.transform("middle.transformer", channels, size, text=text, text_width=text_width)
    net.residual("middle.1", channels, channels, size)
    for level, width in reversed(list(enumerate(widths))):
        for block in range(blocks + 1):
            net.residual(f"up{level}.{block}", width, channels + skips.pop(), size)
            channels = width
            if level < last:
                net.transform(f"up{level}.{block}.transformer", width, size, text=text, text_width=text_width)
        if level:
            size *= 2
            net.conv(f"up{level}.double", channels, channels, size)
    net.norms += 2 * channels
    net.conv("out", 4, channels, size)
    return Network(
        "stable_diffusion_1.5",
        "one step on latents of 64 x 64 with 77 text tokens",
        tuple(net.layers),
        (("normalisation", net.norms),),
        "R. Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models, CVPR 2022; the v1-5 U-Net",
    )
