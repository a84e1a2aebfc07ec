"""Functional units: what they mean in every arithmetic, how they are written, and how large their values get."""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nests import nests

from workloads import functional_units as package
from workloads import interpreter as interpreter_module
from workloads.body import parse_body
from workloads.errors import NestError
from workloads.functional_unit import Arrays, FunctionalUnit, Integers, Range, UnitError
from workloads.functional_units import functional_units
from workloads.interpreter import random_inputs, run, run_points
from workloads.nest import Nest
from workloads.reduction import MAX, MIN, REDUCTIONS, SUM, Reduction
from workloads.spec import parse
from workloads.text import body_text
from workloads.tokens import ExpressionError

UNITS = pytest.mark.parametrize("unit", functional_units(), ids=lambda unit: unit.name)
INT4 = range(-8, 8)

# Written down a second time, on Python's integers.
EXPECTED = {
    "absolute_difference": lambda a, b: max(a - b, b - a),
    "equal": lambda a, b: 1 if a == b else 0,
    "greater": lambda a, b: 1 if b < a else 0,
    "plus": lambda a, b: a + b,
    "product": lambda a, b: a * b,
    "shift": lambda a, b: a * 2 ** (b % 16),
    "signed_shift": lambda a, b, c: ((a > 0) - (a < 0)) * b * 2 ** (c % 16),
}


@UNITS
def test_means_what_it_says(unit: FunctionalUnit) -> None:
    values = (-128, -16, -9, -8, -1, 0, 1, 2, 7, 15, 16, 127)
    points = list(product(values, repeat=len(unit.operands)))
    expected = [EXPECTED[unit.name](*point) for point in points]
    assert [int(unit.value(Integers(), point)) for point in points] == expected
    arrays = [np.array(column, np.int64) for column in zip(*points, strict=True)]
    np.testing.assert_array_equal(np.asarray(unit.value(Arrays(), arrays)).astype(np.int64), expected)


def boxes() -> list[Range]:
    return [(low, high) for low in (-8, -3, 0, 2) for high in (-8, -1, 0, 3, 7) if low <= high]


@UNITS
def test_range_is_exact(unit: FunctionalUnit) -> None:
    """Least and most over every box of operands, by trying all points."""
    for box in product(boxes(), repeat=len(unit.operands)):
        values = [EXPECTED[unit.name](*p) for p in product(*(range(low, high + 1) for low, high in box))]
        assert unit.range(box) == (min(values), max(values)), box


@UNITS
def test_zeros_are_absorbed_where_promised(unit: FunctionalUnit) -> None:
    zero = [unit.value(Integers(), p) for p in product(INT4, repeat=len(unit.operands)) if 0 in p]
    assert unit.absorbs_zero == (not any(zero))


def test_folds_take_any_number() -> None:
    chain = next(unit for unit in functional_units() if unit.name == "plus")
    assert chain.value(Integers(), [1, -2, 30]) == 29
    assert chain.range([(-8, 7), (0, 3), (-1, 1)]) == (-9, 11)
    assert chain.text(["A[m]", "B[n]", "C[k]"]) == "A[m] + B[n] + C[k]"


@pytest.mark.parametrize("reduction", REDUCTIONS.values(), ids=lambda r: r.name)
def test_reductions(reduction: Reduction) -> None:
    names = {"sum": sum, "max": max, "min": min}
    for values in product((-8, -3, 0, 7), repeat=3):
        total = reduction.identity((-8, 7))
        for value in values:
            total = reduction.combine(Integers(), total, value)
        assert total == names[reduction.name](values) == reduction.ufunc.reduce(values)
        low, high = reduction.bounds((-8, 7), 3)
        assert low <= total <= high
    assert reduction.bounds((-8, 7), 3) == {"sum": (-24, 21)}.get(reduction.name, (-8, 7))


@dataclass(frozen=True)
class Case:
    text: str
    unit: str
    reduction: str
    coefficient: int
    canonical: str | None = None


BODIES = (
    Case("O[m] += A[m, k] * B[k, m]", "product", "sum", 1),
    Case("O[m] max= A[m, k]", "product", "max", 1),
    Case("O[m] max= A[m, k] + B[k, m]", "plus", "max", 1),
    Case("O[m] min= A[m, k] + B[k, m] + C[k]", "plus", "min", 1),
    Case("O[m] max= -(A[m, k] + B[k, m])", "plus", "max", -1),
    Case("O[m] += ((A[m, k]) > (B[k, m]))", "greater", "sum", 1, "O[m] += A[m, k] > B[k, m]"),
    Case("O[m] += (A[m, k] == B[k, m]) * 3", "equal", "sum", 3, "O[m] += 3 * (A[m, k] == B[k, m])"),
    Case("O[m] += abs(A[m, k]-B[k, m])", "absolute_difference", "sum", 1, "O[m] += abs(A[m, k] - B[k, m])"),
    Case("O[m] += -2 * abs(A[m, k] - B[k, m])", "absolute_difference", "sum", -2),
    Case("O[m] += - - -A[m, k] << B[k, m]", "shift", "sum", -1, None),
    Case("O[m] += A[m, k + 1] << B[k, m]", "shift", "sum", 1),
    Case("O[m] += sign(C[k]) * (A[m, k] << B[k, m])", "signed_shift", "sum", 1),
    Case("O[m] += sign(C[k]) * (A[m, k] << B[k, m]) * -5", "signed_shift", "sum", -5, None),
)


