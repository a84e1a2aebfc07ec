"""Each pass proven to leave the outputs of small designs as they are; a planted fault is found by the same proof."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from equivalence import equal, pair

from dataflow import Dataflow, build
from dataflow.architecture import Architecture
from hw.accelerator import PASSES
from hw.conditions import Step, Zero
from hw.netlist import Netlist
from hw.passes.clean_up import clean_up
from hw.passes.delay_matching import match_delays
from hw.passes.gating import gate
from hw.passes.reduction_trees import balance_reductions
from hw.passes.widths import infer_widths
from workloads.nest import Nest
from workloads.spec import load


@dataclass(frozen=True)
class Case:
    """A design of at most four functional units, and the sizes it is run at."""

    id: str
    body: str
    space: dict[str, int]
    skew: tuple[int, ...]
    order: str = "m n k"
    extents: tuple[int, int, int] = (2, 2, 2)
    sizes: tuple[tuple[int, int, int], ...] = ((2, 2, 2),)
    output: str = "int16"
    guards: str = "[]"

    def nest(self, size: tuple[int, int, int]) -> Nest:
        loops = dict(zip("mnk", size, strict=True))
        return load(
            f"name: x\nloops: {loops}\nbody: {self.body}\nformats: {{A: int4, B: int4, O: {self.output}}}\n"
            f"guards: {self.guards}\n"
        ).nest

    @property
    def architecture(self) -> Architecture:
        nest = self.nest(self.extents)
        return build(nest, Dataflow.of(nest, self.space, skew=self.skew, order=tuple(self.order.split())))


# Multiplications are what satisfiability is worst at, so that most cases do without.
SUM = "O[m, n] += abs(A[m, k] - B[k, n])"
LARGEST = "O[m, n] max= A[m, k] + B[k, n]"
PRODUCT = "O[m, n] += A[m, k] * B[k, n]"
ODD = ((2, 2, 3), (1, 2, 1))
CASES = (
    Case("in-place", SUM, {"m": 2, "n": 2}, (1, 1), extents=(2, 2, 3), sizes=ODD),
    Case("largest", LARGEST, {"m": 2, "n": 2}, (1, 1), extents=(2, 2, 3), sizes=ODD),
    Case("tree", SUM, {"k": 2, "n": 2}, (0, 0), extents=(2, 2, 3), sizes=ODD),
    Case("chain-spilled", SUM, {"k": 2, "n": 2}, (1, 1), "k n m", extents=(2, 2, 3), sizes=ODD),
    Case("wraps", SUM, {"m": 2, "n": 2}, (1, 1), output="int4"),
)
# What stands before and after a pass; both have the same latencies.
PAIRS = {
    "widths": ((balance_reductions, match_delays), (infer_widths, balance_reductions, match_delays)),
    "clean-up": (
        (infer_widths, balance_reductions, match_delays),
        (infer_widths, balance_reductions, clean_up, match_delays),
    ),
    "gating": (
        (infer_widths, balance_reductions, match_delays),
        (infer_widths, balance_reductions, gate, match_delays),
    ),
}


# A proof of a quarter of a minute.
LATER = ("chain-spilled",)


@pytest.mark.parametrize("passes", PAIRS)
@pytest.mark.parametrize("case", [pytest.param(c, marks=[pytest.mark.full] * (c.id in LATER), id=c.id) for c in CASES])
def test_outputs_are_equal(case: Case, passes: str, tmp_path: Path) -> None:
    gold, gate = pair(case.architecture, *PAIRS[passes])
    assert [size for size in case.sizes if not equal(gold, gate, case.nest(size), tmp_path)] == []


def test_a_guard_in_front_of_a_product(tmp_path: Path) -> None:
    case = Case("guarded", PRODUCT, {"m": 2, "n": 1}, (1, 1), extents=(2, 1, 2), guards="['m - k >= 0']")
    gold, gated = pair(case.architecture, *PAIRS["gating"])
    assert equal(gold, gated, case.nest((2, 1, 2)), tmp_path)


@pytest.mark.full
def test_a_matrix_product_through_all_passes(tmp_path: Path) -> None:
    case = Case("product", PRODUCT, {"m": 2, "n": 2}, (1, 1))
    assert equal(*pair(case.architecture, (match_delays,), PASSES), case.nest((2, 2, 2)), tmp_path)


def one_bit_short(netlist: Netlist) -> Netlist:
    node = netlist.node["O_sum"]
    return netlist.with_nodes({node.name: replace(node, width_bits=node.width_bits - 1)})


def begins_anew_each_step(netlist: Netlist) -> Netlist:
    node = netlist.node["O_start"]
    return netlist.with_nodes({node.name: replace(node, parameters=(("values", (Step(),)),))})


def one_mask_forgotten(netlist: Netlist) -> Netlist:
    node = netlist.node["O_enable"]
    return netlist.with_nodes({node.name: replace(node, args=node.args[:-1])})


def starts_at_the_wrong_loop(netlist: Netlist) -> Netlist:
    node = netlist.node["O_start"]
    return netlist.with_nodes({node.name: replace(node, parameters=(("values", (Zero(1),)),))})


FAULTS = (one_bit_short, begins_anew_each_step, one_mask_forgotten, starts_at_the_wrong_loop)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_planted_fault_is_found(fault: object, tmp_path: Path) -> None:
    assert callable(fault)
    case = Case("in-place", SUM, {"m": 2, "n": 2}, (1, 1), extents=(2, 2, 2), output="int8")
    sound = infer_widths, balance_reductions
    gold, gate = pair(case.architecture, (*sound, match_delays), (*sound, fault, match_delays))
    # The forgotten mask shows where the array is larger than the matrix.
    assert [equal(gold, gate, case.nest(size), tmp_path) for size in ((2, 2, 2), (1, 1, 2))].count(False)
