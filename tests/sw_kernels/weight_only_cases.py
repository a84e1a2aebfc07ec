"""Products with four-bit weights of odd shapes, scales from the smallest to the largest, with and without a branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from sw_kernels.nvfp4.weight import Nvfp4Weight, packed
from sw_kernels.nvfp4.weight_only.launch import Lora, Workspace, linear, prefill
from sw_kernels.nvfp4.weight_only.naive import linear_naively
from sw_kernels.nvfp4.weight_only.tiles import Tiles

# The interpreter's product of 8 columns is not that of a GPU, so tiles have at least 16 rows here.
TILES = {
    "one-slice": Tiles(32, 16, 4, 1, 4, 1),
    "slices": Tiles(32, 16, 2, 3, 4, 1),
    "short-tiles": Tiles(32, 16, 2, 3, 4, 1, short=2),
    "late-branch": Tiles(32, 16, 2, 3, 4, 1, short=1, early=False),
    "narrow-steps": Tiles(16, 32, 1, 2, 4, 1, guard=False),
    # Fewer shares than tiles, as many, so many that some tiles have several and some shares no step.
    "one-share": Tiles(32, 16, 2, 1, 4, 1, shares=1),
    "few-shares": Tiles(16, 32, 1, 1, 4, 1, shares=5),
    "many-shares": Tiles(32, 16, 2, 1, 4, 1, shares=17),
}


@dataclass(frozen=True)
class Case:
    id: str
    rows: int
    outputs: int
    inputs: int
    tiles: str
    rank: int = 0
    apart: int = 0


CASES = [
    Case("one-row", 1, 40, 272, "one-slice"),
    Case("whole-slabs", 8, 64, 768, "slices"),
    Case("ragged-slabs", 5, 70, 528, "slices"),
    Case("short-tiles", 5, 70, 528, "short-tiles"),
    Case("half-a-slab", 3, 17, 128, "one-slice"),
    Case("two-tiles-of-rows", 33, 33, 1040, "narrow-steps"),
    Case("rows-apart", 4, 20, 256, "one-slice", apart=16),
    Case("one-share", 17, 70, 528, "one-share"),
    Case("few-shares", 33, 40, 528, "few-shares"),
    Case("many-shares", 5, 70, 528, "many-shares"),
    Case("branch", 5, 70, 528, "slices", rank=16),
    Case("branch-of-short-tiles", 17, 70, 528, "short-tiles", rank=16),
    Case("late-branch", 5, 70, 528, "late-branch", rank=32),
    Case("branch-of-few-shares", 33, 40, 528, "few-shares", rank=32),
    Case("branch-of-many-shares", 5, 70, 528, "many-shares", rank=16),
    Case("branch-of-two-tiles-of-rows", 37, 40, 528, "narrow-steps", rank=32),
    Case("branch-of-one-slab", 2, 33, 256, "one-slice", rank=64),
    Case("branch-of-many-parts", 2, 17, 4640, "one-slice", rank=16),
]


def drawn(outputs: int, inputs: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes, and scales of which a few are zero, subnormal or the largest there is."""
    codes = torch.randint(0, 16, (outputs, inputs))
    scales = torch.randint(44, 68, (outputs, inputs // 16))
    rare = torch.tensor([0, 1, 7, 8, 0x7E])[torch.randint(0, 5, scales.shape)]
    return codes, torch.where(torch.rand(scales.shape) < 0.1, rare, scales).to(torch.uint8)


def weight_of(outputs: int, inputs: int) -> Nvfp4Weight:
    return packed(*drawn(outputs, inputs), 0.013)


def compared(case: Case, dtype: torch.dtype) -> dict[str, Any]:
    torch.manual_seed(5)
    weight = weight_of(case.outputs, case.inputs)
    # Some scales make sums beyond fp16.
    x = (torch.randn(case.rows, case.inputs + case.apart) / 64).to(dtype)[:, : case.inputs]
    lora = None
    if case.rank:
        lora = Lora((torch.randn(case.rank, case.inputs)).to(dtype), (torch.randn(case.outputs, case.rank)).to(dtype))
    reference = linear_naively(x, weight, (lora.down, lora.up) if lora else None)
    workspace = Workspace.on("cpu", dtype, most_outputs=1 << 16)
    for memory in (workspace.partial, workspace.narrow, workspace.narrow_partial):
        memory.fill_(float("nan"))
    errors = []
    for _ in range(2):
        out = torch.full((case.rows, case.outputs), float("nan"), dtype=dtype)
        linear(x, weight, out, workspace, lora, tiles=TILES[case.tiles], plain=True)
        errors.append(_error(out, reference))
    long = torch.empty(case.rows, case.inputs + case.rank, dtype=dtype)
    long[:, : case.inputs] = x
    out = torch.full((case.rows, case.outputs), float("nan"), dtype=dtype)
    room = torch.full((case.outputs, case.inputs + case.rank), float("nan"), dtype=dtype)
    prefill(long, weight, out, room, lora, plain=True)
    return {
        "errors": errors,
        "prefill": _error(out, reference),
        "counters": int(workspace.counters.abs().sum()),
    }


def _error(value: torch.Tensor, reference: torch.Tensor) -> float:
    """Largest element error over the root mean square."""
    return float((value.double() - reference).abs().max() / reference.square().mean().sqrt())
