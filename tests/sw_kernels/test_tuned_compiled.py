from __future__ import annotations

from typing import Any

import pytest
from programs import builds, compiled

# Shared memory of one block: 227 KiB on both.
MOST_SHARED_BYTES = 232448
# Matrix instructions for sm_90 and sm_100.
INSTRUCTIONS = {
    "decode-attention": ("mma", "mma"),
    "rms-norm": (None, None),
    "quantize": (None, None),
    "quantize-narrow32": ("mma", "mma"),
    "largest-magnitude": (None, None),
    "expand": (None, None),
    "widen": (None, None),
    "wide-product-branch": ("wgmma", "tcgen05"),
    "exact-product-3x3": ("wgmma", "tcgen05"),
    "exact-product-3x2-branch": ("wgmma", "tcgen05"),
}
# Rounding in these is part of the definition.
EXACT = ("quantize", "largest", "expand", "exact", "widen")


@pytest.mark.parametrize(("name", "capability"), builds(INSTRUCTIONS))
def test_tuned_kernel_compiles_well(name: str, capability: int) -> None:
    check(compiled()[f"{name}-sm{capability}"], name, capability)


@pytest.mark.full
@pytest.mark.parametrize(("name", "capability"), builds(INSTRUCTIONS, later=True))
def test_other_tuned_kernels_compile_well(name: str, capability: int) -> None:
    check(compiled("later")[f"{name}-sm{capability}"], name, capability)


def check(row: dict[str, Any], name: str, capability: int) -> None:
    assert row["local_bytes"] == 0
    assert row["shared_bytes"] <= MOST_SHARED_BYTES
    assert row["wide"]
    assert row["hazards"] == []
    if name.startswith(EXACT):
        assert row["inexact"] == []
    used = INSTRUCTIONS[name][capability == 100]
    assert {kind for kind in ("wgmma", "tcgen05") if row[kind]} == {used} - {"mma", None}
    assert used != "mma" or row["mma"]


@pytest.mark.parametrize("name", ["native-product", "native-product-branch"])
def test_native_product_uses_block_scaled_instructions(name: str) -> None:
    row = compiled()[f"{name}-sm100"]
    assert row["local_bytes"] == 0
    assert row["shared_bytes"] <= MOST_SHARED_BYTES
    assert row["wide"]
    assert row["tcgen05"]
    assert row["block_scaled"]
