"""Technology files: every number has a source and a band, and what is derived follows the stated rule."""

from __future__ import annotations

from pathlib import Path

import pytest
from mappings import random_mapping

from dataflow.mapping import Machine, cost, count, energies
from dataflow.technology import TechnologyError, technologies, technology_named
from workloads.spec import load

FILE = """\
name = "test"
node_nm = 10
[sources]
book = "a book"
[multiply_pj]
int8 = { value = 2.0, low = 1.0, high = 4.0, source = ["book"] }
[add_pj]
int32 = { value = 0.5, low = 0.5, high = 0.5, source = ["book"] }
fp32 = { value = 3.0, low = 3.0, high = 3.0, source = ["book"] }
[register_pj_per_bit]
value = 0.1
low = 0.1
high = 0.1
source = ["book"]
[[memory_pj_per_bit]]
capacity_bytes = 1024
read = { value = 1.0, low = 1.0, high = 1.0, source = ["book"] }
write = { value = 2.0, low = 2.0, high = 2.0, source = ["book"] }
[[memory_pj_per_bit]]
capacity_bytes = 4096
read = { value = 4.0, low = 4.0, high = 4.0, source = ["book"] }
write = { value = 8.0, low = 8.0, high = 8.0, source = ["book"] }
[off_chip_pj_per_bit]
ddr = { value = 20.0, low = 10.0, high = 40.0, source = ["book"] }
"""


def written(folder: Path, text: str) -> str:
    path = folder / "test.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_smaller_nodes_cost_less() -> None:
    assert technologies() == ("7nm", "28nm", "45nm")
    nest = load("gemm:m=4,n=4,k=4").nest
    for smaller, larger in (("7nm", "28nm"), ("28nm", "45nm")):
        small, large = technology_named(smaller), technology_named(larger)
        assert small.operation_pj(nest) < large.operation_pj(nest)
        assert small.memory_pj_per_bit(1 << 17) < large.memory_pj_per_bit(1 << 17)


@pytest.mark.parametrize("name", technologies())
def test_bands_contain_their_values(name: str) -> None:
    technology = technology_named(name)
    low, high = technology.at("low"), technology.at("high")
    for nest in (load("gemm:m=4,n=4,k=4").nest, load("gemm:m=4,n=4,k=4,format=bf16").nest):
        assert 0 < low.operation_pj(nest) <= technology.operation_pj(nest) <= high.operation_pj(nest)
    for size in (1, 8192, 50_000, 1 << 30):
        assert low.memory_pj_per_bit(size) <= technology.memory_pj_per_bit(size) <= high.memory_pj_per_bit(size)


def test_derived_numbers(tmp_path: Path) -> None:
    technology = technology_named(written(tmp_path, FILE))
    # A quarter of the area of an int8 multiplier, and an int32 sum.
    int4 = load("gemm:m=4,n=4,k=4,format=int4").nest
    assert technology.operation_pj(int4) == pytest.approx(2.0 / 4 + 0.5)
    # Eight bits of significand each, and an fp32 sum.
    assert technology.operation_pj(load("gemm:m=4,n=4,k=4,format=bf16").nest) == pytest.approx(2.0 + 3.0)
    # Halfway between the two capacities on a logarithmic scale, and the nearest beyond them.
    assert technology.memory_pj_per_bit(2048) == pytest.approx((2.0, 4.0))
    assert technology.memory_pj_per_bit(1) == (1.0, 2.0)
    assert technology.memory_pj_per_bit(1 << 20) == (4.0, 8.0)
    assert technology.at("high").off_chip("ddr").value == 40.0
    assert technology.off_chip("ddr").source == "a book"


