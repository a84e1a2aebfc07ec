from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workloads.elementwise import Elementwise, apply, output_tensor, requantized
from workloads.errors import SpecError
from workloads.formats import FORMATS
from workloads.interpreter import InputError
from workloads.nest import Tensor
from workloads.spec import load
from workloads.workload import Workload, WorkloadError
from workloads.workload_spec import load_workload, parse_workload
from workloads.wrapping import wrapped

ATTENTION = """\
name: attention
inputs:
  R: {format: int8, shape: [2, 4, 3]}
steps:
  - {name: residual, operation: add, inputs: [O8, R], output: Y}
  - name: scores
    loops: {h: 2, q: 4, k: 4, d: 3}
    body: S[h, q, k] += Q[h, q, d] * K[h, k, d]
    formats: {S: int32, Q: int8, K: int8}
    guards:
      - q - k >= 0
    dataflow: {space: {q: 4, k: 4}, skew: [1, 1]}
  - {name: scaled, operation: scale, inputs: [S], output: T, factor: 0.001}
  - {name: softmax, operation: softmax, inputs: [T], output: P, axis: -1}
  - {name: probabilities, operation: requantize, inputs: [P], output: P8, factor: 127.0, format: int8}
  - name: output
    loops: {h: 2, q: 4, d: 3, k: 4}
    body: O[h, q, d] += P8[h, q, k] * V[h, k, d]
    formats: {O: int32, P8: int8, V: int8}
  - {name: small, operation: requantize, inputs: [O], output: O8, factor: 0.0078125, format: int8}
"""


def test_text_round_trip() -> None:
    spec = parse_workload(ATTENTION)
    assert str(spec) == ATTENTION
    assert parse_workload(str(spec.workload)).workload == spec.workload


def test_steps_run_after_what_they_read() -> None:
    workload = parse_workload(ATTENTION).workload
    names = ["scores", "scaled", "softmax", "probabilities", "output", "small", "residual"]
    assert [step.name for step in workload.order] == names
    assert [t.name for t in workload.inputs] == ["R", "Q", "K", "V"]
    assert [t.name for t in workload.outputs] == ["Y"]
    assert {t.name: t.format.name for t in workload.tensors}["T"] == "fp32"


def test_attention_is_attention() -> None:
    workload = parse_workload(ATTENTION).workload
    inputs = workload.random_inputs(4)
    q, k, v, r = (inputs[name].astype(np.int64) for name in "QKVR")
    scores = np.tril(np.einsum("hqd,hkd->hqk", q, k))
    powers = np.exp((scores.astype(np.float32) * np.float32(0.001)).astype(np.float64))
    weights = np.rint((powers / powers.sum(-1, keepdims=True)).astype(np.float32).astype(np.float64) * 127)
    small = np.clip(np.rint(np.einsum("hqk,hkd->hqd", weights, v) / 128), -128, 127)
    found = workload.run(inputs)
    assert list(found) == ["S", "T", "P", "P8", "O", "O8", "Y"]
    np.testing.assert_array_equal(found["Y"], (small + r).astype(np.int64).astype(np.int8))


def test_a_single_nest_is_a_workload_of_one_step() -> None:
    spec = load_workload("gemm:m=3,n=4,k=5")
    nest = load("gemm:m=3,n=4,k=5").nest
    assert spec.workload == Workload("gemm", (nest,))
    assert load_workload(str(nest)).workload == spec.workload
    assert dict(spec.dataflows)["gemm"] == load("gemm:m=3,n=4,k=5").dataflows
    inputs = spec.workload.random_inputs(0)
    expected = inputs["A"].astype(np.int32) @ inputs["B"].astype(np.int32)
    np.testing.assert_array_equal(spec.workload.run(inputs)["O"], expected)


