"""Damaged spec files: either they mean something, or they raise our own error with positions."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workloads.errors import SpecError
from workloads.workload_spec import WorkloadSpec, parse_workload

CONV = """\
name: conv
loops: {n: 1, oc: 6, ic: 6, oh: 5, ow: 5, kh: 3, kw: 3}
body: O[n, oc, oh, ow] += I[n, ic, oh + kh - 1, ow + kw - 1] * W[oc, ic, kh, kw]
formats: {I: int8, W: int8, O: int32}
shapes: {I: [1, 6, 5, 5]}
padding: {I: 0}
guards:
  - oc // 2 - ic // 2 == 0
  - (oh + ow) % 2 != 1
dataflows:
  - {name: ws, space: {oc: 2, ic: 2}, skew: [1, 1], order: [n, oh, ow, oc, ic, kh, kw]}
"""
LAYER = """\
name: layer
inputs:
  R: {format: int8, shape: [2, 3]}
steps:
  - name: product
    loops: {m: 2, n: 3, k: 4}
    body: O[m, n] += 2 * A[m, k] * -B[k, n]
  - {name: small, operation: requantize, inputs: [O], output: S, factor: 0.01, format: int8}
  - {name: sum, operation: add, inputs: [S, R], output: Y}
"""
PIECES = [*"[]{}()-:,*#&!|>'\"%@`\n\t ~?0x", "- ", ": ", "//", "+=", "<<", "null", "1" * 30, "name", "oc", "é", "\x00"]


@st.composite
def damaged(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from((CONV, LAYER)))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        stop = start + draw(st.integers(0, 6))
        text = text[:start] + draw(st.just("") | st.sampled_from(PIECES)) + text[stop:]
    return text


def read(text: str) -> tuple[WorkloadSpec | None, tuple[str, ...]]:
    try:
        return parse_workload(text, source="s.yaml"), ()
    except SpecError as error:
        return None, error.faults


@settings(max_examples=600, deadline=None)
@given(damaged())
def test_a_damaged_text_is_a_spec_or_a_list_of_faults(text: str) -> None:
    spec, faults = read(text)
    assert (spec is None) == bool(faults)
    assert all(re.match(r"s\.yaml:[1-9][0-9]*:[1-9][0-9]*: .", fault) for fault in faults)
    if spec is not None:
        assert parse_workload(str(spec)).workload == spec.workload


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_faults(text: str) -> None:
    assert all(re.match(r"s\.yaml:[1-9][0-9]*:[1-9][0-9]*: .", fault) for fault in read(text)[1])


@pytest.mark.parametrize("text", [CONV, LAYER], ids=["conv", "layer"])
def test_the_undamaged_texts_are_specs(text: str) -> None:
    assert read(text)[1] == ()
