"""AlexNet in its single-tower form."""

from __future__ import annotations

from workloads.networks.network import Network
from workloads.networks.operators import conv, linear


def alexnet() -> Network:
    """One image of 224 by 224."""
    return Network(
        "alexnet",
        "one image of 224 x 224",
        (
            conv("conv1", 64, 3, 224, 11, stride=4, padding=2, bias=True, norm=False),
            conv("conv2", 192, 64, 27, 5, bias=True, norm=False),
            conv("conv3", 384, 192, 13, 3, bias=True, norm=False),
            conv("conv4", 256, 384, 13, 3, bias=True, norm=False),
            conv("conv5", 256, 256, 13, 3, bias=True, norm=False),
            linear("fc6", 1, 4096, 9216),
            linear("fc7", 1, 4096, 4096),
            linear("fc8", 1, 1000, 4096),
        ),
        (),
        "A. Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014; torchvision alexnet",
    )
