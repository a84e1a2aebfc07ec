"""A block-scaled tensor as the codes that are stored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workloads.formats.block_format import BlockFormat, BlockScaled


@dataclass(frozen=True)
class CodedBlocks:
    """Codes of elements and scales, one an array element.

    Attributes
    ----------
    codes : array of uint8, shape (..., K)
    scales : array of uint8 or uint16, shape (..., K / block)
    """

    format: BlockFormat
    codes: npt.NDArray[np.uint8]
    scales: npt.NDArray[np.unsignedinteger]

    @staticmethod
    def empty(made: BlockFormat, shape: tuple[int, ...]) -> CodedBlocks:
        """Zeros, to be filled."""
        assert made.scale.encoding is not None, made
        *outer, last = shape
        return CodedBlocks(
            made, np.zeros(shape, np.uint8), np.zeros((*outer, last // made.block), made.scale.encoding.dtype)
        )

    @staticmethod
    def of(tensor: BlockScaled) -> CodedBlocks:
        """What is stored of a tensor, its tensor scale apart."""
        return CodedBlocks(tensor.format, tensor.codes, tensor.scale_codes)

    @property
    def by_block(self) -> npt.NDArray[np.uint8]:
        """The codes as ``(..., K / block, block)``, without a copy."""
        return self.codes.reshape(*self.scales.shape, self.format.block)
