from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from dataflow.lattice import determines, least_free, solutions
from dataflow.reuse import time_weights

small = st.integers(-3, 3)


@given(st.data())
def test_solutions_are_all_and_only_those(data: st.DataObject) -> None:
    columns, ranks = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    rows = tuple(tuple(data.draw(small) for _ in range(columns)) for _ in range(ranks))
    extents = [data.draw(st.integers(1, 4)) for _ in range(columns)]
    target = [data.draw(st.integers(-6, 6)) for _ in range(ranks)]
    used = [any(row[k] for row in rows) for k in range(columns)]
    box = product(*(range(1 - e, e) if u else (0,) for e, u in zip(extents, used, strict=True)))
    wanted = {
        x
        for x in box
        if all(sum(a * b for a, b in zip(row, x, strict=True)) == t for row, t in zip(rows, target, strict=True))
    }
    found = list(solutions(rows, target, extents))
    assert len(found) == len(set(found))
    assert set(found) == wanted


@given(st.lists(st.integers(1, 4), max_size=4), st.integers(-40, 40), st.integers(0, 2), st.integers(0, 3))
def test_least_free_is_least(extents: list[int], start: int, at_least: int, gap: int) -> None:
    weights = time_weights(tuple(extents), len(extents) - 1, gap)
    values = [
        start + sum(w * y for w, y in zip(weights, ys, strict=True))
        for ys in product(*(range(1 - e, e) for e in extents))
    ]
    possible = [v for v in values if v >= at_least]
    found = least_free(start, weights, extents, at_least)
    if not possible:
        assert found is None
    else:
        assert found is not None
        assert start + sum(w * y for w, y in zip(weights, found, strict=True)) == min(possible)
        assert all(abs(y) < e for y, e in zip(found, extents, strict=True))


@given(st.data())
def test_determines_agrees_with_the_kernel(data: st.DataObject) -> None:
    columns = data.draw(st.integers(1, 3))
    rows = tuple(
        tuple(data.draw(st.integers(-2, 2)) for _ in range(columns)) for _ in range(data.draw(st.integers(1, 3)))
    )
    # Kernel vectors of such small matrices exist within this reach if they exist at all.
    kernel = [
        x
        for x in product(range(-8, 9), repeat=columns)
        if all(sum(a * b for a, b in zip(row, x, strict=True)) == 0 for row in rows)
    ]
    for column in range(columns):
        assert determines(rows, column) == all(x[column] == 0 for x in kernel)