def test_energy_is_counts_times_constants(tmp_path: Path) -> None:
    technology = technology_named(written(tmp_path, FILE))
    mapping, _ = random_mapping(4)
    machine = Machine(1024, 1.0, technology=technology, off_chip="ddr")
    counts = count(mapping, machine)
    found = cost(counts, machine, energies(machine, mapping.nest), double_buffered=mapping.double_buffered)
    assert found.off_chip_pj == pytest.approx(20.0 * sum(o.bits * (o.fetched + o.stored) for o in counts.operands))
    buffer_pj = sum(o.bits * (1.0 * (o.reads + o.stored) + 2.0 * (o.writes + o.fetched)) for o in counts.operands)
    assert found.buffer_pj == pytest.approx(buffer_pj)
    assert found.hop_pj == pytest.approx(0.1 * sum(o.bits * o.hops for o in counts.operands))
    assert found.energy_pj == pytest.approx(found.operation_pj + found.hop_pj + found.buffer_pj + found.off_chip_pj)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            'source = ["book"] }\n[add_pj]',
            'source = ["song"] }\n[add_pj]',
            "multiply_pj.int8 names source 'song', which [sources] does not hold",
        ),
        (
            "low = 1.0, high = 4.0",
            "low = 3.0, high = 4.0",
            "multiply_pj.int8: expected 0 <= low <= value <= high, not 3.0, 2.0, 4.0",
        ),
        ("ddr = { value = 20.0, ", "ddr = { ", "off_chip_pj_per_bit.ddr must give low, value, high and source"),
        ("int8 = {", "int9 = {", "multiply_pj has no entry for int8, from which other formats are derived"),
        (
            "capacity_bytes = 4096",
            "capacity_bytes = 0",
            "memory_pj_per_bit[1] needs capacity_bytes, an integer of at least 1",
        ),
        (
            'low = 1.0, high = 4.0, source = ["book"]',
            "low = 1.0, high = 4.0, source = []",
            "multiply_pj.int8 names no source; expected a list of keys of [sources]",
        ),
        ("node_nm = 10", "", "'node_nm' is missing or of the wrong kind"),
        ("node_nm = 10", "node_nm = ", "is not TOML: Invalid value (at line 2, column 11)"),
    ],
)
def test_faults_of_a_file(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in FILE
    name = written(tmp_path, FILE.replace(old, new))
    with pytest.raises(TechnologyError) as caught:
        technology_named(name)
    assert str(caught.value) == f"technology {name!r}: {says}"


LEAKAGE = """\
[leakage]
logic_mw_per_mm2 = { value = 4.0, low = 1.0, high = 8.0, source = ["book"] }
memory_factor = { value = 1.0, low = 1.0, high = 5.0, source = ["book"] }
"""


def test_leakage_may_be_left_out(tmp_path: Path) -> None:
    assert technology_named(written(tmp_path, FILE)).leakage is None
    assert technology_named(written(tmp_path, FILE)).at("high").leakage is None


def test_leakage_has_a_band(tmp_path: Path) -> None:
    path = tmp_path / "leaking.toml"
    path.write_text(FILE + LEAKAGE)
    technology = technology_named(str(path))
    found = {band: technology.at(band).leakage for band in ("low", "value", "high")}
    assert {band: each and each.logic_mw_per_mm2.value for band, each in found.items()} == {
        "low": 1.0,
        "value": 4.0,
        "high": 8.0,
    }
    assert found["high"] and found["high"].memory_factor.value == 5.0
    for name in technologies():
        known = technology_named(name).leakage
        assert known and 0 < known.logic_mw_per_mm2.low <= known.logic_mw_per_mm2.value <= known.logic_mw_per_mm2.high


@pytest.mark.parametrize(
    ("leakage", "says"),
    [
        ("leakage = 3\n", "'leakage' is of the wrong kind"),
        (LEAKAGE.replace("memory_factor", "memory"), "leakage.memory_factor must give low, value, high and source"),
        (
            LEAKAGE.replace("low = 1.0, high = 8.0", "low = 5.0, high = 8.0"),
            "leakage.logic_mw_per_mm2: expected 0 <= low <= value <= high, not 5.0, 4.0, 8.0",
        ),
    ],
)
def test_faults_of_leakage(tmp_path: Path, leakage: str, says: str) -> None:
    path = tmp_path / "leaking.toml"
    path.write_text(leakage + FILE if "[" not in leakage else FILE + leakage)
    with pytest.raises(TechnologyError) as caught:
        technology_named(str(path))
    assert str(caught.value) == f"technology {str(path)!r}: {says}"