factors = st.floats(2.0**-100, 2.0**100, width=32)
# Whole multiples of a half land on ties.
ties = st.builds(lambda a, s: a * 2.0**-s, st.integers(1, 7), st.integers(0, 6))


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.integers(-(2**31), 2**31 - 1) | st.integers(-300, 300), min_size=1, max_size=20),
    factors | ties,
    st.sampled_from(("int8", "int16", "int32")),
)
@example([-(2**31), 2**31 - 1], 1.0, "int32")
@example([1, -1, 3], 2.0**23, "int32")
@example([1, -1, 3], 2.0**127, "int32")
@example([1, 3, 5, -1, -3, -5], 0.5, "int8")
def test_requantize_is_exact(values: list[int], factor: float, name: str) -> None:
    least, most = FORMATS[name].range
    expected = [min(most, max(least, round(Fraction(v) * Fraction(factor)))) for v in values]
    found = requantized(np.array(values, np.int32), factor, FORMATS[name])
    assert found.dtype == FORMATS[name].dtype
    assert found.tolist() == expected


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20), factors | ties)
def test_requantize_of_fp32_is_exact(values: list[float], factor: float) -> None:
    expected = [min(127, max(-128, round(Fraction(v) * Fraction(factor)))) for v in values]
    assert requantized(np.array(values, np.float32), factor, FORMATS["int8"]).tolist() == expected


@settings(max_examples=200, deadline=None)
@given(
    st.integers(-(2**63) + 1, 2**63 - 1), factors, st.sampled_from(("int64", "fp32")), st.sampled_from(("bf16", "e4m3"))
)
def test_rescale_rounds_once(value: int, factor: float, source: str, name: str) -> None:
    given_value = np.array([value]).astype(FORMATS[source].dtype)
    step = Elementwise("r", "rescale", ("X",), "Y", factor, format=name)
    (tensor,) = (Tensor("X", FORMATS[source], (1,)),)
    found = apply(step, {"X": given_value}, output_tensor(step, (tensor,)))
    encoding = FORMATS[name].encoding
    assert encoding is not None and step.factor is not None
    exact = Fraction(int(given_value[0]) if source == "int64" else float(given_value[0])) * Fraction(step.factor)
    assert float(found[0]) == encoding.rounded_exactly(exact)


@dataclass(frozen=True)
class Case:
    id: str
    operation: str
    format: str
    arrays: tuple[list[float], ...]
    expected: list[float]
    factor: float | None = None


OPERATIONS = [
    Case("relu", "relu", "int8", ([-128, -1, 0, 127],), [0, 0, 0, 127]),
    Case("relu-fp32", "relu", "fp32", ([-1.5, 0.5],), [0, 0.5]),
    Case("add-wraps", "add", "int8", ([127, -128, 3], [1, -1, 4]), [-128, 127, 7]),
    Case("add-wraps-int32", "add", "int32", ([2**31 - 1, -5], [2, 5]), [wrapped(2**31 + 1, 32), 0]),
    Case("mul-wraps", "mul", "int16", ([300, -2], [300, 9]), [wrapped(90000, 16), -18]),
    Case("add-fp32-rounds", "add", "fp32", ([1e8, 1], [1, 1]), [1e8, 2]),
    Case("scale", "scale", "int32", ([3, 2**24 + 1],), [1.5, 2.0**23], factor=0.5),
]


@pytest.mark.parametrize("case", OPERATIONS, ids=lambda case: case.id)
def test_operations(case: Case) -> None:
    inputs = tuple("AB"[: len(case.arrays)])
    number_format = FORMATS[case.format]
    declared = tuple(Tensor(name, number_format, (len(case.expected),)) for name in inputs)
    step = Elementwise("step", case.operation, inputs, "O", factor=case.factor)
    workload = Workload("one", (step,), declared)
    arrays = {n: np.array(a, number_format.dtype) for n, a in zip(inputs, case.arrays, strict=True)}
    found = workload.run(arrays)["O"]
    assert found.dtype == workload.outputs[0].format.dtype
    assert found.tolist() == case.expected


HEAD = "name: w\nsteps:\n"
GEMM = HEAD + "  - {name: g, loops: {m: 2, k: 2}, body: 'O[m] += A[m, k]'}\n"
INPUT = "name: w\ninputs: {X: {format: int32, shape: [2]}}\nsteps:\n"


