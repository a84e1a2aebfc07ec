"""Running products of two NVFP4 matrices: which kernel, and what is checked first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sw_kernels.nvfp4.matrix import Nvfp4Matrix
from sw_kernels.nvfp4.product.digits import ALL, Digits
from workloads.errors import BrickworkError

TYPES = ("bfloat16", "float16", "float32")
RANKS = (16, 32, 64, 128)

# Three products of digits of a weight, each at most 2**14, stay within 31 bits.
LONGEST_SUM = 1 << 15

# Compute capability of the block-scaled instructions.
BLOCK_SCALED = 10


class ProductError(BrickworkError):
    """Matrices that make no product; lists every fault."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"nvfp4 product: {fault}" for fault in faults))


@dataclass(frozen=True, slots=True)
class Branch:
    """The second half of a low-rank branch: ``narrow up^T``, tensors of shapes (M, rank) and (N, rank)."""

    narrow: Any
    up: Any


@dataclass(frozen=True, slots=True)
class Tiles:
    """Launch parameters: outputs of a program, products of a step, warps and pipeline stages."""

    m: int = 128
    n: int = 64
    k: int = 64
    warps: int = 8
    stages: int = 4


def exact_product(
    left: Nvfp4Matrix,
    right: Nvfp4Matrix,
    out: Any,
    room: Any,
    branch: Branch | None = None,
    *,
    left_digits: Digits = ALL,
    right_digits: Digits = ALL,
    tiles: Tiles | None = None,
) -> None:
    """Compute ``out = left right^T`` without rounding before the end; every element is written.

    Without a branch the bits are those of `workloads.formats.exact.matmul`, whatever the order of sums. With one, the
    product rounded to fp32 and the branch are summed in fp32, as SVDQuant's second kernel does [1]_.

    Parameters
    ----------
    left, right : Nvfp4Matrix
        Of M and N rows, with the same columns, at most 32768.
    out : tensor, shape (M, N), contiguous
    room : int8 tensor
        For at least ``(count of left_digits * M + count of right_digits * N) * columns`` digits; layers may share it.
    left_digits, right_digits
        Digits that hold the matrix, as `digits_of` finds; fewer are faster, too few give wrong results.

    Raises
    ------
    ProductError
        Lists everything that does not fit.

    References
    ----------
    .. [1] M. Li et al., "SVDQuant: Absorbing outliers by low-rank components for 4-bit diffusion models",
       arXiv:2411.05007, section 4.
    """
    import torch
    import triton

    from sw_kernels.nvfp4.product.kernel import expand, multiply

    M, N, K = left.rows, right.rows, left.columns
    needed = (left_digits.count * M + right_digits.count * N) * K
    _check(left, right, out, branch, longest=LONGEST_SUM)
    _check_room(room, needed, torch.int8, out)
    tiles = tiles or Tiles()
    flat = room.view(-1)
    b = flat[left_digits.count * M * K :]
    for matrix, digits, planes in ((left, left_digits, flat), (right, right_digits, b)):
        expand[(triton.cdiv(matrix.rows, 16), triton.cdiv(K, 256))](
            matrix.codes, matrix.scales, planes, matrix.rows, matrix.codes.shape[1], matrix.scales.shape[1],
            matrix.rows * K, SHIFT=digits.shift, COUNT=digits.count, BM=16, BK=256, num_warps=4,
        )  # fmt: skip
    blocks_a = _described(flat, left_digits.count * M, K, tiles.m, tiles.k)
    blocks_b = _described(b, right_digits.count * N, K, tiles.n, tiles.k)
    multiply[(triton.cdiv(M, tiles.m) * triton.cdiv(N, tiles.n),)](
        blocks_a, blocks_b, out, left.tensor_scale, right.tensor_scale, branch.narrow if branch else out,
        branch.up if branch else out, M, N, K, DA=left_digits.count, DB=right_digits.count,
        SHIFT=left_digits.shift + right_digits.shift, BM=tiles.m, BN=tiles.n, BK=tiles.k, STAGES=tiles.stages,
        RANK=branch.narrow.shape[1] if branch else 0, num_warps=tiles.warps,
    )  # fmt: skip


def wide_product(
    left: Nvfp4Matrix,
    right: Nvfp4Matrix,
    out: Any,
    room: Any,
    branch: Branch | None = None,
    *,
    tiles: Tiles | None = None,
) -> None:
    """Compute ``out = left right^T``, plus the branch, in the type of ``out`` with sums in fp32.

    Every element times its block scale is exact in 16 bits, so that only the sums round, and the result.

    Parameters
    ----------
    room : tensor, type of ``out``
        For at least ``(M + N) * columns`` numbers; layers may share it.

    Other parameters are those of `exact_product`.

    Raises
    ------
    ProductError
        Lists everything that does not fit.
    """
    import triton

    from sw_kernels.nvfp4.product.wide_kernel import multiply_wide, widen

    M, N, K = left.rows, right.rows, left.columns
    _check(left, right, out, branch, longest=None)
    _check_room(room, (M + N) * K, out.dtype, out)
    tiles = tiles or Tiles(128, 256, 64, 8, 3)
    flat = room.view(-1)
    b = flat[M * K :]
    for matrix, wide in ((left, flat), (right, b)):
        widen[(triton.cdiv(matrix.rows, 16), triton.cdiv(K, 256))](
            matrix.codes, matrix.scales, wide, matrix.rows, matrix.codes.shape[1], matrix.scales.shape[1], BM=16,
            BK=256, num_warps=4,
        )  # fmt: skip
    blocks_a, blocks_b = _described(flat, M, K, tiles.m, tiles.k), _described(b, N, K, tiles.n, tiles.k)
    multiply_wide[(triton.cdiv(M, tiles.m) * triton.cdiv(N, tiles.n),)](
        blocks_a, blocks_b, out, left.tensor_scale, right.tensor_scale, branch.narrow if branch else out,
        branch.up if branch else out, M, N, K, BM=tiles.m, BN=tiles.n, BK=tiles.k, STAGES=tiles.stages,
        RANK=branch.narrow.shape[1] if branch else 0, num_warps=tiles.warps,
    )  # fmt: skip


