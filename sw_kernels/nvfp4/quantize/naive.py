"""The definition: `workloads.formats.quantize` on smoothed numbers, and the narrow activations in fp64."""

from __future__ import annotations

from typing import Any

import numpy as np

from workloads.formats import BLOCK_FORMATS, BlockScaled
from workloads.formats.quantize import quantize


def quantize_naively(x: Any, smooth: Any | None) -> BlockScaled:
    """``x / smooth``, rounded to fp32, in NVFP4."""
    values = x.float().cpu().numpy()
    if smooth is not None:
        values = values / smooth.float().cpu().numpy()
    return quantize(values.astype(np.float32), BLOCK_FORMATS["nvfp4"])


def narrow_naively(x: Any, down: Any) -> Any:
    """``x down^T`` in fp64."""
    return x.double() @ down.double().T
