"""Every mistake in the form of a dataflow, with the whole message that a person reads."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from workloads.errors import SpecError
from workloads.spec import parse

GEMM = "name: g\nloops: {m: 4, n: 4, k: 4}\nbody: O[m, n] += A[m, k] * B[k, n]\n"


@dataclass(frozen=True)
class Case:
    id: str
    text: str
    says: tuple[str, ...]


CASES = [
    Case(
        "dataflow-unknown-loop",
        GEMM + "dataflow: {space: {mm: 4}}\n",
        ("4:20: dataflow: 'mm' in 'space' is not a loop; did you mean 'm'?",),
    ),
    Case(
        "dataflow-no-space",
        GEMM + "dataflow: {skew: [1]}\n",
        ("4:11: dataflow: key 'space' is missing; expected for example 'space: {m: 16, n: 16}'",),
    ),
    Case(
        "dataflow-unknown-key",
        GEMM + "dataflow: {space: {m: 4}, skwe: [1]}\n",
        ("4:27: dataflow: 'skwe' is not a key; did you mean 'skew'?",),
    ),
    Case(
        "dataflow-size",
        GEMM + "dataflow: {space: {m: 0}}\n",
        ("4:23: dataflow: the size of 'm' in 'space' must be an integer of at least 1, not '0'",),
    ),
    Case(
        "dataflow-skew",
        GEMM + "dataflow: {space: {m: 4}, skew: [fast]}\n",
        ("4:34: dataflow: an entry of 'skew' must be an integer, not 'fast'",),
    ),
    Case(
        "dataflow-skew-a-number",
        GEMM + "dataflow: {space: {m: 4}, skew: 1}\n",
        ("4:33: dataflow: 'skew' must be a list, not '1'",),
    ),
    Case(
        "dataflow-order",
        GEMM + "dataflow: {space: {m: 4}, order: [m, n, kk]}\n",
        ("4:41: dataflow: 'kk' in 'order' is not a loop; did you mean 'k'?",),
    ),
    Case(
        "dataflow-tile",
        GEMM + "dataflow: {space: {m: 4}, tile: {x: 2}}\n",
        ("4:34: dataflow: 'x' in 'tile' is not a loop; expected one of m, n, k",),
    ),
    Case(
        "dataflow-nothing", GEMM + "dataflow:\n", ("4:10: dataflow must be a mapping of keys to values, not nothing",)
    ),
    Case(
        "dataflow-and-dataflows",
        GEMM + "dataflow: {space: {m: 4}}\ndataflows: [{name: a, space: {n: 4}}]\n",
        ("5:1: the spec has 'dataflow' and 'dataflows'; expected one of them",),
    ),
    Case(
        "dataflows-no-name",
        GEMM + "dataflows: [{space: {m: 4}}]\n",
        ("4:13: dataflow: key 'name' is missing; expected for example 'name: ws'",),
    ),
    Case(
        "dataflows-same-name",
        GEMM + "dataflows: [{name: a, space: {m: 4}}, {name: a, space: {n: 4}}]\n",
        ("4:12: 'dataflows': two dataflows are called 'a'",),
    ),
    Case(
        "dataflows-a-mapping",
        GEMM + "dataflows: {space: {m: 4}}\n",
        ("4:12: 'dataflows' must be a list, not a mapping",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_dataflow_faults(case: Case) -> None:
    with pytest.raises(SpecError) as caught:
        parse(case.text, source="s.yaml")
    assert caught.value.faults == tuple(f"s.yaml:{says}" for says in case.says)
