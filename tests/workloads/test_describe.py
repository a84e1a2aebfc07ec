from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from nests import nests

from workloads.describe import describe, describe_workload, nest_facts
from workloads.interpreter import executed_points
from workloads.nest import Nest
from workloads.spec import load
from workloads.workload_spec import parse_workload

SCORES = """\
nest attention_scores

  for h in range(2):
    for q in range(4):
      for k in range(4):
        for d in range(3):
          if q - k >= 0:
            S[h, q, k] += Q[h, q, d] * K[h, k, d]

  tensor       format  shape      bytes  uses an element
  S (written)  int32   2 x 4 x 4  128 B  1.9
  Q            int8    2 x 4 x 3  24 B   2.5
  K            int8    2 x 4 x 3  24 B   2.5

  60 MACs, 62.5% of 96 points
  176 B in all tensors, 0.3 MACs a byte if each moves once
  dataflow dataflow: space: {q: 4, k: 4}, skew: [1, 1]
"""


def test_a_nest_with_a_guard() -> None:
    spec = load("attention_scores:h=2,q=4,k=4,d=3,causal=1")
    assert describe(spec.nest, spec.dataflows) == SCORES


def test_sizes_of_a_real_layer() -> None:
    facts = nest_facts(load("conv2d").nest)
    assert facts.macs == facts.points == 64 * 64 * 56 * 56 * 9
    assert facts.bytes == 4 * 64 * 56 * 56 + 64 * 56 * 56 + 64 * 64 * 9
    assert [t.reuse for t in facts.tensors] == [64 * 9, 64 * 9, 56 * 56]
    assert "200,704" not in describe(load("conv2d").nest)
    assert "I (padded)   int8    1 x 64 x 56 x 56  196.0 KiB  576.0" in describe(load("conv2d").nest)


@settings(max_examples=200, deadline=None)
@given(nests())
def test_executed_points_are_counted_exactly(nest: Nest) -> None:
    box = product(*(range(loop.extent) for loop in nest.loops))
    points = [dict(zip(nest.loop_names, values, strict=True)) for values in box]
    assert executed_points(nest) == sum(nest.guarded(point) for point in points)


def test_a_workload() -> None:
    text = """\
name: layer
steps:
  - {name: positive, operation: relu, inputs: [O], output: Y}
  - {name: product, loops: {m: 2, n: 3, k: 4}, body: 'O[m, n] += A[m, k] * B[k, n]'}
"""
    described = describe_workload(parse_workload(text).workload)
    assert described.startswith("""\
workload layer

  step      what  reads  writes
  product   nest  A, B   O: int32 2 x 3
  positive  relu  O      Y: int32 2 x 3

  relu: max(x, 0)
  inputs A, B; outputs Y; 24 MACs

nest product
""")


def test_terms_that_are_no_products() -> None:
    described = describe(load("maxplus:m=2,n=3,k=4").nest)
    assert "        O[m, n] max= A[m, k] + B[k, n]\n" in described
    assert described.endswith("  24 terms\n  44 B in all tensors, 0.5 terms a byte if each moves once\n")
