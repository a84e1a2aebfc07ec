"""Running products with four-bit weights: which kernel, which tiles, and what is checked first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sw_kernels.nvfp4.weight import Nvfp4Weight
from sw_kernels.nvfp4.weight_only.tiles import MOST_PARTS, PARTS_OF_SHARES, Tiles, tiles_for
from workloads.errors import BrickworkError

# From here on, decoding to memory and a library's product are faster.
PREFILL_ROWS = 160
RANKS = (16, 32, 64, 128)


class LinearError(BrickworkError):
    """Tensors that make no product; lists every fault."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"four-bit product: {fault}" for fault in faults))


@dataclass(frozen=True, slots=True)
class Lora:
    """A low-rank branch ``(x down^T) up^T``: tensors of shapes (rank, K) and (N, rank)."""

    down: Any
    up: Any

    @property
    def rank(self) -> int:
        return int(self.down.shape[0])


@dataclass(frozen=True, slots=True)
class Workspace:
    """Memory that products on one stream share.

    Attributes
    ----------
    partial : fp32 tensor
        Sums of the slices of K, whole tiles.
    narrow, narrow_partial : tensors
        Activations of the low-rank branch, and their slices in fp32.
    counters : int32 tensor
        Zero between kernels.
    """

    partial: Any
    narrow: Any
    narrow_partial: Any
    counters: Any

    @classmethod
    def on(cls, device: Any, dtype: Any, *, most_outputs: int = 1 << 24) -> Workspace:
        """A workspace for products of up to ``most_outputs`` partial sums, slices times whole tiles."""
        import torch

        return cls(
            torch.empty(most_outputs, device=device, dtype=torch.float32),
            torch.empty(PREFILL_ROWS * max(RANKS), device=device, dtype=dtype),
            torch.empty(MOST_PARTS * PREFILL_ROWS * max(RANKS), device=device, dtype=torch.float32),
            torch.zeros(1 << 16, device=device, dtype=torch.int32),
        )


def linear(
    x: Any,
    weight: Nvfp4Weight,
    out: Any,
    workspace: Workspace,
    lora: Lora | None = None,
    *,
    tiles: Tiles | None = None,
    plain: bool = False,
    dependent: bool = False,
) -> None:
    """Compute ``out = x W^T``, plus the low-rank branch, for up to `PREFILL_ROWS` rows; every element is written.

    Parameters
    ----------
    x : tensor, shape (M, K)
        Rows may be further apart than K. bf16; fp16 and fp32 also with ``plain``.
    out : tensor, shape (M, N), contiguous
    plain
        Decode by fp32 arithmetic instead of assembly.
    dependent
        Let the kernel start while the one before it on the stream finishes (programmatic dependent launch).

    Raises
    ------
    LinearError
        Lists every tensor that does not fit, or says what is wrong with ``tiles``.
    """
    import torch
    import triton

    from sw_kernels.nvfp4.weight_only.even_kernel import linear_evenly
    from sw_kernels.nvfp4.weight_only.kernel import linear as kernel

    _check(x, weight, out, lora, plain, PREFILL_ROWS)
    M, K, N = x.shape[0], weight.columns, weight.rows
    tiles = tiles or tiles_for(M, N, weight.slabs, branch=lora is not None)
    outputs = triton.cdiv(N, tiles.n) * triton.cdiv(M, tiles.m)
    programs = tiles.shares or outputs * tiles.split - tiles.short
    pieces = (tiles.shares or outputs * tiles.split) * tiles.n * tiles.m if tiles.shares or tiles.split > 1 else 0
    if max(programs, outputs) + 2 > workspace.counters.numel() or pieces > workspace.partial.numel():
        what = f"{tiles.shares} shares" if tiles.shares else f"{tiles.split} slices"
        raise LinearError((f"{what} of {M} x {N} outputs do not fit the workspace",))
    if not 0 <= tiles.short <= (outputs if tiles.split > 1 else 0):
        raise LinearError((f"{tiles.short} of {outputs} tiles in {tiles.split} slices cannot have one less",))
    parts = min(PARTS_OF_SHARES if tiles.shares else MOST_PARTS, weight.slabs) if lora else 0
    hopper = x.is_cuda and torch.cuda.get_device_capability(x.device)[0] == 9
    tensors = (
        x, weight.codes, weight.scales, out, lora.down if lora else x, lora.up if lora else x, workspace.narrow,
        workspace.narrow_partial, workspace.partial, workspace.counters, weight.tensor_scale,
    )  # fmt: skip
    sizes = (M, N, K, x.stride(0), weight.slabs)
    options = {
        "BN": tiles.n, "BM": tiles.m, "G": tiles.g, "STAGES": tiles.stages, "GUARD": tiles.guard and hopper,
        "PLAIN": plain, "EVEN": K % 256 == 0, "RANK": lora.rank if lora else 0, "PARTS": parts,
        "DEPENDENT": dependent, "num_warps": tiles.warps, **({"launch_pdl": True} if dependent else {}),
    }  # fmt: skip
    if tiles.shares:
        linear_evenly[(tiles.shares + parts,)](*tensors, *sizes, tiles.shares, **options)
        return
    early = lora is not None and tiles.early
    kernel[(programs + parts,)](*tensors, *sizes, tiles.short, SPLIT=tiles.split, EARLY=early, **options)


