from __future__ import annotations

import pytest
from tuned_programs import compiled

# Shared memory of one block: 227 KiB on both.
MOST_SHARED_BYTES = 232448
PRODUCTS = ("decode-attention-group4", "decode-attention-group7", "quantize-narrow32")
NAMES = (*PRODUCTS, "rms-norm", "rms-norm-noise", "quantize", "largest-magnitude")


@pytest.mark.parametrize("capability", [90, 100])
@pytest.mark.parametrize("name", NAMES)
def test_tuned_kernel_compiles_well(name: str, capability: int) -> None:
    row = compiled()[f"{name}-sm{capability}"]
    assert row["local_bytes"] == 0
    assert row["shared_bytes"] <= MOST_SHARED_BYTES
    assert row["wide"]
    assert row["hazards"] == []
    if name.startswith(("quantize", "largest")):
        assert row["inexact"] == []
    assert row["mma"] == (name in PRODUCTS)
