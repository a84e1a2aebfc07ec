"""The search against trying every mapping of its space."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from exhaustive import count_every_mapping
from mappings import random_plans

from dataflow import Dataflow, Timing, build
from dataflow.mapping import (
    OBJECTIVES,
    Machine,
    MappingError,
    TiledMapping,
    best_mapping,
    cost,
    count,
    energies,
)
from dataflow.mapping.objective import score
from dataflow.mapping.space import all_cuts, even_cuts, every_mapping
from workloads.spec import load

FEW, MANY = 120, 10_000
ROUNDING = 1e-9


def check(seed: int) -> None:
    r = random.Random(seed)
    nest, plans = random_plans(seed)
    timing = Timing(write_cycles=r.randint(1, 6), hazard_cycles=r.randint(0, 5))
    bandwidth, latency_cycles = r.choice((0.25, 1.0, 4.0)), r.choice((0, 3))
    roomy = Machine(1 << 20, bandwidth, latency_cycles, timing, result_bits=r.choice((None, 8)))
    cuts = r.choice((even_cuts, all_cuts))
    tried = count_every_mapping(nest, plans, roomy, cuts)
    # A buffer that some mappings fit into and, mostly, others do not.
    held = r.choice(sorted({-(-counts.tile_bits // 8) for _, counts in tried}))
    machine = replace(roomy, buffer_bytes=held * r.choice((1, 2)))
    energy = energies(machine, nest)
    costs = [
        cost(counts, machine, energy, double_buffered=mapping.double_buffered)
        for mapping, counts in tried
        if (2 if mapping.double_buffered else 1) * counts.tile_bits <= 8 * machine.buffer_bytes
    ]
    for objective in OBJECTIVES:
        found = best_mapping(nest, machine, [plan.dataflow for plan in plans], objective=objective, cuts=cuts)
        best = min(score(objective, each.cycles, each.energy_pj) for each in costs)
        assert found.certificate.value == pytest.approx(best[0], rel=ROUNDING, abs=0)
        assert score(objective, found.cost.cycles, found.cost.energy_pj)[1] == pytest.approx(best[1], rel=1e-6, abs=0)
        assert found.certificate.proven


@pytest.mark.parametrize("seed", range(FEW))
def test_no_mapping_is_better(seed: int) -> None:
    check(seed)


@pytest.mark.full
@pytest.mark.parametrize("first", range(FEW, FEW + MANY, 100))
def test_no_mapping_is_better_in_many_cases(first: int) -> None:
    for seed in range(first, first + 100):
        check(seed)


# The last two are large enough for orders to differ.
@pytest.mark.parametrize("seed", [0, 40, 140, 160, 136, 153])
def test_counting_every_mapping_is_counting_each(seed: int) -> None:
    nest, plans = random_plans(seed)
    machine = Machine(1 << 20, 1.0, 3, Timing(write_cycles=2, hazard_cycles=4))
    each = [(mapping, count(mapping, machine)) for plan in plans for mapping in every_mapping(nest, plan, all_cuts)]
    assert count_every_mapping(nest, plans, machine, all_cuts) == each


@pytest.mark.parametrize("axis", [1, 2, 3, 16])
@pytest.mark.parametrize("extent", [1, 2, 7, 16, 17, 63, 100])
def test_even_cuts_are_the_smallest_tile_of_each_number_of_tiles(extent: int, axis: int) -> None:
    smallest: dict[int, int] = {}
    for cut in all_cuts(extent, axis):
        smallest[cut.count] = min(cut.size, smallest.get(cut.count, extent))
    assert {cut.count: cut.size for cut in even_cuts(extent, axis)} == smallest


@pytest.mark.parametrize(("size", "cycles"), [(1024, 4_219_136), (1000, 3_992_722)])
def test_a_large_product_on_16_by_16_units(size: int, cycles: int) -> None:
    nest = load(f"gemm:m={size},n={size},k={size}").nest
    flows = [Dataflow.of(nest, dict.fromkeys(axes, 16)) for axes in (("m", "n"), ("k", "n"))]
    found = best_mapping(nest, Machine(128 * 1024, 64.0), flows, objective="cycles")
    assert found.certificate.proven
    assert found.cost.cycles == cycles
    # The array alone, full in all but the last tiles, needs a cycle for each 256 products at the very least.
    assert -((-size // 16) ** 2) * size < found.cost.array_cycles < cycles


def test_more_buffer_or_bandwidth_is_never_worse() -> None:
    nest = load("conv2d:oc=20,ic=12,h=14,w=10").nest
    flows = [Dataflow.of(nest, {"oc": 8, "ic": 8})]
    machines = [Machine(size, rate) for size, rate in ((600, 1.0), (2400, 1.0), (9600, 1.0), (9600, 8.0))]
    cycles = [best_mapping(nest, machine, flows, objective="cycles").cost.cycles for machine in machines]
    assert cycles == sorted(cycles, reverse=True) and cycles[-1] < cycles[0]


def test_no_mapping_fits() -> None:
    nest = load("gemm:m=64,n=64,k=64").nest
    with pytest.raises(MappingError) as caught:
        best_mapping(nest, Machine(1000, 1.0), [Dataflow.of(nest, {"m": 16, "n": 16})])
    assert str(caught.value) == (
        "nest 'gemm': the buffer of 1000 bytes excludes every mapping: the smallest tiles need 1056 bytes on "
        "dataflow 'm_n' (A 16, B 16, O 1024)"
    )


def test_a_mapping_prints_as_its_loop_nest() -> None:
    nest = load("gemm:m=40,n=64,k=64").nest
    plan = build(nest, Dataflow.of(nest, {"m": 16, "n": 16})).plans[0]
    mapping = TiledMapping.of(nest, plan, {"m": 32, "k": 20}, order=("k", "n", "m"))
    assert str(mapping) == (
        "off-chip memory, transfers overlap with the array\n"
        "  for k in 4 tiles of 20, the last of 4\n"
        "    for m in 2 tiles of 32, the last of 8\n"
        "    buffer\n"
        "      for m in 2 step 16\n"
        "        for n in 4 step 16\n"
        "          for k in 20\n"
        "            parallel m over 16, n over 16: O[m, n] += A[m, k], B[k, n]"
    )


@pytest.mark.parametrize(
    ("tiles", "order", "says"),
    [
        (
            {"m": 24},
            None,
            "loop 'm': a tile holds 24 iterations, which is not a multiple of the 16 functional units on ",
        ),
        ({"k": 0}, None, "loop 'k': a tile holds 0 iterations; expected 1 to 64"),
        ({}, ("m", "n"), "the tile loops are m, n; expected each of m, n, k once"),
    ],
)
def test_mappings_that_do_not_fit(tiles: dict[str, int], order: tuple[str, ...] | None, says: str) -> None:
    nest = load("gemm:m=64,n=64,k=64").nest
    plan = build(nest, Dataflow.of(nest, {"m": 16, "n": 16})).plans[0]
    with pytest.raises(MappingError) as caught:
        TiledMapping.of(nest, plan, tiles, order=order)
    assert str(caught.value) == f"nest 'gemm': {says}" + ("its axis" if says.endswith("on ") else "")


@pytest.mark.parametrize(
    ("limits", "tile", "says"),
    [
        (
            {"m": 64, "n": 64, "k": 32},
            {},
            "dataflow 'm_n' runs at most 32 iterations of loop 'k' at a time and cannot continue earlier sums, so "
            "its 64 iterations exclude every mapping",
        ),
        ({"m": 64, "n": 64, "k": 64}, {}, None),
        ({"m": 64, "n": 64, "k": 64}, {"k": 16}, None),
    ],
)
def test_hardware_that_exists_has_limits(limits: dict[str, int], tile: dict[str, int], says: str | None) -> None:
    nest = load("gemm:m=64,n=64,k=64").nest
    plan = build(nest, Dataflow.of(nest, {"m": 16, "n": 16}, tile=tile), limits=limits).plans[0]
    machine = Machine(4096, 1.0)
    if says:
        with pytest.raises(MappingError) as caught:
            best_mapping(nest, machine, [plan])
        assert str(caught.value) == f"nest 'gemm': {says}"
        return
    found = best_mapping(nest, machine, [plan])
    free = best_mapping(nest, machine, [Dataflow.of(nest, {"m": 16, "n": 16})])
    assert found.certificate.value >= free.certificate.value
    assert (found.mapping.cut["k"].count > 1) == bool(tile)
    assert all(cut.size <= plan.extents[loop] for loop, cut in found.mapping.cuts)


def test_hardware_for_another_nest() -> None:
    nest, other = load("gemm:m=64,n=64,k=64").nest, load("gemv:m=64,k=64").nest
    plan = build(other, Dataflow.of(other, {"m": 16})).plans[0]
    with pytest.raises(MappingError) as caught:
        best_mapping(nest, Machine(4096, 1.0), [plan])
    assert str(caught.value) == ("nest 'gemm': dataflow 'm' was built for nest 'gemv', whose loops or body differ")