@pytest.mark.parametrize("case", BODIES, ids=lambda case: case.text)
def test_spellings(case: Case) -> None:
    if case.text.startswith("O[m] += - -"):
        # As in Python, a sign binds tighter than a shift, and no unit is spelled so.
        with pytest.raises(ExpressionError):
            parse_body(case.text)
        return
    nest = parse(f"name: x\nloops: {{m: 2, k: 3}}\nbody: {case.text}\n").nest
    assert (nest.unit.name, nest.reduction.name, nest.coefficient) == (case.unit, case.reduction, case.coefficient)
    if case.canonical or case.coefficient != -5:
        assert body_text(nest) == (case.canonical or case.text)
    assert parse(str(nest)).nest == nest
    assert pickle.loads(pickle.dumps(nest)) == nest


KNOWN = "'abs(a - b)', 'a == b', 'a > b', 'a + b', 'a * b', 'a << b', 'sign(a) * (b << c)'"
NO_UNIT = f"body: no functional unit computes this; expected one of {KNOWN}"
BAD = (
    ("O[m] += foo(A[m])", 8, NO_UNIT),
    ("O[m] += 2 * A[m] > B[m]", 8, NO_UNIT),
    ("O[m] += A[m] > B[m] > A[m]", 8, NO_UNIT),
    ("O[m] += A[m] > 3", 8, NO_UNIT),
    ("O[m] += A[m] * B[m] + A[m]", 20, "body: expected a single term, found a sum; write one nest a summand"),
    ("O[m] += A[m] + 1", 13, "body: expected a single term, found a sum; write one nest a summand"),
    ("O[m] += abs(A[m]", 16, "body: expected ')' after the arguments of 'abs', found the end"),
    ("O[m] += (A[m] > B[m]", 20, "body: expected ')' to close '(', found the end"),
    ("O[m] max== A[m]", 5, "body: expected '+=', 'max=' or 'min=' after the output O[m], found 'max'"),
    ("O[m] += " + "(" * 999, 58, "body: expected at most 50 open parentheses, found more"),
)


@pytest.mark.parametrize(("text", "offset", "says"), BAD, ids=[text[:30] for text, *_ in BAD])
def test_bad_spellings(text: str, offset: int, says: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_body(text)
    assert (caught.value.offset, caught.value.sentence) == (offset, says)


def unit_named(name: str) -> FunctionalUnit:
    return next(unit for unit in functional_units() if unit.name == name)


def small(body: str, formats: str) -> Nest:
    return parse(f"name: x\nloops: {{m: 3, k: 4}}\nbody: {body}\nformats: {{{formats}}}\n").nest


def test_integers_only() -> None:
    with pytest.raises(NestError) as caught:
        replace(small("O[m] += A[m, k] * B[k]", "A: fp32, B: fp32, O: fp32"), unit=unit_named("plus"), reduction=MAX)
    assert caught.value.faults == tuple(
        f"tensor {name!r} is fp32, but only sums of products take it; 'max=' with 'a + b' takes integers"
        for name in "OAB"
    )


def test_operands_are_counted() -> None:
    with pytest.raises(NestError) as caught:
        replace(small("O[m] += A[m, k] * B[k]", "A: int8"), unit=unit_named("signed_shift"))
    assert caught.value.faults == ("the functional unit 'signed_shift' has 3 operands, not 2",)


@settings(max_examples=500, deadline=None)
@given(
    nests(formats=("int4", "int8", "int16", "int32")),
    st.sampled_from(functional_units()),
    st.sampled_from((SUM, MAX, MIN)),
    st.integers(0, 2**32),
    st.booleans(),
    st.sampled_from((1, 7, 1 << 21)),
)
def test_fast_is_the_definition(
    nest: Nest, unit: FunctionalUnit, reduction: Reduction, seed: int, initially: bool, most: int
) -> None:
    operands = nest.inputs if unit.folds else (nest.inputs * 3)[: len(unit.operands)]
    used = {nest.output.tensor, *(access.tensor for access in operands)}
    tensors = tuple(t for t in nest.tensors if t.name in used)
    nest = replace(nest, inputs=operands, tensors=tensors, unit=unit, reduction=reduction)
    inputs = random_inputs(nest, seed)
    output = nest.tensor(nest.output.tensor)
    initial = output.format.random(output.shape, np.random.default_rng(seed + 1)) if initially else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter_module, "MOST_ELEMENTS", most)
        found = run(nest, inputs, initial)
    expected = run_points(nest, inputs, initial)
    assert found.dtype == expected.dtype == output.format.dtype
    np.testing.assert_array_equal(found, expected)
    assert output.format.range[0] <= found.min() and found.max() <= output.format.range[1]


