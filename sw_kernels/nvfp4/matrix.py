"""NVFP4 matrices in the common packing: two codes a byte, scales as E4M3 codes, the tensor's scale on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workloads.errors import BrickworkError
from workloads.formats import BLOCK_FORMATS, BlockScaled
from workloads.formats.packing import pack, unpack

BLOCK = 16


class MatrixError(BrickworkError):
    """A shape that NVFP4 cannot hold."""


@dataclass(frozen=True, slots=True)
class Nvfp4Matrix:
    """Rows of numbers ``element * block scale * tensor scale``.

    Attributes
    ----------
    codes : uint8 tensor, shape (rows, columns / 2)
        The element of even column in the low nibble.
    scales : uint8 tensor, shape (rows, columns / 16)
        E4M3 codes.
    tensor_scale : fp32 tensor, shape (1,)
    """

    codes: Any
    scales: Any
    tensor_scale: Any

    @property
    def rows(self) -> int:
        return int(self.codes.shape[0])

    @property
    def columns(self) -> int:
        return 2 * int(self.codes.shape[1])

    @classmethod
    def empty(cls, rows: int, columns: int, device: Any) -> Nvfp4Matrix:
        """Room for a matrix.

        Raises
        ------
        MatrixError
            There are no rows, or the columns are no multiple of 16.
        """
        import torch

        if rows < 1 or columns < 1 or columns % BLOCK:
            raise MatrixError(
                f"an NVFP4 matrix needs rows and a multiple of {BLOCK} columns, not {rows} rows and {columns} columns"
            )
        return cls(
            torch.empty(rows, columns // 2, dtype=torch.uint8, device=device),
            torch.empty(rows, columns // BLOCK, dtype=torch.uint8, device=device),
            torch.empty(1, dtype=torch.float32, device=device),
        )

    @classmethod
    def of(cls, tensor: BlockScaled, device: Any) -> Nvfp4Matrix:
        """A quantized matrix, packed on a device."""
        import torch

        codes, scales = pack(tensor)
        return cls(
            torch.from_numpy(codes).to(device),
            torch.from_numpy(scales).to(device),
            torch.tensor([float(tensor.tensor_scale)], dtype=torch.float32, device=device),
        )

    def block_scaled(self) -> BlockScaled:
        """What is packed, as arrays."""
        return unpack(
            self.codes.cpu().numpy(),
            self.scales.cpu().numpy(),
            BLOCK_FORMATS["nvfp4"],
            self.tensor_scale.cpu().numpy()[0],
        )
