"""Formats in which a block of consecutive elements shares a scale: what is stored, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workloads.errors import BrickworkError
from workloads.formats.format import FORMATS, Format, FormatError

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]

ONE = np.float32(1)


class BlockError(BrickworkError):
    """An array that a block format cannot hold."""

    def __init__(self, number_format: str, why: str) -> None:
        self.number_format = number_format
        super().__init__(f"format {number_format!r}: {why}")


@dataclass(frozen=True, slots=True)
class BlockFormat:
    """Elements along the last axis in blocks, each with a scale.

    Attributes
    ----------
    element, scale : Format
    block : int
        Elements a scale.
    tensor_scale : bool
        One more fp32 scale for the whole tensor.
    """

    name: str
    element: Format
    scale: Format
    block: int
    tensor_scale: bool = False

    @property
    def bits_per_element(self) -> float:
        """The share of the block's scale included, that of the tensor's not."""
        return self.element.bits + self.scale.bits / self.block

    def bytes(self, elements: int) -> int:
        """Storage of a tensor of so many elements, scales included."""
        scales = elements // self.block
        return (elements * self.element.bits + scales * self.scale.bits) // 8 + 4 * self.tensor_scale

    def blocks(self, values: npt.ArrayLike) -> Floats:
        """The values in fp32, with the last axis split into blocks.

        Raises
        ------
        BlockError
            The last axis is no multiple of the block, or a value is not finite in fp32.
        """
        with np.errstate(over="ignore"):
            array = np.asarray(values).astype(np.float32)
        if array.ndim == 0 or array.shape[-1] % self.block:
            what = "there is none" if array.ndim == 0 else f"it has {array.shape[-1]}"
            raise BlockError(self.name, f"expected a last axis of a multiple of {self.block} elements, but {what}")
        if not np.isfinite(array).all():
            where = np.argwhere(~np.isfinite(array))[0].tolist()
            raise BlockError(self.name, f"element {where} is {array[tuple(where)]}; expected numbers that fp32 holds")
        return array.reshape(*array.shape[:-1], array.shape[-1] // self.block, self.block)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class BlockScaled:
    """A quantized tensor: ``element * block scale * tensor scale``.

    Attributes
    ----------
    elements : array
        Values of the elements, shape ``(..., K)``: fp32, or int8 for integers.
    scales : array of fp32
        Values of the block scales, shape ``(..., K / block)``.
    tensor_scale : float32
        1 where the format has none.
    """

    format: BlockFormat
    elements: Array
    scales: Floats
    tensor_scale: np.float32 = ONE

    def __post_init__(self) -> None:
        *outer, last = self.elements.shape
        assert self.scales.shape == (*outer, last // self.format.block), (self.elements.shape, self.scales.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.elements.shape

    @property
    def bytes(self) -> int:
        """Storage, scales included."""
        return self.format.bytes(self.elements.size)

    @property
    def codes(self) -> npt.NDArray[np.uint8]:
        """Codes of the elements, one a byte."""
        encoding = self.format.element.encoding
        if encoding is None:
            return self.elements.astype(np.uint8) & np.uint8((1 << self.format.element.bits) - 1)
        return encoding.encode(self.elements).astype(np.uint8)

    @property
    def scale_codes(self) -> npt.NDArray[np.unsignedinteger]:
        """Codes of the block scales."""
        assert self.format.scale.encoding is not None, self.format
        return self.format.scale.encoding.encode(self.scales)

    def dequantized(self) -> Floats:
        """The numbers that are meant, in fp32: ``element * block scale`` is exact, the tensor scale rounds once."""
        blocks = self.format.blocks(self.elements)
        products = blocks * self.scales[..., np.newaxis]
        with np.errstate(over="ignore"):
            return (products * self.tensor_scale).reshape(self.shape)


BLOCK_FORMATS: dict[str, BlockFormat] = {
    f.name: f
    for f in (
        BlockFormat("nvfp4", FORMATS["e2m1"], FORMATS["e4m3"], 16, tensor_scale=True),
        BlockFormat("mxfp4", FORMATS["e2m1"], FORMATS["e8m0"], 32),
        BlockFormat("mxfp8_e4m3", FORMATS["e4m3"], FORMATS["e8m0"], 32),
        BlockFormat("mxfp8_e5m2", FORMATS["e5m2"], FORMATS["e8m0"], 32),
        *(BlockFormat(f"int4_g{group}", FORMATS["int4"], FORMATS["fp16"], group) for group in (16, 32, 64, 128)),
    )
}


def block_format_named(name: str) -> BlockFormat:
    """Look a block format up by its name.

    Raises
    ------
    FormatError
        The name is not known.
    """
    if name not in BLOCK_FORMATS:
        raise FormatError(name, tuple(BLOCK_FORMATS))
    return BLOCK_FORMATS[name]