def native_product(
    left: Nvfp4Matrix, right: Nvfp4Matrix, out: Any, branch: Branch | None = None, *, tiles: Tiles | None = None
) -> None:
    """Compute ``out = left right^T``, plus the branch, with sums in fp32, on a GPU with block-scaled instructions.

    Parameters are those of `exact_product`.

    Raises
    ------
    ProductError
        Something does not fit, or the GPU is older than sm_100.
    """
    import torch
    import triton

    from sw_kernels.nvfp4.product.native_kernel import multiply_scaled

    _check(left, right, out, branch, longest=None)
    capability = torch.cuda.get_device_capability(out.device) if out.is_cuda else (0, 0)
    if capability[0] < BLOCK_SCALED:
        where = f"sm_{capability[0]}{capability[1]}" if out.is_cuda else str(out.device)
        raise ProductError((f"block-scaled instructions need sm_{BLOCK_SCALED}0 or later, not {where}",))
    tiles = tiles or Tiles(128, 128, 256, 4, 3)
    M, N = left.rows, right.rows
    multiply_scaled[(triton.cdiv(M, tiles.m) * triton.cdiv(N, tiles.n),)](
        left.codes, right.codes, left.scales.view(torch.float8_e4m3fn), right.scales.view(torch.float8_e4m3fn), out,
        left.tensor_scale, right.tensor_scale, branch.narrow if branch else out, branch.up if branch else out, M, N,
        left.codes.shape[1], left.scales.shape[1], BM=tiles.m, BN=tiles.n, BK=tiles.k, STAGES=tiles.stages,
        RANK=branch.narrow.shape[1] if branch else 0, num_warps=tiles.warps,
    )  # fmt: skip


def _described(flat: Any, rows: int, columns: int, block_rows: int, block_columns: int) -> Any:
    """A matrix at the start of a buffer, in blocks that the copy engine fetches; zeros beyond it."""
    from triton.tools.tensor_descriptor import TensorDescriptor

    return TensorDescriptor(flat, [rows, columns], [columns, 1], [block_rows, block_columns])


def _check(left: Nvfp4Matrix, right: Nvfp4Matrix, out: Any, branch: Branch | None, longest: int | None) -> None:
    faults = []
    M, N, K = left.rows, right.rows, left.columns
    if right.columns != K:
        faults.append(f"the matrices have {K} and {right.columns} columns; expected the same")
    if longest and longest < K:
        faults.append(f"the matrices have {K} columns; sums are exact for at most {longest}")
    if _name(out.dtype) not in TYPES:
        faults.append(f"the output has type {_name(out.dtype)}; expected {' or '.join(TYPES)}")
    if tuple(out.shape) != (M, N) or not out.is_contiguous():
        faults.append(f"the output has shape {list(out.shape)}; expected {[M, N]}, contiguous")
    tensors = [left.codes, right.codes, out]
    if branch:
        rank = branch.narrow.shape[1]
        if rank not in RANKS:
            faults.append(f"the low-rank branch has rank {rank}; expected one of {', '.join(map(str, RANKS))}")
        for tensor, name, shape in ((branch.narrow, "narrow", (M, rank)), (branch.up, "up", (N, rank))):
            if tuple(tensor.shape) != shape or tensor.dtype != out.dtype or not tensor.is_contiguous():
                faults.append(
                    f"{name} has shape {list(tensor.shape)} and type {_name(tensor.dtype)}; "
                    f"expected {list(shape)} and {_name(out.dtype)}, contiguous"
                )
        tensors += [branch.narrow, branch.up]
    devices = sorted({str(tensor.device) for tensor in tensors})
    if len(devices) > 1:
        faults.append(f"the tensors are on {', '.join(devices)}; expected one device for all")
    if faults:
        raise ProductError(tuple(faults))


def _check_room(room: Any, needed: int, dtype: Any, out: Any) -> None:
    if room.numel() < needed or room.dtype != dtype or room.device != out.device or not room.is_contiguous():
        raise ProductError(
            (
                f"the room has {room.numel()} elements of {_name(room.dtype)} on {room.device}; "
                f"expected {needed} of {_name(dtype)} on {out.device}, contiguous",
            )
        )
    # The copy engine fetches from multiples of 16 bytes.
    if room.data_ptr() % 16:
        raise ProductError((f"the room starts {room.data_ptr() % 16} bytes past a multiple of 16; expected none",))


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
