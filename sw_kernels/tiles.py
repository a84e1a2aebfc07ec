"""Tile sizes of the generic kernel, chosen by measurement on one GPU and kept as data."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Tiles:
    """Launch parameters of a kernel.

    Attributes
    ----------
    m, n, k : int
        Tile sizes; ``m`` x ``n`` for the map form, ``m`` output points and ``n`` points of the reduction for reduce.
    group : int
        Tiles of M that run next to each other, so that the right operand stays in the L2 cache.
    """

    m: int
    n: int
    k: int
    warps: int
    stages: int
    group: int = 8


# (element bytes, least points of the larger of M and N, least of the smaller): the first row whose bounds are met.
DOT: tuple[tuple[int, int, int, Tiles], ...] = (
    (2, 2048, 256, Tiles(128, 256, 64, 8, 3, 4)),
    (2, 2048, 128, Tiles(128, 128, 64, 4, 3)),
    (2, 2048, 1, Tiles(128, 64, 64, 4, 3)),
    (2, 512, 1, Tiles(64, 64, 64, 4, 4)),
    (2, 1, 1, Tiles(32, 32, 64, 4, 4)),
    (1, 2048, 128, Tiles(128, 128, 128, 8, 3)),
    (1, 2048, 1, Tiles(256, 64, 64, 8, 3)),
    (1, 1, 1, Tiles(64, 64, 64, 4, 3)),
    (4, 1, 1, Tiles(64, 64, 32, 4, 2)),
)

# Rows and columns of output points; output points and points of the reduction.
MAP = Tiles(1, 512, 1, 4, 1)
REDUCE = Tiles(1, 2048, 1, 4, 1)


def fitted(tiles: Tiles, rows: int, columns: int) -> Tiles:
    """Tiles with the same number of points, no wider than the columns, no larger than needed."""
    points = tiles.m * tiles.n
    n = min(tiles.n, 1 << (columns - 1).bit_length())
    m = min(points // n, 1 << (rows - 1).bit_length())
    return Tiles(m, n, tiles.k, tiles.warps, tiles.stages, tiles.group)


# int8 with an operand that is not contiguous along K, which the tensor cores read through a transposition.
ACROSS = Tiles(256, 64, 64, 8, 3)
# 16-bit elements where the product of a step is scaled before it is added, so that there are two sums.
STEPPED = Tiles(128, 64, 64, 4, 4)


def dot_tiles(
    element_bytes: int, m: int, n: int, inner_k: int, *, along_k: bool = True, stepped: bool = False
) -> Tiles:
    """Tiles for a matrix product of this size whose innermost reduction loop has ``inner_k`` points.

    Parameters
    ----------
    along_k
        Both operands are contiguous along that loop.
    stepped
        The product of each step is scaled on its own.
    """
    large, small = max(m, n), min(m, n)
    chosen = next(t for size, most, least, t in DOT if size == element_bytes and large >= most and small >= least)
    if element_bytes == 1 and not along_k and large >= 2048:
        chosen = ACROSS
    if element_bytes == 2 and stepped and chosen.m * chosen.n > STEPPED.m * STEPPED.n:
        chosen = STEPPED
    if n > m and chosen.m > chosen.n:
        chosen = replace(chosen, m=chosen.n, n=chosen.m)
    k = chosen.k
    while k > 16 and k > inner_k:
        k //= 2
    # The tensor cores multiply at least 16 (int8: 32) deep.
    k = max(k, 32 if element_bytes == 1 else 16)
    n_tile = min(chosen.n, max(16, 1 << (n - 1).bit_length()))
    m_tile = min(chosen.m, max(16, 1 << (m - 1).bit_length()))
    return Tiles(m_tile, n_tile, k, chosen.warps, chosen.stages, chosen.group)


# What ``--tune`` tries.
CANDIDATES = (
    Tiles(128, 256, 64, 8, 3),
    Tiles(128, 128, 64, 8, 3),
    Tiles(128, 128, 64, 4, 3),
    Tiles(128, 128, 32, 4, 4),
    Tiles(256, 128, 64, 8, 3),
    Tiles(128, 64, 64, 4, 4),
    Tiles(256, 64, 64, 8, 3),
    Tiles(64, 64, 64, 4, 4),
    Tiles(128, 256, 128, 8, 3),
    Tiles(32, 32, 64, 4, 4),
    Tiles(1024, 1, 1, 4, 1),
    Tiles(512, 1, 1, 4, 1),
    Tiles(256, 1, 1, 2, 1),
)
