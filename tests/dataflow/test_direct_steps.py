"""Direct reuse and its products on arrays: against one candidate after the other."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from dataflow import Dataflow
from dataflow.feed import direct_parents
from dataflow.reuse import Step, direct_steps, dot, products, space_matrix
from workloads.affine import Affine
from workloads.formats import format_named
from workloads.nest import Access, Loop, Nest, Tensor, reached_shape

LOOPS = ("i", "j", "k")


@st.composite
def accesses(draw: st.DrawFn) -> tuple[Access, Dataflow]:
    """An access of rank 0 to 3 with coefficients of both signs, and an array of one to three axes."""
    extents = {name: draw(st.integers(1, 4)) for name in LOOPS}
    coefficients = st.tuples(*(st.integers(-2, 2) for _ in LOOPS))
    rows = draw(st.lists(coefficients, max_size=3))
    index = tuple(
        Affine(tuple((n, c) for n, c in zip(LOOPS, row, strict=True) if c), 2 * sum(map(abs, row)) * 4) for row in rows
    )
    access = Access("A", index)
    output = Access("O", (Affine((("i", 1),)),))
    tensors = tuple(
        Tensor(a.tensor, format_named(f), reached_shape(a.tensor, (output, access), extents), False)
        for a, f in ((output, "int32"), (access, "int8"))
    )
    nest = Nest("drawn", tuple(Loop(n, e) for n, e in extents.items()), output, (access,), tensors, 1, ())
    axes = draw(st.permutations(LOOPS))[: draw(st.integers(1, 3))]
    skew = tuple(draw(st.integers(0, 2)) for _ in axes)
    return access, Dataflow.of(nest, {name: extents[name] for name in axes}, skew=skew)


@given(accesses())
def test_direct_steps(drawn: tuple[Access, Dataflow]) -> None:
    access, dataflow = drawn
    found = []
    for space in product(*(range(1 - size, size) for size in dataflow.shape)):
        lag = dot(dataflow.skew, space)
        same = not any(dot(row, space) for row in space_matrix(access, dataflow))
        if same and any(space) and (lag > 0 or (lag == 0 and space > (0,) * len(space))):
            found.append((lag, sum(map(abs, space)), space))
    still = (0,) * len(dataflow.order)
    assert direct_steps(access, dataflow) == tuple(Step(space, still) for _, _, space in sorted(found))


@given(accesses())
def test_direct_parents(drawn: tuple[Access, Dataflow]) -> None:
    access, dataflow = drawn
    steps = direct_steps(access, dataflow)
    for unit, step in direct_parents(dataflow, steps).items():
        producers = [tuple(u - d for u, d in zip(unit, s.space, strict=True)) for s in steps]
        inside = [s for s, p in zip(steps, producers, strict=True) if dataflow.contains(p)]
        assert step == (inside[0] if inside else None)


@given(accesses())
def test_products(drawn: tuple[Access, Dataflow]) -> None:
    access, dataflow = drawn
    rows = space_matrix(access, dataflow)
    assert products(rows, dataflow.units) == [tuple(dot(row, unit) for row in rows) for unit in dataflow.units]