def test_terms_wrap_before_they_are_compared() -> None:
    nest = small("O[m] max= A[m, k] + B[k]", "A: int8, B: int8, O: int8")
    inputs = {"A": np.full((3, 4), 100, np.int8), "B": np.array([100, -128, 27, -1], np.int8)}
    # 100 + 100 is -56 in eight bits, so that 127 is the largest.
    assert run(nest, inputs).tolist() == run_points(nest, inputs).tolist() == [127, 127, 127]


def test_elements_that_no_point_reaches_hold_the_identity() -> None:
    text = "name: x\nloops: {m: 3, k: 4}\nbody: O[2 * m] min= A[m, k]\nformats: {A: int4, O: int4}\nguards: [m >= 1]\n"
    nest = parse(text).nest
    inputs = {"A": np.full((3, 4), -8, np.int8)}
    assert run(nest, inputs).tolist() == run_points(nest, inputs).tolist() == [7, 7, -8, 7, -8]
    assert run(nest, inputs, [1, 2, 3, 4, 5]).tolist() == [1, 2, -8, 4, -8]


def test_padding_is_an_element_of_0() -> None:
    text = (
        "name: x\nloops: {m: 2, k: 2}\nbody: O[m] max= A[m + k - 1]\n"
        "formats: {A: int8}\nshapes: {A: [2]}\npadding: {A: 0}\n"
    )
    nest = parse(text).nest
    assert run(nest, {"A": np.array([-5, -7], np.int8)}).tolist() == [0, -5]


def test_numbers_in_a_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zz_positive.py").write_text(
        "from workloads.functional_unit import FunctionalUnit\n"
        "UNIT = FunctionalUnit('positive', 'max(a, 0)', lambda on, a: on.select(a > 0, a, 0))\n"
    )
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    functional_units.cache_clear()
    try:
        assert parse_body("O[m] += -2 * max(A[m], 0)").unit.name == "positive"
        with pytest.raises(ExpressionError):
            parse_body("O[m] += max(A[m], 1)")
        with pytest.raises(ExpressionError):
            parse_body("O[m] += max(A[m], B[m])")
    finally:
        functional_units.cache_clear()
        sys.modules.pop(f"{package.__name__}.zz_positive", None)


BAD_UNITS = (
    (("my unit", "a + b", {}), "functional unit 'my unit': a name is letters, digits and '_', starting with a letter"),
    (
        ("skips", "a - c", {}),
        "functional unit 'skips': the operands of 'a - c' must be the first letters, 'a', 'b' and so on",
    ),
    (("none", "1", {}), "functional unit 'none': the operands of '1' must be the first letters, 'a', 'b' and so on"),
    (("minus", "a - b", {"folds": True}), "functional unit 'minus': only 'a + b' and 'a * b' fold, not 'a - b'"),
)


@pytest.mark.parametrize(("given", "says"), BAD_UNITS, ids=[given[0] for given, _ in BAD_UNITS])
def test_bad_units(given: tuple[str, str, dict[str, bool]], says: str) -> None:
    name, spelling, more = given
    with pytest.raises(UnitError) as caught:
        FunctionalUnit(name, spelling, lambda on, a, b: a, **more)
    assert str(caught.value) == says


BAD_FILES = (
    ("empty", "", "functional unit 'empty': expected a FunctionalUnit called UNIT in empty.py, found None"),
    (
        "zz_again",
        "from workloads.functional_units.plus import UNIT",
        "functional unit 'plus': the name is taken; expected another in one of its two files",
    ),
    (
        "zz_twin",
        "from dataclasses import replace\nfrom workloads.functional_units.plus import UNIT\n"
        "UNIT = replace(UNIT, name='twin')",
        "functional unit 'twin': it is spelled 'a + b', as 'plus' is; expected another",
    ),
    (
        "zz_open",
        "from dataclasses import replace\nfrom workloads.functional_units.equal import UNIT\n"
        "UNIT = replace(UNIT, name='open', spelling='max(a, b')",
        "functional unit 'open': 'max(a, b' cannot be read: "
        "spelling: expected ')' after the arguments of 'max', found the end",
    ),
)


@pytest.mark.parametrize(("file", "text", "says"), BAD_FILES, ids=[file for file, *_ in BAD_FILES])
def test_bad_files(file: str, text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{file}.py").write_text(text)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    functional_units.cache_clear()
    try:
        with pytest.raises(UnitError) as caught:
            parse_body("O[m] += nothing(A[m])")
    finally:
        functional_units.cache_clear()
        sys.modules.pop(f"{package.__name__}.{file}", None)
    assert str(caught.value) == says
