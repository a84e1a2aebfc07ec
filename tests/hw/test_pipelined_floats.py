"""Which floating-point units take two cycles, and what then waits for a sum."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest
from amaranth.hdl import Module, Signal

from dataflow import Dataflow, build, fuse
from hw import Accelerator, generate
from hw.pipelining import pipelined
from hw.units.float_add import INNER_BITS
from hw.units.float_multiply import inner_bits
from hw.units.float_parts import parts_of
from sim import Job, simulate_all
from workloads.formats import FORMATS
from workloads.interpreter import random_inputs
from workloads.nest import Nest
from workloads.spec import load

BF16 = "gemm:m=5,n=3,k=7,format=bf16"
NVFP4 = "nvfp4_weight_gemm:m=3,n=3,k=32"


@dataclass(frozen=True)
class Case:
    """A dataflow, and cycles of each floating-point node."""

    id: str
    spec: str
    space: dict[str, int]
    skew: tuple[int, ...]
    order: str
    cycles: dict[str, int]


CASES = (
    Case("adds-in-place", BF16, {"m": 3, "n": 2}, (1, 1), "m n k", {"product0": 1, "O_sum": 1}),
    Case("tree-then-in-place", BF16, {"k": 3, "m": 2}, (0, 1), "n m k", {"product0": 1, "sum0": 2, "O_sum": 1}),
    Case("chain-a-cycle-apart", BF16, {"k": 3, "n": 2}, (1, 1), "k n m", {"product0": 1, "sum0": 1, "O_sum": 1}),
    Case("chain-two-apart", BF16, {"k": 3, "n": 2}, (2, 1), "k n m", {"product0": 1, "sum0": 2, "O_sum": 2}),
    Case("tree-into-banks", BF16, {"k": 3, "n": 2}, (0, 1), "k n m", {"product0": 1, "sum0": 4, "O_sum": 2}),
    Case("sums-in-banks", BF16, {"m": 3, "n": 2}, (1, 1), "k m n", {"product0": 1, "O_sum": 2}),
    Case(
        "products-that-round",
        NVFP4,
        {"ki": 4, "n": 2},
        (0, 1),
        "kb ki m n",
        {"product0": 1, "product1": 2, "sum0": 4, "C_sum": 2},
    ),
    Case("integers", "gemm:m=5,n=3,k=7", {"k": 3, "n": 2}, (0, 1), "k n m", {}),
)


def generated(case: Case) -> Accelerator:
    nest = load(case.spec).nest
    return generate(build(nest, Dataflow.of(nest, case.space, skew=case.skew, order=tuple(case.order.split()))))


def cycles_of(accelerator: Accelerator) -> dict[str, int]:
    nodes = accelerator.design.netlist.nodes
    return {n.name: n.latency_cycles for n in nodes if n.floating or n.op == "float_multiply"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_cycles(case: Case) -> None:
    assert cycles_of(generated(case)) == case.cycles


def test_integers_are_left_alone() -> None:
    netlist = generated(CASES[-1]).design.netlist
    assert pipelined(netlist) is netlist


def test_the_recurrence_through_the_banks_is_a_cycle_longer() -> None:
    """Read, add in two cycles, write: a sum is there again after four, and k is to move no sooner."""
    design = generated(CASES[5]).design
    (timing,) = design.timings
    assert (timing.hazard_cycles, timing.sum_cycles) == (4, 2)
    (found,) = design.recurrences(0, {"m": 3, "n": 3, "k": 7})
    assert str(found) == (
        "O: sums leave for the banks and are needed again after 2 cycles (k +1); add, write and read take 4: "
        "2 idle cycles after each step of k, 12 in a run; the order n, m, k needs none"
    )


def fused(*orders: str) -> tuple[Nest, Accelerator]:
    nest = load(BF16).nest
    flows = [
        Dataflow.of(nest, {"m": 2, "n": 2}, skew=(1, 1), order=tuple(order.split()), name=f"flow{number}")
        for number, order in enumerate(orders)
    ]
    return nest, generate(fuse([build(nest, flow) for flow in flows], name="both").architecture)


@pytest.mark.parametrize(
    ("orders", "cycles"), [(("k m n", "k n m"), 2), (("k m n", "m n k"), 1)], ids=["both-may-wait", "one-may-not"]
)
def test_fused_dataflows_share_the_depth(orders: tuple[str, str], cycles: int) -> None:
    nest, accelerator = fused(*orders)
    assert {found for name, found in cycles_of(accelerator).items() if "sum" in name} == {cycles}
    jobs = [Job(nest, random_inputs(nest, n), name) for n, name in enumerate(("flow0", "flow1", "flow0"))]
    for result in simulate_all(accelerator, jobs, simulator="icarus"):
        assert result.faults == ()


def test_inner_registers_are_what_the_units_hold() -> None:
    known = [held for held in FORMATS.values() if held.bits <= 32]
    for formats in product(known, known):
        m = Module()
        # Nothing becomes of it.
        m._MustUse__silence = True
        x, y = (parts_of(m, Signal(held.bits), held, "x") for held in formats)
        assert inner_bits(formats) == len(x.significand) + len(y.significand) + len(x.exponent + y.exponent) + 3
        if formats == (FORMATS["fp32"],) * 2:
            assert len(x.exponent) + 28 + 4 == INNER_BITS
