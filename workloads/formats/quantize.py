"""Quantization to block formats: arrays of numbers to elements and scales, in a fixed order of fp32 operations."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from workloads.formats.block_format import ONE, BlockError, BlockFormat, BlockScaled, Floats
from workloads.formats.encoding import E2M1, E4M3, FP16

FLT_MAX = np.finfo(np.float32).max


def quantize(values: npt.ArrayLike, number_format: BlockFormat, *, multiplier: np.float32 | None = None) -> BlockScaled:
    """Quantize along the last axis.

    Parameters
    ----------
    values
        Numbers that fp32 holds, shape ``(..., K)``; K is a multiple of the block.
    multiplier
        Takes the place of the one that `encode_multiplier` reads off the tensor, for a format with a tensor scale: that
        of a calibration, or 1 for block scales alone. Blocks whose largest magnitude times it is beyond 2688 saturate.

    Raises
    ------
    BlockError
    """
    blocks = number_format.blocks(values)
    if multiplier is not None and not (number_format.tensor_scale and 0 < multiplier < np.inf):
        expected = "a positive multiplier" if number_format.tensor_scale else "none: there is no tensor scale"
        raise BlockError(number_format.name, f"multiplier {multiplier}: expected {expected}")
    if number_format.tensor_scale:
        return _nvfp4(blocks, number_format, multiplier)
    if number_format.element.integer:
        return _integers(blocks, number_format)
    return _microscaled(blocks, number_format)


def encode_multiplier(amax: np.float32) -> np.float32:
    """The fp32 factor that takes a tensor whose largest magnitude is ``amax`` to that of NVFP4, 6 * 448 = 2688."""
    if amax == 0:
        return ONE
    with np.errstate(over="ignore"):
        return min(np.float32(2688) / amax, FLT_MAX)


def _nvfp4(blocks: Floats, number_format: BlockFormat, multiplier: np.float32 | None) -> BlockScaled:
    """The order of operations of Transformer Engine's kernel; every line rounds to fp32, to nearest even."""
    with np.errstate(over="ignore", divide="ignore", under="ignore"):
        if multiplier is None:
            multiplier = encode_multiplier(np.max(np.abs(blocks), initial=np.float32(0)))
        tensor_scale = ONE / multiplier
        amax = np.abs(blocks).max(axis=-1, initial=np.float32(0))
        wanted = np.minimum(amax * (multiplier * (ONE / np.float32(6))), np.float32(448))
        scales = E4M3.rounded(wanted).astype(np.float32)
        inverse = np.minimum(ONE / (scales * tensor_scale), FLT_MAX)
        elements = E2M1.rounded(np.clip(blocks * inverse[..., np.newaxis], -6, 6))
    return BlockScaled(number_format, _joined(elements, np.float32), scales, tensor_scale)


def _microscaled(blocks: Floats, number_format: BlockFormat) -> BlockScaled:
    """MX: the scale is the power of two that takes the largest magnitude to the largest binade of the elements.

    An all-zero block has the smallest scale.

    References
    ----------
    Open Compute Project, "Microscaling formats (MX) specification", version 1.0, section 6.3.
    """
    encoding = number_format.element.encoding
    assert encoding is not None, number_format
    amax = np.abs(blocks).max(axis=-1, initial=np.float32(0))
    _, above = np.frexp(amax)
    _, top = np.frexp(encoding.most)
    exponent = np.where(amax == 0, -127, np.clip(above - int(top), -127, 127))
    scales = np.ldexp(1.0, exponent)
    # In fp64 the division by a power of two is exact.
    elements = encoding.rounded(blocks.astype(np.float64) / scales[..., np.newaxis])
    return BlockScaled(number_format, _joined(elements, np.float32), scales.astype(np.float32))


def _integers(blocks: Floats, number_format: BlockFormat) -> BlockScaled:
    """Symmetric: the largest magnitude becomes 7; the scale is rounded to fp16 first, and a zero scale becomes 1.

    With the rounded scale, a code may reach -8; it saturates to -8..7.
    """
    least, most = number_format.element.range
    amax = np.abs(blocks).max(axis=-1, initial=np.float32(0))
    # fp32 magnitudes may be beyond fp16.
    scales = np.minimum(FP16.rounded(amax / np.float32(most)), FP16.most).astype(np.float32)
    scales[scales == 0] = 1
    elements = np.clip(np.rint(blocks / scales[..., np.newaxis]), least, most)
    return BlockScaled(number_format, _joined(elements, np.int8), scales)


def _joined(elements: npt.NDArray[Any], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Blocks back into one axis."""
    *outer, blocks, block = elements.shape
    return elements.reshape(*outer, blocks * block).astype(dtype)
