"""Sizes of a quantized FLUX.1, against what was published."""

from __future__ import annotations

import pytest

from workloads.formats import BLOCK_FORMATS
from workloads.networks.registry import network_named
from workloads.svdquant.network import network_bytes, product_table, products

FLUX = network_named("flux.1_dev")
INT4, NVFP4 = BLOCK_FORMATS["int4_g64"], BLOCK_FORMATS["nvfp4"]


def test_published_sizes() -> None:
    # arXiv 2411.05007, figure on efficiency: 22.2 GiB in 16 bits, 6.1 in INT4 with branches, 3.6 times less.
    assert round(2 * FLUX.parameters / 2**30, 1) == 22.2
    found = network_bytes(FLUX, INT4) / 2**30
    assert found == pytest.approx(6.1, abs=0.1)
    assert 2 * FLUX.parameters / 2**30 / found == pytest.approx(3.6, abs=0.05)


@pytest.mark.parametrize("number_format", [INT4, NVFP4], ids=str)
def test_bytes_add_up(number_format: object) -> None:
    given = products(FLUX, number_format, 32)  # type: ignore[arg-type]
    parameters = sum(p.repeat * (p.outputs * p.inputs + p.other_parameters) for p in given)
    assert parameters + sum(n for _, n in FLUX.other_parameters) == FLUX.parameters
    for p in given:
        bits = 16.0 if p.number_format is None else p.number_format.element.bits
        bits += 0 if p.number_format is None else p.number_format.scale.bits / p.number_format.block
        branch = p.rank * (p.outputs + p.inputs)
        assert p.bytes == bits / 8 * p.outputs * p.inputs + 2 * (branch + p.other_parameters)
    assert {p.name for p in given if p.number_format is None} == {
        *("image.in", "text.in", "time.0", "time.1", "guidance.0", "guidance.1", "pooled_text.0", "pooled_text.1"),
        *("out", "out.modulation"),
    }
    assert {p.rank for p in given if "modulation" in p.name} == {0}


def test_branch_is_little_work_and_much_traffic() -> None:
    by_name = {p.name: p for p in products(FLUX, INT4, 32)}
    layer = by_name["double.image.query_key_value"]
    assert 100 * layer.branch_macs / layer.macs == pytest.approx(1.39, abs=0.01)
    # 4096 x 9216 in 16 bits, read and written, is 151 MB; and the input.
    assert layer.unfused_bytes == 2 * 4096 * (2 * 9216 + 3072 + 64)
    assert "| double.image.query_key_value | 19 | 4096 | 9216 | 3072 | 1.39 % | 177 |" in product_table(FLUX, INT4)
    assert "modulation" not in product_table(FLUX, INT4)
