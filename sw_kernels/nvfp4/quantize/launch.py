"""Running the quantization: what is checked first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sw_kernels.nvfp4.matrix import BLOCK, Nvfp4Matrix
from workloads.errors import BrickworkError

TYPES = ("bfloat16", "float16", "float32")
RANKS = (16, 32, 64, 128)

# Rows and columns of a step.
ROWS, COLUMNS = 16, 256


class QuantizeError(BrickworkError):
    """Tensors that cannot be quantized; lists every fault."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"nvfp4 quantization: {fault}" for fault in faults))


@dataclass(frozen=True, slots=True)
class Narrowing:
    """The first half of a low-rank branch: ``narrow = x down^T``, tensors of shapes (rank, K) and (rows, rank)."""

    down: Any
    narrow: Any


def largest_magnitude(x: Any, amax: Any, smooth: Any | None = None) -> None:
    """Store the largest magnitude of ``x``, divided by ``smooth`` if given, in ``amax``.

    Parameters
    ----------
    x : tensor, shape (rows, K)
    amax : fp32 tensor, shape (1,)
    smooth : tensor, shape (K,)

    Raises
    ------
    QuantizeError
    """
    import triton

    from sw_kernels.nvfp4.quantize.kernel import largest

    _check(x, amax, smooth, None, None)
    amax.zero_()
    rows, columns = x.shape
    largest[(triton.cdiv(rows, 4),)](
        x, x if smooth is None else smooth, amax, rows, columns, x.stride(0), BM=4, BK=1024,
        SMOOTH=smooth is not None, num_warps=4,
    )  # fmt: skip


def quantize(
    x: Any, amax: Any, out: Nvfp4Matrix, *, smooth: Any | None = None, narrowing: Narrowing | None = None
) -> None:
    """Quantize ``x``, divided by ``smooth`` if given, to NVFP4, bit for bit as `workloads.formats` defines it.

    Parameters
    ----------
    x : tensor, shape (rows, K)
        Finite numbers. Rows may be further apart than K.
    amax : fp32 tensor, shape (1,)
        The largest magnitude of ``x / smooth``, from `largest_magnitude`; a larger one gives a coarser tensor scale.
    narrowing
        Also multiply ``x``, not divided, by these columns, as SVDQuant's first kernel does [1]_.

    Raises
    ------
    QuantizeError
        Lists every tensor that does not fit.

    References
    ----------
    .. [1] M. Li et al., "SVDQuant: Absorbing outliers by low-rank components for 4-bit diffusion models",
       arXiv:2411.05007, section 4.
    """
    import triton

    from sw_kernels.nvfp4.quantize.kernel import quantize as kernel

    _check(x, amax, smooth, out, narrowing)
    rows, columns = x.shape
    each = columns if narrowing else COLUMNS
    kernel[(triton.cdiv(rows, ROWS), triton.cdiv(columns, each))](
        x, x if smooth is None else smooth, amax, narrowing.down if narrowing else x, out.codes, out.scales,
        out.tensor_scale, narrowing.narrow if narrowing else x, rows, columns, x.stride(0), each, BM=ROWS, BK=COLUMNS,
        RANK=narrowing.down.shape[0] if narrowing else 0, SMOOTH=smooth is not None, num_warps=4,
    )  # fmt: skip


def _check(x: Any, amax: Any, smooth: Any | None, out: Nvfp4Matrix | None, narrowing: Narrowing | None) -> None:
    if x.ndim != 2 or x.shape[0] < 1 or x.shape[1] < 1 or x.shape[1] % BLOCK:
        raise QuantizeError((f"x has shape {list(x.shape)}; expected [rows, columns], a multiple of {BLOCK} columns",))
    rows, columns = x.shape
    faults = []
    if _name(x.dtype) not in TYPES:
        faults.append(f"x has type {_name(x.dtype)}; expected {' or '.join(TYPES)}")
    if x.stride(1) != 1:
        faults.append("x is stored by columns; expected rows")
    expected: list[tuple[Any, str, tuple[int, ...], str]] = [(amax, "amax", (1,), "float32")]
    if smooth is not None:
        expected.append((smooth, "smooth", (columns,), _name(x.dtype)))
    if out is not None:
        expected += [
            (out.codes, "the output's codes", (rows, columns // 2), "uint8"),
            (out.scales, "the output's scales", (rows, columns // BLOCK), "uint8"),
            (out.tensor_scale, "the output's tensor scale", (1,), "float32"),
        ]
    if narrowing:
        rank = narrowing.down.shape[0]
        if rank not in RANKS:
            faults.append(f"the low-rank branch has rank {rank}; expected one of {', '.join(map(str, RANKS))}")
        expected += [
            (narrowing.down, "down", (rank, columns), _name(x.dtype)),
            (narrowing.narrow, "narrow", (rows, rank), _name(x.dtype)),
        ]
    for tensor, name, shape, kind in expected:
        if tuple(tensor.shape) != shape or _name(tensor.dtype) != kind or not tensor.is_contiguous():
            faults.append(
                f"{name} has shape {list(tensor.shape)} and type {_name(tensor.dtype)}; "
                f"expected {list(shape)} and {kind}, contiguous"
            )
    devices = sorted({str(x.device), *(str(tensor.device) for tensor, *_ in expected)})
    if len(devices) > 1:
        faults.append(f"the tensors are on {', '.join(devices)}; expected one device for all")
    if faults:
        raise QuantizeError(tuple(faults))


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
