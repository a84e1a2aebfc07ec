"""Memories: the committed table of CACTI runs, what lies between and beyond its entries, and refusals."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from dataflow.technology import TechnologyError, technologies, technology_named
from dataflow.technology.sram import sram_area_um2, sram_leakage_mw, sram_table
from hw.estimate import EstimateError, memory_area_um2


def test_table_is_whole_and_grows_with_capacity_and_node():
    found = {(s.node_nm, s.capacity_bytes, s.width_bits): s for s in sram_table()}
    axes = [sorted({key[n] for key in found}) for n in range(3)]
    assert set(found) == set(product(*axes)) and axes[0] == [22, 28, 45]
    assert axes[1][0] == 1024 and axes[1][-1] == 1 << 22
    for node, width in product(axes[0], axes[2]):
        column = [found[node, capacity, width] for capacity in axes[1]]
        for value in ("area_um2", "read_pj_per_bit", "leakage_mw"):
            values = [getattr(sram, value) for sram in column]
            assert values == sorted(values) and values[0] > 0
    for capacity, width in product(axes[1], axes[2]):
        areas = [found[node, capacity, width].area_um2 for node in axes[0]]
        assert areas == sorted(areas)


def test_every_entry_is_met_and_what_lies_between_lies_between():
    for sram in (s for s in sram_table() if s.width_bits == 64):
        assert sram_area_um2(sram.node_nm, sram.capacity_bytes) == pytest.approx(sram.area_um2)
        assert sram_leakage_mw(sram.node_nm, sram.capacity_bytes) == pytest.approx(sram.leakage_mw)
    low, middle, high = (sram_area_um2(28, capacity) for capacity in (4096, 8192, 16384))
    assert middle == pytest.approx((low * high) ** 0.5)
    assert sram_area_um2(28, 512) == pytest.approx(sram_area_um2(28, 1024) / 2)
    assert sram_area_um2(28, 1 << 23) == pytest.approx(2 * sram_area_um2(28, 1 << 22))
    assert sram_area_um2(7, 8192) == pytest.approx(7 / 22 * sram_area_um2(22, 8192))
    assert sram_leakage_mw(7, 8192) == sram_leakage_mw(22, 8192)


@pytest.mark.parametrize("name", technologies())
def test_banks(name: str):
    technology = technology_named(name)
    whole = memory_area_um2(technology, 1 << 18, 1)
    assert memory_area_um2(technology, 1 << 18, 4) == pytest.approx(4 * memory_area_um2(technology, 1 << 16, 1))
    assert 0.8 * whole < memory_area_um2(technology, 1 << 18, 16) < 1.5 * whole
    # A last bank that is not full is as large as the others.
    assert memory_area_um2(technology, 10, 4) == memory_area_um2(technology, 12, 4)


def test_refusals():
    technology = technology_named("28nm")
    with pytest.raises(EstimateError) as banks:
        memory_area_um2(technology, 4, 5)
    assert str(banks.value) == "area estimate '28nm': expected 1 to 4 banks, one a byte, not 5"
    with pytest.raises(TechnologyError) as node:
        memory_area_um2(replace(technology, node_nm=30), 4, 1)
    assert str(node.value) == "technology '30nm': memories are known at 22, 28, 45 nm and below 22 nm"
    with pytest.raises(TechnologyError) as size:
        sram_area_um2(28, 0)
    assert str(size.value) == "technology '28nm': a memory must hold at least 1 byte, not 0"
