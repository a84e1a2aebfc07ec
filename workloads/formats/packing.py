"""Codes in bytes: two four-bit codes a byte, and scales in the order in which tensor cores read them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from workloads.formats.block_format import ONE, BlockError, BlockFormat, BlockScaled

Bytes = npt.NDArray[np.uint8]

# A tile of scales: 128 rows, 4 blocks.
_ROWS, _BLOCKS = 128, 4


def pack_nibbles(codes: Bytes) -> Bytes:
    """Two codes a byte along the last axis, the one of even index in the low nibble.

    Raises
    ------
    BlockError
        The last axis has an odd number of codes, or a code has more than four bits.
    """
    if codes.shape[-1] % 2:
        raise BlockError("4 bit", f"expected an even number of codes to pack into bytes, not {codes.shape[-1]}")
    if codes.size and codes.max() > 15:
        raise BlockError("4 bit", f"expected codes of 0..15, not {codes.max()}")
    return (codes[..., 0::2] | codes[..., 1::2] << 4).astype(np.uint8)


def unpack_nibbles(packed: Bytes) -> Bytes:
    """What `pack_nibbles` packed."""
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:-1], 2 * packed.shape[-1])


def swizzled(scales: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Block scales ``(rows, blocks)`` in the order of block-scaled matrix instructions of sm_100; padded with 0.

    Tiles of 128 rows and 4 blocks follow each other, blocks fastest; in a tile, row ``32 i + j`` and block ``b`` are at
    ``[j, i, b]``.

    Returns
    -------
    array, shape (row tiles, block tiles, 32, 4, 4)

    References
    ----------
    NVIDIA, "cuBLAS documentation", section "1D block scaling factors layout".
    """
    rows, blocks = scales.shape
    whole = np.zeros((-(-rows // _ROWS) * _ROWS, -(-blocks // _BLOCKS) * _BLOCKS), scales.dtype)
    whole[:rows, :blocks] = scales
    tiles = whole.reshape(whole.shape[0] // _ROWS, 4, 32, whole.shape[1] // _BLOCKS, _BLOCKS)
    return np.ascontiguousarray(tiles.transpose(0, 3, 2, 1, 4))


def unswizzled(tiles: npt.NDArray[np.generic], shape: tuple[int, int]) -> npt.NDArray[np.generic]:
    """Block scales of ``shape`` from what `swizzled` returns."""
    whole = tiles.transpose(0, 3, 2, 1, 4).reshape(tiles.shape[0] * _ROWS, tiles.shape[1] * _BLOCKS)
    return np.ascontiguousarray(whole[: shape[0], : shape[1]])


def pack(tensor: BlockScaled) -> tuple[Bytes, npt.NDArray[np.unsignedinteger]]:
    """Bytes of the elements, ``(..., K * bits / 8)``, and codes of the scales, ``(..., K / block)``."""
    codes = tensor.codes
    return (pack_nibbles(codes) if tensor.format.element.bits == 4 else codes), tensor.scale_codes


def unpack(
    packed: Bytes,
    scale_codes: npt.NDArray[np.unsignedinteger],
    number_format: BlockFormat,
    tensor_scale: np.float32 = ONE,
) -> BlockScaled:
    """What `pack` packed.

    Raises
    ------
    BlockError
        There are more or fewer scales than blocks.
    """
    codes = unpack_nibbles(packed) if number_format.element.bits == 4 else packed
    expected = (*codes.shape[:-1], codes.shape[-1] // number_format.block)
    if codes.shape[-1] % number_format.block or scale_codes.shape != expected:
        raise BlockError(
            number_format.name,
            f"{list(codes.shape)} elements need scales of shape {list(expected)}, not {list(scale_codes.shape)}",
        )
    encoding = number_format.element.encoding
    if encoding is None:
        elements: npt.NDArray[Any] = (codes << 4).astype(np.int8) >> 4
    else:
        elements = encoding.decode(codes).astype(np.float32)
    assert number_format.scale.encoding is not None, number_format
    scales = number_format.scale.encoding.decode(scale_codes).astype(np.float32)
    return BlockScaled(number_format, elements, scales, tensor_scale)
