"""Tiles of products with four-bit weights, chosen by measurement on one GPU and kept as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tiles:
    """Launch parameters.

    Attributes
    ----------
    n, m : int
        Outputs of a program.
    g : int
        Columns of a step over 64: 1, 2 or 4.
    split : int
        Slices of K.
    guard : bool
        Wait for the products of a step before the next; needed where they read operands from registers (Hopper's
        warp-group products, tiles of 64 or more outputs and 4 or more warps).
    """

    n: int
    m: int
    g: int
    split: int
    warps: int
    stages: int
    guard: bool = True


def tiles_for(M: int, N: int, slabs: int) -> Tiles:
    """Tiles for M rows, N outputs and so many slabs of 256 columns."""
    m = max(8, 1 << (M - 1).bit_length())
    if m == 8:
        return Tiles(32, m, 4, _slices(-(-N // 32), 1000, slabs // 3), 2, 3, guard=False)
    if m <= 32:
        return Tiles(64, m, 4, _slices(-(-N // 64), 336, slabs // (3 if m == 16 else 5)), 4, 3)
    if m == 64:
        return Tiles(64, m, 4, _slices(-(-N // 64), 336, slabs // 3), 4, 2)
    return Tiles(128, 64, 2, _slices(-(-N // 128) * -(-M // 64), 336, slabs // 3), 4, 3)


def _slices(tiles: int, programs: int, most: int) -> int:
    """Slices of K that make about so many programs, but not more than ``most``."""
    return max(1, min(most, 12, (programs + tiles // 2) // tiles))
