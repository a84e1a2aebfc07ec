"""Four-bit weights as the kernels read them: NVFP4 re-packed once, so that a decoder needs few instructions.

A slab holds 256 columns of one row: 64 halfwords and 4 words of scales. Halfword ``i`` of a slab has the codes of
columns ``64 j + i``, j = 0..3, their bits placed so that a shift and a mask turn each into ``value * 2**-126`` in
bf16, its sign included. Word ``m`` has the scales of the four blocks of 16 columns that begin at ``64 j + 16 m``, re-
coded as unsigned bytes of 5 exponent and 3 mantissa bits (subnormal E4M3 numbers become normal), rotated so that a
mask puts two of them on the exponent and mantissa bits of a bf16 pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workloads.errors import BrickworkError

SLAB, STRIDE, BLOCK = 256, 64, 16

# Exponent of the smallest E4M3 number, 2**-9, is stored as 1; 0 is the scale zero.
SCALE_BIAS = 10

# Where the sign and the three magnitude bits of code j lie in a halfword.
SIGN_BITS = (15, 12, 14, 13)
MAGNITUDE_BITS = (6, 3, 0, 9)

MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


class WeightError(BrickworkError):
    """Codes and scales that make no NVFP4 matrix."""


@dataclass(frozen=True, slots=True)
class Nvfp4Weight:
    """A matrix of ``rows`` outputs and ``columns`` inputs in four bits, re-packed.

    Attributes
    ----------
    codes : int16 tensor, shape (slabs, rows, 64)
    scales : int32 tensor, shape (slabs, rows, 4)
    tensor_scale : float
    """

    codes: Any
    scales: Any
    tensor_scale: float
    columns: int

    @property
    def rows(self) -> int:
        return int(self.codes.shape[1])

    @property
    def slabs(self) -> int:
        return int(self.codes.shape[0])

    @property
    def bytes(self) -> int:
        """Storage, scales and padding included."""
        return int(self.codes.numel()) * 2 + int(self.scales.numel()) * 4

    def cloned(self) -> Nvfp4Weight:
        """The same matrix in memory of its own."""
        return Nvfp4Weight(self.codes.clone(), self.scales.clone(), self.tensor_scale, self.columns)


def packed(codes: Any, scale_codes: Any, tensor_scale: float) -> Nvfp4Weight:
    """Re-pack an NVFP4 matrix.

    Parameters
    ----------
    codes : integer tensor, shape (rows, columns)
        E2M1 codes, one an element.
    scale_codes : uint8 tensor, shape (rows, columns / 16)
        E4M3 codes of scales that are not negative.

    Raises
    ------
    WeightError
        The columns are no multiple of 16, the scales are not one a block, or a scale is negative or NaN.
    """
    import torch

    rows, columns = codes.shape
    if columns % BLOCK:
        raise WeightError(f"an NVFP4 matrix needs a multiple of {BLOCK} columns, not {columns}")
    if tuple(scale_codes.shape) != (rows, columns // BLOCK):
        raise WeightError(
            f"codes of shape {[rows, columns]} need scales of shape {[rows, columns // BLOCK]}, "
            f"not {list(scale_codes.shape)}"
        )
    if rows and columns and int(scale_codes.max()) >= 0x7F:
        raise WeightError(f"scales must be finite and not negative; the largest code is {int(scale_codes.max()):#x}")
    slabs = -(-columns // SLAB)
    padding = slabs * SLAB - columns
    scale = torch.nn.functional.pad(scale_codes.int(), (0, padding // BLOCK))
    code = torch.nn.functional.pad(codes.int() & 15, (0, padding))
    # A zero scale is stored as a small number, so what it multiplies has to be zero.
    code = code * (scale != 0).repeat_interleave(BLOCK, dim=1)
    code = code.view(rows, slabs, 4, STRIDE)
    halves = torch.zeros_like(code[:, :, 0])
    for j, (sign, magnitude) in enumerate(zip(SIGN_BITS, MAGNITUDE_BITS, strict=True)):
        halves |= ((code[:, :, j] >> 3) << sign) | ((code[:, :, j] & 7) << magnitude)
    field, mantissa = scale >> 3, scale & 7
    # A subnormal m * 2**-9: its highest bit becomes the hidden one.
    above = torch.tensor([0, 0, 1, 1, 2, 2, 2, 2], device=scale.device, dtype=torch.int32)[mantissa.long()]
    small = ((above + 1) << 3) | ((mantissa << (3 - above)) & 7)
    byte = torch.where(field > 0, ((field + 3) << 3) | mantissa, torch.where(mantissa > 0, small, 0))
    byte = byte.view(rows, slabs, 4, STRIDE // BLOCK).long()
    word = byte[:, :, 0] | (byte[:, :, 2] << 8) | (byte[:, :, 1] << 16) | (byte[:, :, 3] << 24)
    word = ((word << 4) | (word >> 28)) & 0xFFFFFFFF
    return Nvfp4Weight(
        _signed(halves, 16).to(torch.int16).permute(1, 0, 2).contiguous(),
        _signed(word, 32).to(torch.int32).permute(1, 0, 2).contiguous(),
        float(tensor_scale),
        columns,
    )


def unpacked(weight: Nvfp4Weight) -> tuple[Any, Any]:
    """Codes ``(rows, columns)`` of elements and values ``(rows, columns / 16)`` of block scales in fp32."""
    import torch

    halves = weight.codes.permute(1, 0, 2).int() & 0xFFFF
    code = torch.stack(
        [
            (((halves >> sign) & 1) << 3) | ((halves >> magnitude) & 7)
            for sign, magnitude in zip(SIGN_BITS, MAGNITUDE_BITS, strict=True)
        ],
        dim=2,
    ).reshape(weight.rows, -1)
    word = weight.scales.permute(1, 0, 2).long() & 0xFFFFFFFF
    word = (word >> 4) | ((word & 15) << 28)
    byte = torch.stack([(word >> shift) & 0xFF for shift in (0, 16, 8, 24)], dim=2).reshape(weight.rows, -1)
    scale = torch.ldexp(1.0 + (byte & 7) / 8.0, (byte >> 3) - SCALE_BIAS) * (byte > 0)
    return code[:, : weight.columns], scale[:, : weight.columns // BLOCK].float()


def dequantized(weight: Nvfp4Weight, dtype: Any) -> Any:
    """The matrix that is meant, ``(rows, columns)``; exact in fp64, element * block scale also in bf16."""
    import torch

    codes, scales = unpacked(weight)
    values = torch.tensor([*MAGNITUDES, *(-m for m in MAGNITUDES)], device=codes.device, dtype=dtype)[codes.long()]
    return values * scales.to(dtype).repeat_interleave(BLOCK, dim=1) * weight.tensor_scale


def _signed(values: Any, bits: int) -> Any:
    half = 1 << (bits - 1)
    return (values + half) % (1 << bits) - half
