"""Tile sizes of the generic kernel, chosen by measurement on one GPU and kept as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tiles:
    """Launch parameters of a kernel.

    Attributes
    ----------
    m, n, k : int
        Tile sizes; for the direct form ``m`` output points a program, n and k unused.
    group : int
        Tiles of M that run next to each other, so that the right operand stays in the L2 cache.
    """

    m: int
    n: int
    k: int
    warps: int
    stages: int
    group: int = 8


# (element bytes, least M, least N): the first row whose bounds are met.
DOT: tuple[tuple[int, int, int, Tiles], ...] = (
    (2, 2048, 8192, Tiles(128, 128, 64, 4, 3)),
    (2, 2048, 256, Tiles(128, 256, 64, 8, 3)),
    (2, 2048, 128, Tiles(128, 128, 64, 4, 3)),
    (2, 2048, 1, Tiles(128, 64, 64, 4, 4)),
    (2, 512, 1, Tiles(64, 64, 64, 4, 4)),
    (2, 1, 1, Tiles(32, 32, 64, 4, 4)),
    (1, 2048, 1, Tiles(256, 64, 64, 8, 3)),
    (1, 1, 1, Tiles(64, 64, 64, 4, 3)),
    (4, 1, 1, Tiles(64, 64, 32, 4, 2)),
)

DIRECT = Tiles(256, 1, 1, 2, 1)


def dot_tiles(element_bytes: int, m: int, n: int, inner_k: int) -> Tiles:
    """Tiles for a matrix product of this size whose innermost reduction loop has ``inner_k`` points."""
    chosen = next(t for size, low_m, low_n, t in DOT if size == element_bytes and m >= low_m and n >= low_n)
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
