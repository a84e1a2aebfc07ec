"""Block-scaled products without rounding: sums of integers in a fixed unit, rounded once at the end."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workloads.formats.block_format import BlockError, BlockScaled
from workloads.formats.encoding import FP32, Encoding

Integers = npt.NDArray[np.int64]

# An operand is element (half units) times scale (units of 2**-9), so a product is in units of 2**-20.
NVFP4_FRACTION_BITS = 20
# |operand| <= 12 * 229376 < 2**22; products of so many in one sum stay within 63 bits.
LONGEST_SUM = 1 << 20

_LIMB_BITS = 11


def operands(tensor: BlockScaled) -> Integers:
    """``element * block scale`` of an NVFP4 tensor as integers in units of 2**-10, shape of the tensor."""
    _expect_nvfp4(tensor)
    return _halves(tensor) * np.repeat(_scale_units(tensor), tensor.format.block, axis=-1)


def dot16(tensor: BlockScaled, other: BlockScaled) -> Integers:
    """Sums of the products of the elements in each block, in units of 1/4: 13 bits with a sign, shape of the scales."""
    _expect_nvfp4(tensor)
    _expect_nvfp4(other)
    products = _halves(tensor) * _halves(other)
    sums: Integers = products.reshape(*tensor.scales.shape, tensor.format.block).sum(axis=-1)
    return sums


def block_terms(tensor: BlockScaled, other: BlockScaled) -> Integers:
    """`dot16` times both block scales, in units of 2**-20: what an exact accumulator adds up."""
    return dot16(tensor, other) * _scale_units(tensor) * _scale_units(other)


def exact_matmul(left: BlockScaled, right: BlockScaled) -> Integers:
    """``left @ right.T`` of NVFP4 tensors ``(M, K)`` and ``(N, K)``, tensor scales apart, in units of 2**-20.

    Exact whatever the order of the sums.

    Raises
    ------
    BlockError
        The tensors are no NVFP4 matrices of one K of at most `LONGEST_SUM`.
    """
    if left.elements.ndim != 2 or right.elements.ndim != 2 or left.shape[1] != right.shape[1]:
        shapes = f"{list(left.shape)} and {list(right.shape)}"
        raise BlockError(left.format.name, f"expected two matrices with one number of columns, not {shapes}")
    if left.shape[1] > LONGEST_SUM:
        raise BlockError(
            left.format.name, f"sums are exact for at most {LONGEST_SUM:,} products, not {left.shape[1]:,}"
        )
    # Limbs of 11 bits: fp64 sums of 2**20 products of 22 bits are exact, so the linear algebra library does the work.
    (a_high, a_low), (b_high, b_low) = _limbs(operands(left)), _limbs(operands(right))
    high, low = (a_high @ b_high.T).astype(np.int64), (a_low @ b_low.T).astype(np.int64)
    middle = (a_high @ b_low.T).astype(np.int64) + (a_low @ b_high.T).astype(np.int64)
    return (high << (2 * _LIMB_BITS)) + (middle << _LIMB_BITS) + low


def matmul(left: BlockScaled, right: BlockScaled, encoding: Encoding = FP32) -> npt.NDArray[np.float32]:
    """``left @ right.T`` of NVFP4 tensors ``(M, K)`` and ``(N, K)``, rounded once: the definition of an NVFP4 GEMM.

    Raises
    ------
    BlockError
    """
    alpha = product_scale(left, right)
    return rounded_once(exact_matmul(left, right), alpha, NVFP4_FRACTION_BITS, encoding)


def product_scale(left: BlockScaled, right: BlockScaled) -> np.float32:
    """The fp32 factor of a product: both tensor scales, multiplied and rounded."""
    with np.errstate(under="ignore", over="ignore"):
        return np.float32(left.tensor_scale * right.tensor_scale)


def rounded_once(
    totals: Integers, factor: np.float32 | float, fraction_bits: int, encoding: Encoding
) -> npt.NDArray[np.float32]:
    """``totals * factor * 2**-fraction_bits``, rounded a single time.

    Parameters
    ----------
    factor
        Non-negative and finite in fp32.

    Notes
    -----
    The product has up to 88 bits. Rounding it to odd in 53 bits and that to nearest in at most 24 is the same as
    rounding once (S. Boldo and G. Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using
    rounding to odd", IEEE Transactions on Computers 57(4), 2008, theorem 3).
    """
    fraction, exponent = np.frexp(np.float64(np.float32(factor)))
    mantissa = np.uint64(int(fraction * (1 << 24)))
    magnitude = np.where(totals < 0, -totals.view(np.int64), totals).view(np.uint64)
    word = np.uint64(32)
    low = (magnitude & np.uint64(0xFFFFFFFF)) * mantissa
    high = (magnitude >> word) * mantissa + (low >> word)
    low &= np.uint64(0xFFFFFFFF)
    # At least 32 bits stay, of which the format keeps 24.
    short = high < np.uint64(1 << 31)
    product = np.where(short, high << word | low, _odd(high, low != 0))
    power = np.where(short, 0, 32)
    long = product >= np.uint64(1 << 53)
    product = np.where(long, _odd(product >> np.uint64(11), product & np.uint64(0x7FF) != 0), product)
    power = power + np.where(long, 11, 0) + int(exponent) - 24 - fraction_bits
    value = np.ldexp(product.astype(np.float64), power)
    with np.errstate(over="ignore"):
        return encoding.rounded(np.where(totals < 0, -value, value)).astype(np.float32)


def _odd(kept: npt.NDArray[np.uint64], inexact: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    return kept | inexact.astype(np.uint64)


def _halves(tensor: BlockScaled) -> Integers:
    return (tensor.elements.astype(np.float64) * 2).astype(np.int64)


def _scale_units(tensor: BlockScaled) -> Integers:
    return (tensor.scales.astype(np.float64) * (1 << 9)).astype(np.int64)


def _limbs(values: Integers) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    return (values >> _LIMB_BITS).astype(np.float64), (values & ((1 << _LIMB_BITS) - 1)).astype(np.float64)


def _expect_nvfp4(tensor: BlockScaled) -> None:
    if tensor.format.name != "nvfp4":
        raise BlockError(tensor.format.name, "products are exact in 64 bits for nvfp4 only")
