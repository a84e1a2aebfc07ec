"""Every fault of a dataflow, in whole sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from dataflow import Dataflow, DataflowError, build
from workloads.spec import load


@dataclass(frozen=True)
class Case:
    id: str
    says: str
    space: dict[str, int] = field(default_factory=lambda: {"m": 4})
    options: dict[str, Any] = field(default_factory=dict)


LOOPS = "the loops of nest 'gemm' are m, n, k"
CASES = (
    Case("no-axis", "the array must have 1 to 3 axes, not 0", {}),
    Case("unknown-axis", f"space names 'q', which is not a loop; {LOOPS}", {"q": 4}),
    Case("empty-axis", "space gives loop 'm' 0 functional units; expected at least 1", {"m": 0}),
    Case("skew-length", "skew has 2 entries for 1 axes; expected one an axis", options={"skew": (1, 1)}),
    Case("skew-negative", "skew must be 0 or more cycles, not -1", options={"skew": (-1,)}),
    Case("order-unknown", f"order names 'z', which is not a loop; {LOOPS}", options={"order": ("m", "n", "k", "z")}),
    Case("order-twice", "order names loop 'm' more than once", options={"order": ("m", "m", "n", "k")}),
    Case("order-short", "order leaves out 'n', 'k'; expected every loop once", options={"order": ("m",)}),
    Case("tile-unknown", f"tile names 'z', which is not a loop; {LOOPS}", options={"tile": {"z": 4}}),
    Case("tile-empty", "tile holds 0 iterations of loop 'k'; expected at least 1", options={"tile": {"k": 0}}),
    Case(
        "tile-odd",
        "tile holds 6 iterations of loop 'm', which is not a multiple of the 4 functional units on its axis",
        options={"tile": {"m": 6}},
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_fault(case: Case) -> None:
    with pytest.raises(DataflowError) as caught:
        Dataflow.of(load("gemm:m=8,n=8,k=8").nest, case.space, name="try", **case.options)
    assert str(caught.value) == f"dataflow 'try': {case.says}"


def test_all_faults_at_once() -> None:
    with pytest.raises(DataflowError) as caught:
        Dataflow.of(load("gemm:m=8,n=8,k=8").nest, {"q": 0}, skew=(1, 1), order=("m", "n", "k"), name="try")
    assert len(caught.value.faults) == 3


def test_too_many_banks() -> None:
    nest = load("gemm:m=8,n=8,k=8").nest
    with pytest.raises(DataflowError) as caught:
        build(nest, Dataflow.of(nest, {"m": 4, "n": 4}, name="try"), most_banks=8)
    assert str(caught.value) == (
        "dataflow 'try': tensor 'O' needs 16 banks so that units [0, 0] and [3, 3] never meet in one; "
        "at most 8 are allowed"
    )
