"""Running decode attention: what is checked, and how sequences are cut."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from workloads.errors import BrickworkError

HEAD_DIMENSIONS = (32, 64, 128, 256)

# Of the GPU that the tiles were chosen on, and the tokens of a slice from which long steps pay.
MULTIPROCESSORS = 132
LONG_SLICE = 1024

TYPES = ("bfloat16", "float16", "float32")


class AttentionError(BrickworkError):
    """Tensors that make no attention; lists every fault."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"decode attention: {fault}" for fault in faults))


@dataclass(frozen=True, slots=True)
class Tiles:
    """Launch parameters: tokens of a step, most slices of a sequence, warps and pipeline stages."""

    tokens: int = 64
    split: int = 33
    warps: int = 4
    stages: int = 5


@dataclass(frozen=True, slots=True)
class Workspace:
    """Memory that calls on one stream share.

    Attributes
    ----------
    partial, partial_lse : fp32 tensors
        Outputs of the slices and the binary logarithms of their sums.
    counters : int32 tensor
        Zero between kernels.
    """

    partial: Any
    partial_lse: Any
    counters: Any

    @classmethod
    def on(cls, device: Any, sequences: int, kv_heads: int, group: int, d: int, split: int) -> Workspace:
        """A workspace for so many sequences, heads and slices."""
        import torch

        rows = sequences * kv_heads * split * rows_of(group)
        return cls(
            torch.empty(rows * d, device=device, dtype=torch.float32),
            torch.empty(rows, device=device, dtype=torch.float32),
            torch.zeros(sequences * kv_heads, device=device, dtype=torch.int32),
        )


def rows_of(group: int) -> int:
    """Query heads of a group, rounded up to what the tensor cores take."""
    return max(16, 1 << (group - 1).bit_length())


def tiles_for(sequences: int, kv_heads: int, most_tokens: int) -> Tiles:
    """Long sequences in one slice a multiprocessor and long steps; others in shorter ones, two programs each.

    Chosen by measurement on one GPU.
    """
    heads = sequences * kv_heads
    slices = MULTIPROCESSORS // heads
    if slices and most_tokens >= slices * LONG_SLICE:
        return Tiles(128, slices)
    wanted = -(-2 * MULTIPROCESSORS // heads) if slices else 1
    return Tiles(64, max(1, min(wanted, most_tokens // 256)))


def decode_attention(
    queries: Any,
    keys: Any,
    values: Any,
    table: Any,
    lengths: Any,
    out: Any,
    workspace: Workspace,
    *,
    scale: float | None = None,
    tiles: Tiles | None = None,
) -> None:
    """Attend from one new token a sequence to all its cached tokens; every element of ``out`` is written.

    Parameters
    ----------
    queries, out : tensors, shape (sequences, heads, d)
    keys, values : tensors, shape (pages, kv heads, tokens of a page, d)
        A page holds a power of two of tokens.
    table : int32 tensor, shape (sequences, most pages)
        Pages of each sequence, in order; entries past a sequence's last token are not read.
    lengths : int32 tensor, shape (sequences,)
        Tokens of each sequence. One of no tokens gives zeros.
    scale
        Of the scores; ``d**-0.5`` if none is given.

    Raises
    ------
    AttentionError
        Lists every tensor that does not fit.
    """
    from sw_kernels.decode_attention.kernel import decode

    _check(queries, keys, values, table, lengths, out)
    sequences, heads, d = queries.shape
    kv_heads, page = keys.shape[1], keys.shape[2]
    group = heads // kv_heads
    tiles = tiles or tiles_for(sequences, kv_heads, table.shape[1] * page)
    rows = rows_of(group)
    if (
        sequences * kv_heads * tiles.split * rows * d > workspace.partial.numel()
        or sequences * kv_heads > workspace.counters.numel()
    ):
        raise AttentionError(
            (f"{tiles.split} slices of {sequences} sequences and {kv_heads} heads do not fit the workspace",)
        )
    scale = d**-0.5 if scale is None else scale
    decode[(kv_heads, tiles.split, sequences)](
        queries, keys, values, table, lengths, out, workspace.partial, workspace.partial_lse, workspace.counters,
        scale / math.log(2), kv_heads, table.shape[1], tiles.split, GROUP=group, ROWS=rows, D=d, PAGE=page,
        BN=tiles.tokens, STAGES=tiles.stages, num_warps=tiles.warps,
    )  # fmt: skip


def _check(queries: Any, keys: Any, values: Any, table: Any, lengths: Any, out: Any) -> None:
    faults = []
    for tensor, name, axes in (
        (queries, "queries", ("sequences", "heads", "d")),
        (keys, "keys", ("pages", "kv heads", "tokens", "d")),
        (table, "the table", ("sequences", "pages")),
        (lengths, "lengths", ("sequences",)),
    ):
        if tensor.ndim != len(axes):
            faults.append(f"{name} has shape {list(tensor.shape)}; expected [{', '.join(axes)}]")
    if faults:
        raise AttentionError(tuple(faults))
    sequences, heads, d = queries.shape
    _, kv_heads, page, key_d = keys.shape
    if _name(queries.dtype) not in TYPES:
        faults.append(f"queries has type {_name(queries.dtype)}; expected {' or '.join(TYPES)}")
    if d not in HEAD_DIMENSIONS:
        faults.append(f"the head dimension is {d}; expected one of {', '.join(map(str, HEAD_DIMENSIONS))}")
    if kv_heads < 1 or heads % kv_heads:
        faults.append(f"{heads} query heads cannot share {kv_heads} heads of keys; expected a multiple")
    if key_d != d or page & (page - 1) or not page:
        faults.append(
            f"keys has pages of shape {[page, key_d]}; expected a power of two of tokens and head dimension {d}"
        )
    expected = (
        (keys, "keys", tuple(keys.shape), queries.dtype),
        (values, "values", tuple(keys.shape), queries.dtype),
        (out, "the output", tuple(queries.shape), queries.dtype),
        (queries, "queries", tuple(queries.shape), queries.dtype),
        (table, "the table", (sequences, table.shape[1]), None),
        (lengths, "lengths", (sequences,), None),
    )
    for tensor, name, shape, dtype in expected:
        kind = _name(dtype) if dtype is not None else "int32"
        if tuple(tensor.shape) != shape or not tensor.is_contiguous() or _name(tensor.dtype) != kind:
            faults.append(
                f"{name} has shape {list(tensor.shape)} and type {_name(tensor.dtype)}; "
                f"expected {list(shape)} and {kind}, contiguous"
            )
    devices = sorted({str(tensor.device) for tensor, *_ in expected})
    if len(devices) > 1:
        faults.append(f"the tensors are on {', '.join(devices)}; expected one device for all")
    if faults:
        raise AttentionError(tuple(faults))


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
