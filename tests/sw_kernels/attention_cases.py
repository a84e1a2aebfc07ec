"""Decode attention on odd shapes: pages in any order, poison wherever nothing may be read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from sw_kernels.decode_attention.launch import Tiles, Workspace, decode_attention
from sw_kernels.decode_attention.naive import decode_attention_naively


@dataclass(frozen=True)
class Case:
    id: str
    lengths: tuple[int, ...]
    kv_heads: int
    group: int
    d: int
    page: int
    tiles: Tiles
    scale: float | None = None


CASES = [
    Case("one-token-and-none", (1, 0, 77, 150), 2, 7, 64, 16, Tiles(32, 3, 4, 2)),
    Case("one-slice", (33, 5), 1, 4, 32, 32, Tiles(32, 1, 4, 2)),
    Case("more-slices-than-steps", (129,), 1, 1, 32, 64, Tiles(64, 5, 4, 2)),
    Case("step-within-a-page", (65, 64, 63), 2, 3, 32, 128, Tiles(32, 2, 4, 2)),
    Case("group-past-one-tile", (40,), 1, 20, 32, 16, Tiles(16, 2, 4, 2)),
    Case("large-scores", (70, 9), 1, 2, 32, 16, Tiles(16, 3, 4, 2), scale=4.0),
]


def inputs(case: Case, dtype: torch.dtype) -> dict[str, Any]:
    """Queries, caches, table and lengths; NaN beyond each sequence, and page numbers that would fault."""
    torch.manual_seed(1)
    sequences = len(case.lengths)
    most_pages = -(-max(case.lengths) // case.page) + 1
    pages = sequences * most_pages
    keys, values = (torch.randn(pages, case.kv_heads, case.page, case.d).to(dtype) for _ in range(2))
    table = torch.randperm(pages).reshape(sequences, most_pages).int()
    for sequence, length in enumerate(case.lengths):
        for number in range(most_pages):
            page, used = table[sequence, number].item(), max(0, min(length - number * case.page, case.page))
            keys[page, :, used:] = values[page, :, used:] = float("nan")
            if used == 0:
                table[sequence, number] = 1 << 30
    return {
        "queries": torch.randn(sequences, case.kv_heads * case.group, case.d).to(dtype),
        "keys": keys,
        "values": values,
        "table": table,
        "lengths": torch.tensor(case.lengths, dtype=torch.int32),
    }


def compared(case: Case, dtype: torch.dtype) -> dict[str, Any]:
    tensors = inputs(case, dtype)
    out = torch.full_like(tensors["queries"], float("nan"))
    workspace = Workspace.on("cpu", len(case.lengths), case.kv_heads, case.group, case.d, case.tiles.split)
    workspace.partial.fill_(float("nan"))
    workspace.partial_lse.fill_(float("nan"))
    decode_attention(**tensors, out=out, workspace=workspace, scale=case.scale, tiles=case.tiles)
    scale = case.scale or 1 / math.sqrt(case.d)
    reference = decode_attention_naively(**tensors, scale=scale)
    return {
        "error": ((out.double() - reference).norm() / reference.norm()).item(),
        "clean": not workspace.counters.any().item(),
    }