def prefill(
    x: Any, weight: Nvfp4Weight, out: Any, decoded: Any, lora: Lora | None = None, *, plain: bool = False
) -> None:
    """Compute the same for many rows: decode to 16 bits, then a library's product; every element is written.

    Parameters
    ----------
    x : tensor, shape (M, K), or (M, K + rank) with ``lora``
        The columns after K are overwritten by the narrow activations.
    decoded : tensor, shape (N, K), or (N, K + rank) with ``lora``
        Room for the decoded weights, which layers may share. Rows may be further apart.

    Raises
    ------
    LinearError
    """
    import torch
    import triton

    from sw_kernels.nvfp4.weight_only.kernel import dequantize, narrow_rows

    rank = lora.rank if lora else 0
    _check(x[:, : weight.columns], weight, out, lora, plain, None)
    K, N = weight.columns, weight.rows
    faults = []
    if x.shape[1] != K + rank:
        faults.append(f"x has {x.shape[1]} columns; expected {K + rank}, those of the narrow activations included")
    if tuple(decoded.shape) != (N, K + rank) or decoded.dtype != x.dtype:
        faults.append(
            f"the room for decoded weights has shape {list(decoded.shape)} and type {_name(decoded.dtype)}; "
            f"expected {[N, K + rank]} and {_name(x.dtype)}"
        )
    if faults:
        raise LinearError(tuple(faults))
    dequantize[(weight.slabs, triton.cdiv(N, 16))](
        weight.codes, weight.scales, decoded, lora.up if lora else decoded, N, K, decoded.stride(0), weight.slabs,
        BN=16, PLAIN=plain, RANK=rank, num_warps=4,
    )  # fmt: skip
    if lora:
        # The product below multiplies by the tensor scale, which the low-rank branch does not have.
        factor = 1.0 / weight.tensor_scale
        narrow_rows[(triton.cdiv(x.shape[0], 32),)](
            x, lora.down, factor, x.shape[0], K, x.stride(0), BM=32, BK=128, RANK=rank, num_warps=4
        )
    torch.addmm(out, x, decoded.T, beta=0, alpha=weight.tensor_scale, out=out)


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _check(x: Any, weight: Nvfp4Weight, out: Any, lora: Lora | None, plain: bool, most_rows: int | None) -> None:
    faults = []
    N, K = weight.rows, weight.columns
    M = x.shape[0] if x.ndim == 2 else 0
    types = ("bfloat16", "float16", "float32") if plain else ("bfloat16",)
    if _name(x.dtype) not in types:
        faults.append(f"x has type {_name(x.dtype)}; expected {' or '.join(types)}")
    if x.ndim != 2 or x.shape[1] != K or M < 1:
        faults.append(f"x has shape {list(x.shape)}; expected [rows, {K}]")
    elif x.stride(1) != 1:
        faults.append("x is stored by columns; expected rows")
    elif most_rows and most_rows < M:
        faults.append(f"x has {M} rows; expected at most {most_rows}, beyond which prefill serves")
    if tuple(out.shape) != (M, N) or not out.is_contiguous():
        faults.append(f"the output has shape {list(out.shape)}; expected {[M, N]}, contiguous")
    if lora:
        rank = lora.rank
        if rank not in RANKS:
            faults.append(f"the low-rank branch has rank {rank}; expected one of {', '.join(map(str, RANKS))}")
        for tensor, name, shape in ((lora.down, "down", (rank, K)), (lora.up, "up", (N, rank))):
            if tuple(tensor.shape) != shape or not tensor.is_contiguous() or tensor.dtype != x.dtype:
                faults.append(
                    f"{name} has shape {list(tensor.shape)} and type {_name(tensor.dtype)}; "
                    f"expected {list(shape)} and {_name(x.dtype)}, contiguous"
                )
    devices = sorted({str(t.device) for t in (x, weight.codes, out, *((lora.down, lora.up) if lora else ()))})
    if len(devices) > 1:
        faults.append(f"the tensors are on {', '.join(devices)}; expected one device for all")
    if faults:
        raise LinearError(tuple(faults))
