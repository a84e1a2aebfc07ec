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
        Slices of K, each a program.
    guard : bool
        Wait for the products of a step before the next; needed where they read operands from registers (Hopper's
        warp-group products, tiles of 64 or more outputs and 4 or more warps).
    shares : int
        Programs that share the steps of all tiles evenly; 0 for programs of one tile, or of a slice of one.
    """

    n: int
    m: int
    g: int
    split: int
    warps: int
    stages: int
    guard: bool = True
    shares: int = 0


# Multiprocessors of the GPU of the measurements.
PROCESSORS = 132
# Programs that it holds at once, by rows of a tile: 10 to 3 a multiprocessor.
RESIDENT = {8: 1320, 16: 528, 32: 396, 64: 396, 128: 396}
# More slices than this cost more to add up than they bring; where programs of a low-rank branch run beside them, more
# of them leave room that those can use.
MOST_SLICES, MOST_SLICES_BESIDE = 7, 9


def tiles_for(M: int, N: int, slabs: int, others: int = 0) -> Tiles:
    """Tiles for M rows, N outputs and so many slabs of 256 columns; all programs and ``others`` run at once."""
    m = min(128, max(8, 1 << (M - 1).bit_length()))

    def slices(n: int, m_tile: int, least_slabs: int = 3) -> int:
        room = (RESIDENT[m] - others) // (-(-N // n) * -(-M // m_tile))
        most = MOST_SLICES_BESIDE if others and m == 8 else MOST_SLICES
        return max(1, min(room, most, slabs // least_slabs))

    if m == 8:
        # A product that is over soon: wider tiles read x less often, and two programs a multiprocessor do.
        few = slabs // 3
        if few <= MOST_SLICES and PROCESSORS <= -(-N // 64) * few <= 2 * PROCESSORS:
            return Tiles(64, m, 4, few, 2, 3, guard=False)
        return Tiles(32, m, 4, slices(32, m), 2, 3, guard=False)
    if m <= 32:
        return Tiles(64, m, 4, slices(64, m, 6 if others and m == 32 else 2), 4, 3)
    if m == 64:
        split = slices(64, m)
        # Few slices are long ones, for which longer steps pay.
        return Tiles(64, m, 4, split, 4, 2) if split == 1 else Tiles(64, m, 2, split, 4, 3)
    # Tiles that are no multiple of the multiprocessors leave some idle in the end; the branch has no such kernel.
    if M <= 128 and not others and -(-N // 128) > PROCESSORS:
        return Tiles(128, 128, 2, 1, 8, 3, shares=PROCESSORS)
    return Tiles(128, 64, 2, slices(128, 64), 4, 3)
