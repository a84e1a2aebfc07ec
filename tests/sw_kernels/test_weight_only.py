from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from programs import builds, compiled, interpreted
from weight_only_cases import CASES, Case, drawn, weight_of

from sw_kernels.nvfp4.products import DECODE_ROWS, LAYERS
from sw_kernels.nvfp4.weight import SLAB, WeightError, dequantized, packed, unpacked
from sw_kernels.nvfp4.weight_only.launch import LinearError, Lora, Workspace, linear, prefill
from sw_kernels.nvfp4.weight_only.tiles import MOST_PARTS, RESIDENT_BESIDE, tiles_for
from workloads.formats import format_named

# Outputs and slabs of a layer with more tiles of 128 outputs than multiprocessors.
TALL = (18944, 14)
MOST_ERROR = {"fp32": 5e-6, "fp16": 3e-3}


@pytest.mark.parametrize("dtype", MOST_ERROR)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_product_is_the_definition(case: Case, dtype: str) -> None:
    row = interpreted()[f"weight-only-{case.id}-{dtype}"]
    # The second run starts from what the first one left behind.
    assert max(row["errors"]) <= MOST_ERROR[dtype]
    assert row["prefill"] <= MOST_ERROR[dtype]
    assert row["counters"] == 0


@pytest.mark.parametrize("inputs", [16, 240, 256, 272, 1024])
def test_packing_keeps_every_code_and_scale(inputs: int) -> None:
    torch.manual_seed(inputs)
    codes, scales = drawn(9, inputs)
    found, values = unpacked(packed(codes, scales, 1.0))
    stored = format_named("e4m3").encoding
    assert stored is not None
    expected = torch.from_numpy(np.asarray(stored.decode(scales.numpy()), dtype=np.float32))
    assert torch.equal(values, expected)
    # Under a scale of zero no code has a meaning.
    kept = (scales != 0).repeat_interleave(16, dim=1)
    assert torch.equal(found[kept], codes[kept])
    assert not found[~kept].any()


