"""Layers with a low-rank branch as graphs of nests, against their numerics."""

from __future__ import annotations

import numpy as np
import pytest

from workloads.formats import BLOCK_FORMATS
from workloads.formats.block_format import BlockError
from workloads.formats.encoding import BF16
from workloads.formats.exact import product_scale
from workloads.formats.quantize import quantize
from workloads.low_rank_layer import adapted_layer, split_layer
from workloads.svdquant import Settings
from workloads.svdquant import split_layer as numerics
from workloads.svdquant.layer import SCHEMES
from workloads.svdquant.tensors import drawn_layer
from workloads.workload_spec import load_workload


def test_adapted_layer() -> None:
    rng = np.random.default_rng(0)
    rows, outputs, inputs, rank = 3, 5, 48, 2
    x = BF16.rounded(rng.standard_normal((rows, inputs))).astype(np.float32)
    a, b = (BF16.rounded(rng.standard_normal(s)).astype(np.float32) for s in ((rank, inputs), (outputs, rank)))
    weight = quantize(rng.standard_normal((outputs, inputs)) * 1e-3, BLOCK_FORMATS["nvfp4"])
    layer = adapted_layer(rows, outputs, inputs, rank, float(weight.tensor_scale))
    found = layer.run(
        {
            "X": x,
            "XB": x.reshape(rows, 3, 16),
            "W": weight.elements.reshape(outputs, 3, 16),
            "SW": weight.scales,
            "A": a,
            "B": b,
        }
    )["Y"]
    expected = x.astype(float) @ weight.dequantized().T + x.astype(float) @ a.T @ b.T
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert load_workload(str(layer)).workload == layer


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda scheme: scheme.name)
def test_split_layer(scheme) -> None:  # type: ignore[no-untyped-def]
    given = drawn_layer("outlier channels", 7, 128, 5)
    split = numerics(given, scheme, Settings(3, iterations=2))
    smooth = (given.held_out / split.smoothing).astype(np.float32)
    small, block = scheme.activations(smooth), scheme.number_format.block
    scale = float(product_scale(small, split.residual)) if scheme.number_format.tensor_scale else 1.0
    layer = split_layer(5, 7, 128, 3, scheme.number_format, scale)
    found = layer.run(
        {
            "X": smooth,
            "Q": small.elements.reshape(5, -1, block),
            "SQ": small.scales,
            "R": split.residual.elements.reshape(7, -1, block),
            "SR": split.residual.scales,
            "A": split.down.astype(np.float32),
            "B": split.up.astype(np.float32),
        }
    )["Y"]
    np.testing.assert_allclose(found, split.run(given.held_out), rtol=1e-4, atol=1e-4)
    assert load_workload(str(layer)).workload == layer


def test_refused() -> None:
    with pytest.raises(BlockError) as caught:
        split_layer(1, 1, 96, 1, BLOCK_FORMATS["int4_g64"])
    assert str(caught.value) == "format 'int4_g64': expected inputs of a multiple of 64, not 96"
