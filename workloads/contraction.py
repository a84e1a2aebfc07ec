"""Contraction of arrays over named loops in bounded memory, exact for integers modulo 2**32.

Everything is a float64 array, so that the linear algebra library does the work; integers stay exact because every
array carries a bound on its magnitude, and a product that could leave the 53 bits of a float64 is split into 16-bit
limbs and reduced modulo 2**32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Loops = tuple[str, ...]

_EXACT = 1 << 53
_WRAPPED = 1 << 31
# Sums of this many products of unsigned 16-bit limbs still fit into a float64; no array may be larger.
DEEPEST = 1 << 21


@dataclass(frozen=True)
class Factor:
    """An array with one axis a loop.

    Attributes
    ----------
    bound : int or None
        No element is larger in magnitude; None for floating point, where nothing is exact.
    """

    loops: Loops
    values: Floats
    bound: int | None


def contraction_order(factors: Sequence[Loops], kept: Loops, extents: Mapping[str, int]) -> tuple[tuple[int, int], ...]:
    """Pairs of positions to contract one after the other; each result joins the list at its end.

    Greedy: the pair with the smallest result goes first.
    """
    pool = dict(enumerate(factors))
    pairs = []
    for result in range(len(factors), 2 * len(factors) - 1):
        pair = min(combinations(pool, 2), key=lambda p: (prod(extents[n] for n in _joined(pool, p, kept)), p))
        joined = _joined(pool, pair, kept)
        for position in pair:
            del pool[position]
        pool[result] = joined
        pairs.append(pair)
    return tuple(pairs)


def _joined(pool: Mapping[int, Loops], pair: tuple[int, int], kept: Loops) -> Loops:
    needed = set(kept).union(*(loops for position, loops in pool.items() if position not in pair))
    return tuple(dict.fromkeys(n for position in pair for n in pool[position] if n in needed))


def arrays_of(factors: Sequence[Loops], kept: Loops, order: Iterable[tuple[int, int]]) -> tuple[Loops, ...]:
    """Loops of every array that the contraction holds: the factors, then each result."""
    pool = dict(enumerate(factors))
    arrays = list(factors)
    for pair in order:
        joined = _joined(pool, pair, kept)
        for position in pair:
            del pool[position]
        pool[len(arrays)] = joined
        arrays.append(joined)
    return tuple(arrays)


def contract(factors: Sequence[Factor], kept: Loops, order: Iterable[tuple[int, int]]) -> Floats:
    """Sum the product of all factors over every loop that is not ``kept``; axes follow ``kept``.

    Integers are exact modulo 2**32. Every kept loop must belong to some factor.
    """
    pool = dict(enumerate(factors))
    for result, pair in enumerate(order, start=len(factors)):
        joined = _joined({position: f.loops for position, f in pool.items()}, pair, kept)
        pool[result] = _product(pool.pop(pair[0]), pool.pop(pair[1]), joined)
    (last,) = pool.values()
    last = _summed(last, set(kept))
    return last.values.transpose([last.loops.index(n) for n in kept])


def _product(a: Factor, b: Factor, joined: Loops) -> Factor:
    needed = set(joined)
    a, b = _summed(a, needed | set(b.loops)), _summed(b, needed | set(a.loops))
    shared = [n for n in a.loops if n in b.loops and n in needed]
    summed = [n for n in a.loops if n in b.loops and n not in needed]
    left = [n for n in a.loops if n not in b.loops]
    right = [n for n in b.loops if n not in a.loops]
    extents = dict(zip(a.loops, a.values.shape, strict=True)) | dict(zip(b.loops, b.values.shape, strict=True))
    depth = prod(extents[n] for n in summed)
    a3 = _matrix(a, (shared, left, summed))
    b3 = _matrix(b, (shared, summed, right))
    values, bound = _multiplied(a3, a.bound, b3, b.bound, depth)
    loops = (*shared, *left, *right)
    return Factor(loops, values.reshape([extents[n] for n in loops]), bound)


def _matrix(factor: Factor, groups: tuple[list[str], list[str], list[str]]) -> Floats:
    extents = dict(zip(factor.loops, factor.values.shape, strict=True))
    order = [factor.loops.index(n) for group in groups for n in group]
    return factor.values.transpose(order).reshape([prod(extents[n] for n in group) for group in groups])


def _multiplied(
    a: Floats, a_bound: int | None, b: Floats, b_bound: int | None, depth: int
) -> tuple[Floats, int | None]:
    if a_bound is None or b_bound is None:
        return _matmul(a, b), None
    if (bound := a_bound * b_bound * depth) < _EXACT:
        return _matmul(a, b), bound
    assert depth <= DEEPEST, depth
    a_high, a_low = _limbs(a)
    b_high, b_low = _limbs(b)
    cross = _matmul(a_high, b_low) + _matmul(a_low, b_high)
    total = _matmul(a_low, b_low).astype(np.int64) + (cross.astype(np.int64) << 16)
    return total.astype(np.int32).astype(np.float64), _WRAPPED


def _matmul(a: Floats, b: Floats) -> Floats:
    # A batch of 1 x 1 products through matmul costs a call each; broadcasting does not.
    return a * b if a.shape[2] == 1 else np.matmul(a, b)


def _limbs(values: Floats) -> tuple[Floats, Floats]:
    whole = values.astype(np.int64)
    wrapped = whole.astype(np.int32).astype(np.int64)
    return (wrapped >> 16).astype(np.float64), (wrapped & 0xFFFF).astype(np.float64)


def _summed(factor: Factor, needed: set[str]) -> Factor:
    axes = tuple(k for k, n in enumerate(factor.loops) if n not in needed)
    if not axes:
        return factor
    loops = tuple(n for n in factor.loops if n in needed)
    values = factor.values.sum(axis=axes)
    if factor.bound is None:
        return Factor(loops, values, None)
    bound = factor.bound * prod(factor.values.shape[k] for k in axes)
    if bound < _EXACT:
        return Factor(loops, values, bound)
    whole = factor.values.astype(np.int64).sum(axis=axes)
    return Factor(loops, whole.astype(np.int32).astype(np.float64), _WRAPPED)


def chunks(
    arrays: Iterable[Loops], extents: Mapping[str, int], most_elements: int
) -> Iterator[dict[str, tuple[int, int]]]:
    """Boxes ``start <= loop < stop`` that tile the extents so that no array has more than ``most_elements``."""
    sizes = dict(extents)
    for loops in arrays:
        while prod(sizes[n] for n in loops) > most_elements:
            widest = max(loops, key=lambda n: sizes[n])
            sizes[widest] = -(-sizes[widest] // 2)
    yield from _boxes(tuple(extents), extents, sizes)


def _boxes(loops: Loops, extents: Mapping[str, int], sizes: Mapping[str, int]) -> Iterator[dict[str, tuple[int, int]]]:
    if not loops:
        yield {}
        return
    first, *rest = loops
    for start in range(0, extents[first], sizes[first]):
        for box in _boxes(tuple(rest), extents, sizes):
            yield {first: (start, min(extents[first], start + sizes[first])), **box}