def test_every_scale_of_every_code() -> None:
    scales = torch.arange(0x7F, dtype=torch.uint8).repeat(16, 1)
    codes = torch.arange(16).view(16, 1).repeat(1, 16 * 0x7F)
    weight = packed(codes, scales, 0.5)
    assert weight.slabs == -(-16 * 0x7F // SLAB)
    element, scale = format_named("e2m1").encoding, format_named("e4m3").encoding
    assert element is not None
    assert scale is not None
    values = element.decode(np.arange(16, dtype=np.uint8)).astype(np.float64)[:, None]
    expected = values * scale.decode(np.arange(0x7F, dtype=np.uint8)).astype(np.float64) * 0.5
    assert np.array_equal(dequantized(weight, torch.float64).numpy(), np.repeat(expected, 16, axis=1))


@pytest.mark.parametrize(
    ("codes", "scales", "says"),
    [
        ((4, 24), (4, 1), "an NVFP4 matrix needs a multiple of 16 columns, not 24"),
        ((4, 32), (4, 3), "codes of shape [4, 32] need scales of shape [4, 2], not [4, 3]"),
    ],
)
def test_no_matrix(codes: tuple[int, int], scales: tuple[int, int], says: str) -> None:
    with pytest.raises(WeightError) as caught:
        packed(torch.zeros(codes, dtype=torch.uint8), torch.zeros(scales, dtype=torch.uint8), 1.0)
    assert str(caught.value) == says


def test_negative_scale() -> None:
    with pytest.raises(WeightError) as caught:
        packed(torch.zeros(1, 16, dtype=torch.uint8), torch.full((1, 1), 0x81, dtype=torch.uint8), 1.0)
    assert str(caught.value) == "scales must be finite and not negative; the largest code is 0x81"


def test_tensors_that_do_not_fit() -> None:
    weight = weight_of(8, 32)
    workspace = Workspace.on("cpu", torch.bfloat16, most_outputs=64)
    x, out = torch.zeros(2, 31, dtype=torch.float16), torch.zeros(2, 9)
    lora = Lora(torch.zeros(5, 32, dtype=torch.float16), torch.zeros(8, 5, dtype=torch.float16))
    with pytest.raises(LinearError) as caught:
        linear(x, weight, out, workspace, lora)
    assert caught.value.faults == (
        "x has type float16; expected bfloat16",
        "x has shape [2, 31]; expected [rows, 32]",
        "the output has shape [2, 9]; expected [2, 8], contiguous",
        "the low-rank branch has rank 5; expected one of 16, 32, 64, 128",
    )
    with pytest.raises(LinearError) as caught:
        linear(torch.zeros(161, 32, dtype=torch.bfloat16), weight, torch.zeros(161, 8), workspace)
    assert caught.value.faults == ("x has 161 rows; expected at most 160, beyond which prefill serves",)
    x = torch.zeros(1, 32, dtype=torch.bfloat16)
    tiles = replace(tiles_for(1, 8, 1), split=9)
    with pytest.raises(LinearError) as caught:
        linear(x, weight, torch.zeros(1, 8), workspace, tiles=tiles)
    assert caught.value.faults == ("9 slices of 1 x 8 outputs do not fit the workspace",)
    tiles = replace(tiles_for(1, 8, 1), shares=9)
    with pytest.raises(LinearError) as caught:
        linear(x, weight, torch.zeros(1, 8), workspace, tiles=tiles)
    assert caught.value.faults == ("9 shares of 1 x 8 outputs do not fit the workspace",)
    tiles = replace(tiles_for(1, 8, 1), short=1)
    with pytest.raises(LinearError) as caught:
        linear(x, weight, torch.zeros(1, 8), Workspace.on("cpu", torch.bfloat16), tiles=tiles)
    assert caught.value.faults == ("1 of 1 tiles in 1 slices cannot have one less",)
    with pytest.raises(LinearError) as caught:
        prefill(x, weight, torch.zeros(1, 8), torch.zeros(8, 16, dtype=torch.bfloat16))
    assert caught.value.faults == (
        "the room for decoded weights has shape [8, 16] and type bfloat16; expected [8, 32] and bfloat16",
    )


@pytest.mark.parametrize("branch", [False, True])
@pytest.mark.parametrize(("layer", "rows"), list(product(LAYERS, DECODE_ROWS)))
def test_tiles_fill_the_machine(layer: str, rows: int, branch: bool) -> None:
    outputs, inputs = LAYERS[layer]
    slabs = inputs // SLAB
    tiles = tiles_for(rows, outputs, slabs, branch=branch)
    programs = tiles.shares or -(-outputs // tiles.n) * -(-rows // tiles.m) * tiles.split - tiles.short
    assert programs >= 100
    assert tiles.split <= slabs
    if branch and tiles.short:
        assert programs + min(MOST_PARTS, slabs) == RESIDENT_BESIDE[tiles.m]
    # Products that read an operand from registers have to be waited for.
    assert tiles.guard or tiles.warps < 4 or tiles.n < 64


@pytest.mark.parametrize(
    ("rows", "branch", "shares"), [(64, False, 0), (64, True, 260), (128, False, 264), (128, True, 260)]
)
def test_shares_of_many_tiles(rows: int, branch: bool, shares: int) -> None:
    assert tiles_for(rows, *TALL, branch=branch).shares == shares


LARGE = (
    *(f"weight-only-m{rows}{branch}" for rows in (16, 32, 64, 128) for branch in ("", "-lora32")),
    *("weight-only-even-m128", "weight-only-even-m64-lora32"),
)
SMALL = tuple(f"weight-only-{size}m8{branch}" for size in ("", "small-") for branch in ("", "-lora32"))


@pytest.mark.parametrize(("name", "capability"), builds((*LARGE, *SMALL)))
def test_product_compiles_well(name: str, capability: int) -> None:
    check(compiled()[f"{name}-sm{capability}"], name, capability)


@pytest.mark.full
@pytest.mark.parametrize(("name", "capability"), builds((*LARGE, *SMALL), later=True))
def test_other_products_compile_well(name: str, capability: int) -> None:
    check(compiled("later")[f"{name}-sm{capability}"], name, capability)


def check(row: dict[str, Any], name: str, capability: int) -> None:
    assert row["local_bytes"] == 0
    assert row["shared_bytes"] <= 232448
    assert row["wide"]
    assert row["mma"] or name in LARGE
    assert row["wgmma"] == (capability == 90 and name in LARGE)
    assert row["tcgen05"] == (capability == 100 and name in LARGE)
    # Operands in registers, and nothing that overwrites them too early.
    assert (row["register_products"] > 0) == row["wgmma"]
    assert row["hazards"] == []


@pytest.mark.parametrize("capability", [90, 100])
@pytest.mark.parametrize("name", ["decode-weights", "narrow-rows"])
def test_prefill_compiles_well(name: str, capability: int) -> None:
    row = compiled()[f"{name}-sm{capability}"]
    assert row["local_bytes"] == 0
    assert row["wide"]