@dataclass(frozen=True)
class Bad:
    id: str
    text: str
    says: tuple[str, ...]


BAD: list[Bad] = [
    Bad("no-steps", "name: w\nsteps: []\n", ("2:1: there are no steps; expected at least one",)),
    Bad("unknown-key", GEMM + "stesp: 1\n", ("4:1: the spec: 'stesp' is not a key; did you mean 'steps'?",)),
    Bad(
        "unknown-operation",
        INPUT + "  - {name: r, operation: rely, inputs: [X], output: Y}\n",
        ("4:26: the step: 'operation': 'rely' is not known; did you mean 'relu'?",),
    ),
    Bad(
        "missing-output",
        INPUT + "  - {name: r, operation: relu, inputs: [X]}\n",
        ("4:5: the step: key 'output' is missing; expected for example 'output: T'",),
    ),
    Bad(
        "unknown-tensor",
        GEMM + "  - {name: r, operation: relu, inputs: [Q], output: Y}\n",
        ("4:5: step 'r' reads 'Q', which no step writes and no 'inputs' declares",),
    ),
    Bad(
        "cycle",
        INPUT
        + "  - {name: a, operation: add, inputs: [X, Z], output: Y}\n"
        + "  - {name: b, operation: relu, inputs: [Y], output: Z}\n",
        ("4:5: the steps 'a', 'b' wait for each other's tensors; expected no cycle",),
    ),
    Bad(
        "two-writers",
        INPUT + "  - {name: a, operation: relu, inputs: [X], output: Y}\n" * 2,
        ("5:5: two steps are called 'a'", "5:5: step 'a' writes 'Y', which step 'a' writes"),
    ),
    Bad(
        "arity",
        INPUT + "  - {name: a, operation: add, inputs: [X], output: Y}\n",
        ("4:5: step 'a': add takes 2 inputs, not 1",),
    ),
    Bad(
        "parameter-missing",
        INPUT + "  - {name: a, operation: requantize, inputs: [X], output: Y}\n",
        ("4:5: step 'a': requantize needs 'factor'", "4:5: step 'a': requantize needs 'format'"),
    ),
    Bad(
        "parameter-too-many",
        INPUT + "  - {name: a, operation: relu, inputs: [X], output: Y, axis: 0}\n",
        ("4:5: step 'a': relu takes no 'axis'",),
    ),
    Bad(
        "factor-not-a-number",
        INPUT + "  - {name: a, operation: scale, inputs: [X], output: Y, factor: big}\n",
        ("4:65: the step: 'factor' must be a number, not 'big'",),
    ),
    Bad(
        "factor-negative",
        INPUT + "  - {name: a, operation: scale, inputs: [X], output: Y, factor: -1}\n",
        ("4:5: step 'a': the factor must be a positive number that fp32 holds, not -1.0",),
    ),
    Bad(
        "factor-beyond-fp32",
        INPUT + "  - {name: a, operation: scale, inputs: [X], output: Y, factor: 1e39}\n",
        ("4:5: step 'a': the factor must be a positive number that fp32 holds, not inf",),
    ),
    Bad(
        "requantize-to-float",
        INPUT + "  - {name: a, operation: requantize, inputs: [X], output: Y, factor: 1, format: fp32}\n",
        ("4:5: step 'a': the format must be an integer one, int4, int8, int16, int32, not 'fp32'",),
    ),
    Bad(
        "rescale-to-integers",
        INPUT + "  - {name: a, operation: rescale, inputs: [X], output: Y, factor: 1, format: int8}\n",
        (
            "4:5: step 'a': the format must be a floating-point one, e2m1, e4m3, e5m2, e8m0, fp16, bf16, fp32, "
            "not 'int8'",
        ),
    ),
    Bad(
        "requantize-of-int64",
        INPUT.replace("int32", "int64")
        + "  - {name: a, operation: requantize, inputs: [X], output: Y, factor: 1, format: int8}\n",
        ("4:5: step 'a': requantize takes at most 32 bits, but 'X' is int64",),
    ),
    Bad(
        "softmax-of-integers",
        INPUT + "  - {name: a, operation: softmax, inputs: [X], output: Y, axis: 0}\n",
        ("4:5: step 'a': softmax takes floating point, but 'X' is int32; expected a 'scale' before it",),
    ),
    Bad(
        "softmax-axis",
        INPUT.replace("int32", "fp32") + "  - {name: a, operation: softmax, inputs: [X], output: Y, axis: 1}\n",
        ("4:5: step 'a': axis 1 is not one of 'X', whose axes are -1..0",),
    ),
    Bad(
        "shapes-differ",
        GEMM.replace("steps:", "inputs: {X: {format: int32, shape: [3]}}\nsteps:")
        + "  - {name: a, operation: add, inputs: [O, X], output: Y}\n",
        ("5:5: step 'a': add takes tensors of one shape, but 'O' is [2] and 'X' is [3]",),
    ),
    Bad(
        "formats-differ",
        GEMM.replace("steps:", "inputs: {X: {format: int8, shape: [2]}}\nsteps:")
        + "  - {name: a, operation: add, inputs: [O, X], output: Y}\n",
        ("5:5: step 'a': add takes tensors of one format, but 'O' is int32 and 'X' is int8",),
    ),
    Bad(
        "nests-differ",
        GEMM + "  - {name: h, loops: {m: 3}, body: 'Z[m] += O[m]'}\n",
        (
            "4:5: step 'h': tensor 'O' has shape [3], but [2] in step 'g'",
            "4:5: step 'h': tensor 'O' is int8, but int32 in step 'g'",
        ),
    ),
    Bad(
        "input-unused",
        GEMM.replace("steps:", "inputs: {X: {format: int8, shape: [2]}}\nsteps:"),
        ("3:1: input 'X' is declared, but no step reads it",),
    ),
    Bad(
        "input-written",
        GEMM.replace("steps:", "inputs: {O: {format: int32, shape: [2]}}\nsteps:")
        + "  - {name: r, operation: relu, inputs: [O], output: Y}\n",
        ("3:1: input 'O' is declared, but a step writes it",),
    ),
    Bad(
        "input-broken",
        GEMM.replace("steps:", "inputs: {X: {format: int9, shape: [0]}}\nsteps:"),
        (
            "2:22: input 'X': 'format': 'int9' is not known; did you mean 'int4'?",
            "2:36: input 'X': an extent of 'shape' must be an integer of at least 1, not '0'",
        ),
    ),
    Bad(
        "a-nest-and-a-step-at-once",
        HEAD
        + "  - {name: g, loops: {m: 2}, body: 'O[m] = A[m]'}\n"
        + "  - {name: r, operation: relu, inputs: O, output: Y}\n",
        (
            "3:42: body: expected '+=', 'max=' or 'min=' after the output O[m], found '='",
            "4:40: the step: 'inputs' must be a list, not 'O'",
        ),
    ),
    Bad(
        "empty-step",
        HEAD + "  - {}\n",
        ("3:5: a step is empty; expected a nest with 'loops' and 'body', or an 'operation'",),
    ),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.id)
def test_bad_workloads(case: Bad) -> None:
    with pytest.raises(SpecError) as caught:
        parse_workload(case.text, source="w.yaml")
    assert str(caught.value) == "\n".join(f"w.yaml:{says}" for says in case.says)


def test_workloads_without_a_text_report_alike() -> None:
    with pytest.raises(WorkloadError) as caught:
        Workload("w", (Elementwise("a b", "relu", ("X",), "Y"),))
    assert str(caught.value) == (
        "workload 'w': the name 'a b' is not letters, digits and '_', starting with a letter\n"
        "workload 'w': step 'a b' reads 'X', which no step writes and no 'inputs' declares"
    )
    assert caught.value.places == (0, 0)


def test_bad_arrays() -> None:
    workload = parse_workload(GEMM).workload
    with pytest.raises(InputError) as caught:
        workload.run({"B": [1]})
    assert str(caught.value) == (
        "'w': tensor 'B' is not an input; the inputs are A\n"
        "'w': tensor 'A' is missing; expected an array of shape [2, 2]"
    )
