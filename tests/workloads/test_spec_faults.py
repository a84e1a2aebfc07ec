"""Every mistake in a spec file or library name, with the whole message that a person reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from workloads.errors import NestError, SpecError
from workloads.spec import load, parse

HEAD = "name: g\nloops: {m: 4, n: 4, k: 4}\n"
GEMM = HEAD + "body: O[m, n] += A[m, k] * B[k, n]\n"


@dataclass(frozen=True)
class Case:
    id: str
    text: str
    says: tuple[str, ...]


CASES = [
    Case("empty", "", ("1:1: the spec is empty; expected a mapping with 'name', 'loops', 'body'",)),
    Case("only-a-comment", "# nothing\n", ("1:1: the spec is empty; expected a mapping with 'name', 'loops', 'body'",)),
    Case("not-yaml", "name: [1, 2\nloops: {m: 4}\n", ("2:6: this is not YAML: expected ',' or ']', but got ':'",)),
    Case(
        "tab", "name:\tg\n\tloops: 3\n", ("1:6: this is not YAML: found character '\\t' that cannot start any token",)
    ),
    Case("not-a-mapping", "- name\n- loops\n", ("1:1: the spec must be a mapping of keys to values, not a list",)),
    Case(
        "no-keys",
        "{}\n",
        (
            "1:1: the spec: key 'name' is missing; expected for example 'name: gemm'",
            "1:1: the spec: key 'loops' is missing; expected for example 'loops: {m: 64, n: 64, k: 64}'",
            "1:1: the spec: key 'body' is missing; expected for example 'body: O[m, n] += A[m, k] * B[k, n]'",
        ),
    ),
    Case(
        "missing-body",
        HEAD,
        ("1:1: the spec: key 'body' is missing; expected for example 'body: O[m, n] += A[m, k] * B[k, n]'",),
    ),
    Case("unknown-key", GEMM + "gaurds: [m >= n]\n", ("4:1: the spec: 'gaurds' is not a key; did you mean 'guards'?",)),
    Case(
        "far-unknown-key",
        GEMM + "zzz: 1\n",
        (
            (
                "4:1: the spec: 'zzz' is not a key; expected one of name, loops, body, formats, shapes, "
                "padding, guards, dataflow, dataflows, output_format"
            ),
        ),
    ),
    Case(
        "unknown-output-format",
        GEMM + "output_format: nvpf4\n",
        ("4:16: 'output_format': the format: 'nvpf4' is not known; did you mean 'nvfp4'?",),
    ),
    Case(
        "extent-beyond-32-bits",
        GEMM.replace("m: 4", "m: 100000000000000000"),
        ("2:12: loop 'm': the extent must be at most 2147483647, not 100000000000000000",),
    ),
    Case(
        "points-beyond-counting",
        "name: g\nloops: {m: 2000000000, n: 2000000000, k: 9}\nbody: O[m, n] += A[m, k] * B[k, n]\n",
        ("2:8: the loops have 36000000000000000000 points together; at most 9223372036854775807 can be counted",),
    ),
    Case("key-twice", GEMM + "name: h\n", ("4:1: the spec: 'name' appears twice",)),
    Case("key-is-a-list", GEMM + "? [a, b]\n: 1\n", ("4:3: the spec: a key must be a word, not a list",)),
    Case(
        "bad-name",
        "name: my nest\nloops: {m: 4, n: 4, k: 4}\nbody: O[m, n] += A[m, k] * B[k, n]\n",
        ("1:7: 'name' must be letters, digits and '_', starting with a letter, not 'my nest'",),
    ),
    Case(
        "name-is-nothing",
        "name:\nloops: {m: 4, n: 4, k: 4}\nbody: O[m, n] += A[m, k] * B[k, n]\n",
        ("1:6: 'name' must be text, not nothing",),
    ),
    Case(
        "loops-a-list",
        "name: g\nloops: [m, n, k]\nbody: O[m, n] += A[m, k] * B[k, n]\n",
        ("2:8: 'loops' must be a mapping of keys to values, not a list",),
    ),
    Case(
        "loops-empty",
        "name: g\nloops: {}\nbody: O[m, n] += A[m, k] * B[k, n]\n",
        ("2:8: 'loops' is empty; expected at least one loop",),
    ),
    Case(
        "extent-zero",
        "name: g\nloops: {m: 4, n: 0, k: 4}\nbody: O[m, n] += A[m, k] * B[k, n]\n",
        ("2:18: loop 'n': the extent must be an integer of at least 1, not '0'",),
    ),
    Case(
        "extent-word",
        "name: g\nloops: {m: 4, n: four, k: 4}\nbody: O[m, n] += A[m, k] * B[k, n]\n",
        ("2:18: loop 'n': the extent must be an integer of at least 1, not 'four'",),
    ),
    Case(
        "extent-fraction",
        "name: g\nloops: {m: 4, n: 2.5, k: 4}\nbody: O[m, n] += A[m, k] * B[k, n]\n",
        ("2:18: loop 'n': the extent must be an integer of at least 1, not '2.5'",),
    ),
    Case(
        "loop-twice",
        "name: g\nloops: {m: 4, m: 4, k: 4}\nbody: O[m, n] += A[m, k] * B[k, n]\n",
        (
            "2:15: 'loops': 'm' appears twice",
            "3:7: O[m, n] uses 'n', which is not a loop; the loops are m, k",
            "3:28: B[k, n] uses 'n', which is not a loop; the loops are m, k",
        ),
    ),
    Case(
        "loop-name",
        "name: g\nloops: {m: 4, n: 4, 2x: 3, k: 4}\nbody: O[m, n] += A[m, k] * B[k, n]\n",
        ("2:21: 'loops': the name of a loop must be letters, digits and '_', starting with a letter, not '2x'",),
    ),
    Case(
        "plain-assignment",
        HEAD + "body: O[m, n] = A[m, k]\n",
        ("3:15: body: expected '+=', 'max=' or 'min=' after the output O[m, n], found '='",),
    ),
    Case(
        "subtracting",
        HEAD + "body: O[m, n] -= A[m, k]\n",
        ("3:15: body: expected '+=', 'max=' or 'min=' after the output O[m, n], found '-'",),
    ),
    Case(
        "sum",
        HEAD + "body: O[m, n] += A[m, k] - B[k, n]\n",
        ("3:26: body: expected a single term, found a sum; write one nest a summand",),
    ),
    Case(
        "two-loops-multiplied",
        HEAD + "body: O[m, n] += A[m * k, 0]\n",
        ("3:22: body: expected a loop times a constant, found a product of two loops",),
    ),
    Case(
        "unclosed",
        HEAD + "body: O[m, n] += A[m, k * B[k, n]\n",
        ("3:27: body: B[...] is used as an index; expected loops and integers",),
    ),
    Case(
        "no-index",
        HEAD + "body: O[m, n] += A * B[k, n]\n",
        ("3:20: body: expected '[' after the tensor 'A', found '*'",),
    ),
    Case(
        "division-in-index",
        HEAD + "body: O[m, n] += A[m // 2, k]\n",
        ("3:20: body: an index of tensor 'A' uses '//' or '%'; expected them in guards only",),
    ),
    Case(
        "stray-character",
        HEAD + "body: O[m, n] += A[m, k] @ B[k, n]\n",
        ("3:26: body: the character '@' is not expected here",),
    ),
    Case(
        "quoted-body",
        HEAD + 'body: "O[m, n] += A[m, k] ? 3"\n',
        ("3:27: body: the character '?' is not expected here",),
    ),
    Case("empty-index", HEAD + "body: O[] += A[m]\n", ("3:9: body: expected a loop or an integer, found ']'",)),
    Case("trailing", HEAD + "body: O[m, n] += A[m, k] B[k, n]\n", ("3:26: body: expected the end, found 'B'",)),
    Case(
        "ends-early",
        HEAD + "body: O[m, n] += A[m, k] *\n",
        ("3:27: body: expected a tensor or an integer, found the end",),
    ),
    Case("body-a-list", HEAD + "body: [O, A]\n", ("3:7: 'body' must be text, not a list",)),
    Case(
        "only-a-constant",
        HEAD + "body: O[m, n] += 3\n",
        ("3:7: the body has no input tensor; expected a product of at least one",),
    ),
    Case(
        "times-zero",
        HEAD + "body: O[m, n] += 0 * A[m, n]\n",
        ("3:7: the body is multiplied by 0; expected a non-zero constant",),
    ),
    Case(
        "output-read",
        HEAD + "body: O[m, n] += O[m, k] * B[k, n]\n",
        ("3:7: tensor 'O' is both written and read; expected the output on the left only",),
    ),
    Case(
        "unknown-loop",
        HEAD + "body: O[m, n] += A[m, q] * B[k, n]\n",
        ("3:18: A[m, q] uses 'q', which is not a loop; the loops are m, n, k",),
    ),
    Case(
        "two-ranks",
        HEAD + "body: O[m, n] += A[m, k] * A[k]\n",
        ("3:28: body: A[k] has rank 1, but tensor 'A' has rank 2 before",),
    ),
    Case(
        "starts-below-zero",
        HEAD + "body: O[m, n] += A[m - 1, k] * B[k, n]\n",
        (
            (
                "3:18: A[m - 1, k] reaches -1..2 in dimension 0 of tensor 'A', which holds 0..2; expected a "
                "shape that holds it or 'padding'"
            ),
        ),
    ),
    Case(
        "output-below-zero",
        HEAD + "body: O[m - n] += A[m, k]\n",
        ("3:7: O[m - n] reaches -3..3 in dimension 0 of tensor 'O', which holds 0..3",),
    ),
    Case(
        "unknown-format",
        GEMM + "formats: {A: int7}\n",
        ("4:14: 'formats': the format of tensor 'A': 'int7' is not known; did you mean 'int4'?",),
    ),
    Case(
        "format-of-no-tensor",
        GEMM + "formats: {X: int8}\n",
        ("4:11: 'formats': 'X' is not a tensor of the body; expected one of O, A, B",),
    ),
    Case(
        "formats-a-word", GEMM + "formats: int8\n", ("4:10: 'formats' must be a mapping of keys to values, not 'int8'",)
    ),
    Case(
        "float-into-integer",
        GEMM + "formats: {A: fp32}\n",
        ("4:11: tensor 'A' is fp32, so the output 'O' must be floating point, not int32",),
    ),
    Case(
        "shape-too-small",
        GEMM + "shapes:\n  A: [4, 3]\n",
        (
            (
                "3:18: A[m, k] reaches 0..3 in dimension 1 of tensor 'A', which holds 0..2; expected a shape "
                "that holds it or 'padding'"
            ),
        ),
    ),
    Case(
        "shape-rank",
        GEMM + "shapes: {A: [4]}\n",
        ("4:13: 'shapes': tensor 'A' has rank 2 in the body, but the shape has rank 1",),
    ),
    Case(
        "shape-zero",
        GEMM + "shapes: {A: [4, 0]}\n",
        ("4:17: 'shapes': an extent of tensor 'A' must be an integer of at least 1, not '0'",),
    ),
    Case(
        "shape-a-number",
        GEMM + "shapes: {A: 16}\n",
        ("4:13: 'shapes': the shape of tensor 'A' must be a list, not '16'",),
    ),
    Case(
        "shape-no-tensor",
        GEMM + "shapes: {a: [4, 4]}\n",
        ("4:10: 'shapes': 'a' is not a tensor of the body; expected one of B, A, O",),
    ),
    Case(
        "padding-not-zero", GEMM + "padding: {A: 1}\n", ("4:14: 'padding': the value of tensor 'A' must be 0, not 1",)
    ),
    Case("padding-of-output", GEMM + "padding: {O: 0}\n", ("4:11: tensor 'O' is the output and cannot have padding",)),
    Case(
        "padding-a-list", GEMM + "padding: [A]\n", ("4:10: 'padding' must be a mapping of keys to values, not a list",)
    ),
    Case(
        "guard-no-relation",
        GEMM + "guards: [m + n]\n",
        ("4:15: guard: expected one of >= <= == != > <, found the end",),
    ),
    Case(
        "guard-unknown-loop",
        GEMM + "guards:\n  - m >= n\n  - q >= k\n",
        ("6:5: guard q - k >= 0 uses 'q', which is not a loop; the loops are m, n, k",),
    ),
    Case("guard-a-word", GEMM + "guards: m >= n\n", ("4:9: 'guards' must be a list, not 'm >= n'",)),
    Case(
        "guard-divides-by-loop",
        GEMM + "guards: [m // n == 0]\n",
        ("4:12: guard: expected a constant of at least 1 after '//'",),
    ),
    Case(
        "guard-divides-by-zero",
        GEMM + "guards: [m % 0 == 0]\n",
        ("4:12: guard: expected a constant of at least 1 after '%'",),
    ),
    Case(
        "guard-nested-division",
        GEMM + "guards: [(m // 2) % 2 == 0]\n",
        ("4:19: guard: expected an affine expression before '%', found '//' or '%'",),
    ),
    Case(
        "guard-tensor",
        GEMM + "guards: ['A[m] > 0']\n",
        ("4:10: guard: A[...] is used as an index; expected loops and integers",),
    ),
    Case("guard-unclosed", GEMM + "guards: [(m + n >= 2]\n", ("4:17: guard: expected ')' to close '(', found '>='",)),
    Case(
        "guard-single-equals", GEMM + "guards: [m = n]\n", ("4:12: guard: expected one of >= <= == != > <, found '='",)
    ),
    Case("steps", "name: w\nsteps: []\n", ("2:1: the spec has 'steps', so it is a workload; expected a single nest",)),
    Case(
        "many-at-once",
        (
            "name: conv 3\n"
            "loops: {oc: x, ic: 64}\n"
            "body: O[oc] += I[ic + kk] * W[oc, ic]\n"
            "formats: {I: int9, Q: int8}\n"
            "guards: [oc >=, zz > 0]\n"
            "dataflow: {space: {ok: 16}, skew: [a]}\n"
        ),
        (
            "1:7: 'name' must be letters, digits and '_', starting with a letter, not 'conv 3'",
            "2:13: loop 'oc': the extent must be an integer of at least 1, not 'x'",
            "3:16: I[ic + kk] uses 'kk', which is not a loop; the loops are oc, ic",
            "4:14: 'formats': the format of tensor 'I': 'int9' is not known; did you mean 'int4'?",
            "4:20: 'formats': 'Q' is not a tensor of the body; expected one of O, I, W",
            "5:15: guard: expected a loop or an integer, found the end",
            "5:17: guard zz - 1 >= 0 uses 'zz', which is not a loop; the loops are oc, ic",
            "6:20: dataflow: 'ok' in 'space' is not a loop; expected one of oc, ic",
            "6:36: dataflow: an entry of 'skew' must be an integer, not 'a'",
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_spec_faults(case: Case) -> None:
    with pytest.raises(SpecError) as caught:
        parse(case.text, source="s.yaml")
    assert caught.value.faults == tuple(f"s.yaml:{says}" for says in case.says)
    assert str(caught.value) == "\n".join(caught.value.faults)


def test_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(SpecError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: the file is not text; expected YAML in UTF-8"


def test_file_faults_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "conv.yaml"
    path.write_text(GEMM + "guards: [m]\n")
    with pytest.raises(SpecError) as caught:
        load(path)
    assert str(caught.value) == f"{path}:4:11: guard: expected one of >= <= == != > <, found the end"


def test_nests_without_a_text_report_alike() -> None:
    with pytest.raises(NestError) as caught:
        load("gemm:m=4,n=4,k=4").nest.with_extents({"m": 4, "n": 0}, {"A": (4, 3)})
    assert caught.value.faults == (
        "loop 'n': the extent must be at least 1, not 0",
        (
            "A[m, k] reaches 0..3 in dimension 1 of tensor 'A', which holds 0..2; expected a shape that "
            "holds it or 'padding'"
        ),
    )
    assert caught.value.places == (("loop", "n"), ("access", 1))
    assert str(caught.value) == "\n".join(f"nest 'gemm': {fault}" for fault in caught.value.faults)
