"""Small bounded integer problems: the lattice of steps that keep an element the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

Matrix = tuple[tuple[int, ...], ...]


def solutions(rows: Matrix, target: Sequence[int], extents: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Every integer ``x`` with ``rows x = target`` and ``|x_k| < extents_k``, for columns that some row uses.

    Columns that are zero in every row are left at 0: they are free, and the caller decides them.
    The search assigns one column after the other and cuts where the rest cannot reach the target.
    """
    columns = len(extents)
    used = [k for k in range(columns) if any(row[k] for row in rows)]
    reach = [[0] * len(rows) for _ in range(len(used) + 1)]
    for position in range(len(used) - 1, -1, -1):
        k = used[position]
        reach[position] = [r + abs(row[k]) * (extents[k] - 1) for r, row in zip(reach[position + 1], rows, strict=True)]
    x = [0] * columns

    def search(position: int, rest: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if any(abs(value) > bound for value, bound in zip(rest, reach[position], strict=True)):
            return
        if position == len(used):
            yield tuple(x)
            return
        k = used[position]
        low, high = 1 - extents[k], extents[k] - 1
        for value, row, slack in zip(rest, rows, reach[position + 1], strict=True):
            if a := row[k]:
                # |value - a x| <= slack bounds x from both sides.
                first, last = (value - slack, value + slack) if a > 0 else (value + slack, value - slack)
                low, high = max(low, -(-first // a)), min(high, last // a)
        for candidate in range(low, high + 1):
            x[k] = candidate
            yield from search(position + 1, tuple(v - row[k] * candidate for v, row in zip(rest, rows, strict=True)))
        x[k] = 0

    yield from search(0, tuple(target))


def least_free(start: int, weights: Sequence[int], extents: Sequence[int], at_least: int) -> tuple[int, ...] | None:
    """The ``y`` with ``|y_k| < extents_k`` that makes ``start + weights . y`` least, but not below ``at_least``.

    ``weights`` are mixed-radix, outermost first: each exceeds what all later ones reach together, so that at every
    position only the two values around the target can lead to the optimum.
    """
    reach = [0] * (len(weights) + 1)
    for k in range(len(weights) - 1, -1, -1):
        reach[k] = reach[k + 1] + weights[k] * (extents[k] - 1)
    best: tuple[int, tuple[int, ...]] | None = None

    def search(k: int, total: int, chosen: tuple[int, ...]) -> None:
        nonlocal best
        if total + reach[k] < at_least or (best and total - reach[k] >= best[0]):
            return
        if k == len(weights):
            best = (total, chosen)
            return
        # The smallest value from which the rest can still reach ``at_least``, and a few above it.
        low = max(1 - extents[k], -((total + reach[k + 1] - at_least) // weights[k]))
        for value in range(low, min(low + 2, extents[k] - 1) + 1):
            search(k + 1, total + weights[k] * value, (*chosen, value))

    search(0, start, ())
    return best[1] if best else None


def determines(rows: Matrix, column: int) -> bool:
    """True if ``rows x`` fixes ``x[column]``: the unit row vector lies in the rational row space of ``rows``."""
    width = len(rows[0]) if rows else 0
    unit = [int(k == column) for k in range(width)]
    return _rank([*rows]) == _rank([*rows, tuple(unit)])


def _rank(rows: Sequence[Sequence[int]]) -> int:
    """Rank by fraction-free elimination (exact in integers)."""
    work = [list(row) for row in rows]
    rank = 0
    for k in range(len(work[0]) if work else 0):
        pivot = next((r for r in range(rank, len(work)) if work[r][k]), None)
        if pivot is None:
            continue
        work[rank], work[pivot] = work[pivot], work[rank]
        for r in range(rank + 1, len(work)):
            if work[r][k]:
                p, q = work[rank][k], work[r][k]
                work[r] = [p * b - q * a for a, b in zip(work[rank], work[r], strict=True)]
        rank += 1
    return rank
