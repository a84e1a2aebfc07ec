"""Spec files, their text, and the library."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nests import guards, nests

from workloads.affine import Affine, Guard
from workloads.body import parse_body, parse_guard
from workloads.dataflow_spec import DataflowSpec
from workloads.interpreter import random_inputs, run, run_points
from workloads.library import Entry, library
from workloads.nest import Nest
from workloads.spec import Spec, load, parse
from workloads.text import body_text, to_text

CONV = """\
name: conv3x3
loops: {n: 1, oc: 64, ic: 64, oh: 56, ow: 56, kh: 3, kw: 3}
body: O[n, oc, oh, ow] += I[n, ic, oh + kh - 1, ow + kw - 1] * W[oc, ic, kh, kw]
formats: {I: int8, W: int8, O: int32}
shapes: {I: [1, 64, 56, 56]}                           # only where it differs from what the accesses reach
padding: {I: 0}                                        # reads outside I give 0
dataflow: {space: {oc: 16, ic: 16}, skew: [1, 1]}      # optional; the mapper chooses when it is left out
"""


def test_the_example_of_the_manual() -> None:
    spec = parse(CONV)
    assert spec.nest == replace(load("conv2d").nest, name="conv3x3")
    assert spec.dataflows == (DataflowSpec("dataflow", (("oc", 16), ("ic", 16)), (1, 1)),)
    assert spec.source == CONV


@settings(max_examples=300, deadline=None)
@given(nests() | nests(formats=("fp32",)))
def test_nest_text_round_trip(nest: Nest) -> None:
    text = str(nest)
    assert parse(text).nest == nest
    assert to_text(parse(text).nest) == text


names = st.sampled_from(("ws", "os", "row_stationary"))
sizes = st.lists(st.tuples(st.sampled_from("ijkn"), st.integers(1, 64)), unique_by=lambda s: s[0], max_size=3).map(
    tuple
)
dataflows = st.builds(
    DataflowSpec,
    names,
    sizes,
    st.none() | st.lists(st.integers(-2, 2), max_size=3).map(tuple),
    st.none() | st.permutations("ijkn").map(tuple),
    sizes,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(dataflows, unique_by=lambda d: d.name, max_size=3).map(tuple))
def test_dataflow_text_round_trip(found: tuple[DataflowSpec, ...]) -> None:
    nest = parse("name: g\nloops: {i: 2, j: 2, k: 2, n: 2}\nbody: O[i, j] += A[i, k] * B[k, j, n]\n").nest
    assert parse(to_text(nest, found)).dataflows == found


@settings(max_examples=200, deadline=None)
@given(guards(("i", "j", "k")))
def test_guard_text_round_trip(guard: Guard) -> None:
    assert parse_guard(str(guard)) == (guard,)


GUARDS = [
    ("q >= k", "q - k >= 0"),
    ("q < k", "k - q - 1 >= 0"),
    ("q > 3", "q - 4 >= 0"),
    ("q <= 2 * k + 1", "2 * k - q + 1 >= 0"),
    ("i // 16 - j // 16 <= 1", "-(i // 16) + (j // 16) + 1 >= 0"),
    ("(i + j) % 2 == 0", "((i + j) % 2) == 0"),
    ("2 * i // 3 != 1", "((2 * i) // 3) - 1 != 0"),
    ("i % 4 + i % 4 == j", "-j + 2 * (i % 4) == 0"),
    ("-(i - 2) >= -7 // 2", "-i + 6 >= 0"),
]


@pytest.mark.parametrize(("text", "canonical"), GUARDS, ids=[text for text, _ in GUARDS])
def test_guards(text: str, canonical: str) -> None:
    (guard,) = parse_guard(text)
    assert str(guard) == canonical
    python = compile(text, "guard", "eval")
    for i in range(6):
        for j in range(6):
            point = {"i": i, "j": j, "q": i, "k": j}
            assert guard.holds(point) == eval(python, {}, point)


def test_a_chain_is_one_guard_a_relation() -> None:
    assert parse_guard("0 <= i - j < 4") == (
        Guard(Affine((("i", 1), ("j", -1))), (), ">="),
        Guard(Affine((("i", -1), ("j", 1)), 3), (), ">="),
    )


BODIES = [
    ("O[m,n]+=A[m,k]*B[k,n]", "O[m, n] += A[m, k] * B[k, n]"),
    ("O[i] += -A[i]", "O[i] += -A[i]"),
    ("O[i] += 2 * A[i] * -3 * B[0]", "O[i] += -6 * A[i] * B[0]"),
    ("O[4 - i] += A[2*(i + 1) - 3*j + i]", "O[-i + 4] += A[3 * i - 3 * j + 2]"),
    ("O[i] += A[i - i + 7]", "O[i] += A[7]"),
    ("O[i] += X[i, k, l] * B[k] * B[l] * X[i, l, k]", "O[i] += X[i, k, l] * B[k] * B[l] * X[i, l, k]"),
]


@pytest.mark.parametrize(("text", "canonical"), BODIES, ids=[text for text, _ in BODIES])
def test_bodies(text: str, canonical: str) -> None:
    extents = "{i: 1, j: 1, k: 1, l: 1, m: 1, n: 1}"
    nest = parse(f"name: b\nloops: {extents}\nbody: {text}\n").nest
    assert body_text(nest) == canonical
    assert parse_body(canonical).inputs == nest.inputs


def test_defaults_are_int8_into_int32() -> None:
    nest = parse("name: d\nloops: {y: 3, n: 2}\nbody: O[y] += A[y, n] * B[n + 1]\n").nest
    assert [(t.name, t.format.name, t.shape) for t in nest.tensors] == [
        ("O", "int32", (3,)),
        ("A", "int8", (3, 2)),
        ("B", "int8", (3,)),
    ]


def test_several_named_dataflows() -> None:
    text = """\
name: g
loops: {m: 4, n: 4, k: 4}
body: O[m, n] += A[m, k] * B[k, n]
dataflows:
  - {name: os, space: {m: 4, n: 4}, skew: [1, 1]}
  - name: ws
    space: {k: 4, n: 4}
    order: [n, k, m]
    tile: {m: 2}
"""
    assert parse(text).dataflows == (
        DataflowSpec("os", (("m", 4), ("n", 4)), (1, 1)),
        DataflowSpec("ws", (("k", 4), ("n", 4)), None, ("n", "k", "m"), (("m", 2),)),
    )


def test_a_file_and_its_text_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "conv.yaml"
    path.write_text(CONV)
    assert load(path) == load(str(path)) == load(CONV)


def test_json_is_a_spec_file_too() -> None:
    spec = {"name": "g", "loops": {"m": 2, "k": 2}, "body": "O[m] += A[m, k]", "guards": ["m >= k"]}
    assert (
        parse(json.dumps(spec)).nest
        == parse("name: g\nloops: {m: 2, k: 2}\nbody: O[m] += A[m, k]\nguards: [m >= k]").nest
    )


@pytest.mark.parametrize("entry", library(), ids=lambda entry: entry.name)
def test_library_text_round_trip(entry: Entry) -> None:
    for text in (entry.name, entry.use):
        spec = load(text)
        again = parse(str(spec))
        assert again == Spec(spec.nest, spec.dataflows, str(spec))


SMALL = [
    "gemm:m=3,n=4,k=5",
    "batched_gemm:b=2,m=3,n=2,k=4",
    "gemv:m=5,k=7",
    "conv1d:oc=2,ic=3,w=9,stride=2,dilation=2,padding=2",
    "conv1d:oc=4,ic=6,w=5,groups=2",
    "conv2d:oc=2,ic=2,h=5,w=6,stride=2",
    "conv2d:oc=4,ic=4,h=5,w=5,groups=4,padding=0",
    "conv3d:oc=2,ic=2,d=3,h=3,w=4",
    "depthwise:c=3,h=6,w=5,dilation=2,padding=2",
    "mttkrp:i=3,j=2,k=4,l=3",
    "ttmc:i=2,j=3,k=2,l=3,m=4",
    "attention_scores:h=2,q=4,k=4,d=3,causal=1",
    "attention_output:h=2,q=4,k=4,d=3,causal=1",
    "correlation:c=2,h=4,w=4,radius=1",
]


@pytest.mark.parametrize("text", SMALL)
def test_library_fast_is_the_definition(text: str) -> None:
    nest = load(text).nest
    inputs = random_inputs(nest, 5)
    np.testing.assert_array_equal(run(nest, inputs), run_points(nest, inputs))


EINSUMS = [
    ("gemm:m=3,n=4,k=5", "mk,kn->mn"),
    ("batched_gemm:b=2,m=3,n=2,k=4", "bmk,bkn->bmn"),
    ("gemv:m=5,k=7", "mk,k->m"),
    ("mttkrp:i=3,j=2,k=4,l=3", "ikl,kj,lj->ij"),
    ("ttmc:i=2,j=3,k=2,l=3,m=4", "ilm,lj,mk->ijk"),
    ("attention_scores:h=2,q=4,k=4,d=3", "hqd,hkd->hqk"),
    ("attention_output:h=2,q=4,k=4,d=3", "hqk,hkd->hqd"),
]


@pytest.mark.parametrize(("text", "formula"), EINSUMS, ids=[text for text, _ in EINSUMS])
def test_library_means_what_its_name_says(text: str, formula: str) -> None:
    nest = load(text).nest
    inputs = random_inputs(nest, 7)
    expected = np.einsum(formula, *(inputs[a.tensor].astype(np.int64) for a in nest.inputs))
    np.testing.assert_array_equal(run(nest, inputs), expected)


CONVOLUTIONS = [
    # groups, stride, dilation, padding
    (1, 1, 1, 1),
    (1, 2, 1, 0),
    (2, 1, 2, 2),
    (4, 3, 2, 3),
]


@pytest.mark.parametrize(("groups", "stride", "dilation", "padding"), CONVOLUTIONS)
def test_conv2d_is_a_sum_of_shifted_images(groups: int, stride: int, dilation: int, padding: int) -> None:
    setting = f"groups={groups},stride={stride},dilation={dilation},padding={padding}"
    nest = load(f"conv2d:n=2,oc=8,ic=4,h=9,w=8,kh=3,kw=2,{setting}").nest
    inputs = random_inputs(nest, 11)
    image = inputs["I"].reshape(2, groups, 4 // groups, 9, 8).astype(np.int64)
    weights = inputs["W"].reshape(groups, 8 // groups, 4 // groups, 3, 2).astype(np.int64)
    margin = (padding, padding)
    image = np.pad(image, ((0, 0), (0, 0), (0, 0), margin, margin))
    height = (9 + 2 * padding - 2 * dilation - 1) // stride + 1
    width = (8 + 2 * padding - dilation - 1) // stride + 1
    expected = np.zeros((2, groups, 8 // groups, height, width), np.int64)
    for kh in range(3):
        for kw in range(2):
            rows = slice(kh * dilation, kh * dilation + (height - 1) * stride + 1, stride)
            columns = slice(kw * dilation, kw * dilation + (width - 1) * stride + 1, stride)
            expected += np.einsum("ngihw,goi->ngohw", image[..., rows, columns], weights[..., kh, kw])
    np.testing.assert_array_equal(run(nest, inputs), expected.reshape(nest.tensor("O").shape))


def test_causal_scores_are_zero_above_the_diagonal() -> None:
    inputs = random_inputs(load("attention_scores:h=2,q=6,k=6,d=4").nest, 1)
    every = run(load("attention_scores:h=2,q=6,k=6,d=4").nest, inputs)
    causal = run(load("attention_scores:h=2,q=6,k=6,d=4,causal=1").nest, inputs)
    np.testing.assert_array_equal(causal, np.tril(every))


def test_library_formats() -> None:
    assert [t.format.name for t in load("gemm:format=int16").nest.tensors] == ["int32", "int16", "int16"]
    assert [t.format.name for t in load("gemm:format=fp32").nest.tensors] == ["fp32", "fp32", "fp32"]
