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
    split, short : int
        Slices of K, each a program; the first ``short`` tiles have one less.
    guard : bool
        Wait for the products of a step before the next; needed where they read operands from registers (Hopper's
        warp-group products, tiles of 64 or more outputs and 4 or more warps).
    early : bool
        A low-rank branch is added by the first slice of a tile, else by the last to arrive.
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
    short: int = 0
    early: bool = True


# Multiprocessors of the GPU of the measurements.
PROCESSORS = 132
# Programs that it holds at once, by rows of a tile, without and with a low-rank branch: 10 to 2 a multiprocessor.
RESIDENT = {8: 1320, 16: 528, 32: 396, 64: 396, 128: 264}
RESIDENT_BESIDE = {8: 1320, 16: 396, 32: 396, 64: 396, 128: 264}
# More slices than this cost more to add up than they bring; of tiles of eight rows, programs of a low-rank branch
# leave room that more of them can use.
MOST_SLICES, MOST_SLICES_BESIDE = 7, 9
# Programs that make the narrow activations of a low-rank branch: beside slices, and beside even shares.
MOST_PARTS, PARTS_OF_SHARES = 16, 4


def tiles_for(M: int, N: int, slabs: int, *, branch: bool = False) -> Tiles:
    """Tiles for M rows, N outputs and so many slabs of 256 columns, all of whose programs run at once."""
    m = min(128, max(8, 1 << (M - 1).bit_length()))
    room = (RESIDENT_BESIDE[m] - min(MOST_PARTS, slabs)) if branch else RESIDENT[m]

    def slices(n: int, m_tile: int, least_slabs: int, most: int = MOST_SLICES) -> tuple[int, int]:
        """Slices, and how many tiles have one less, so that programs of a branch find room."""
        tiles = -(-N // n) * -(-M // m_tile)
        wanted = max(1, min(RESIDENT[m] // tiles, most, slabs // least_slabs))
        short = max(0, tiles * wanted - room)
        if wanted > 1 and 2 * short <= tiles:
            return wanted, short
        return max(1, min(room // tiles, wanted)), 0

    if m == 8:
        # A product that is over soon: wider tiles read x less often, and two programs a multiprocessor do.
        few = slabs // 3
        if few <= MOST_SLICES and PROCESSORS <= -(-N // 64) * few <= 2 * PROCESSORS:
            return Tiles(64, m, 4, few, 2, 3, guard=False)
        split, short = slices(32, m, 3, MOST_SLICES_BESIDE if branch else MOST_SLICES)
        return Tiles(32, m, 4, split, 2, 3, guard=False, short=short)
    if m <= 32:
        split, short = slices(64, m, 3 if branch and m == 32 else 2)
        return Tiles(64, m, 4, split, 4, 3, short=short)
    # Tiles that are no multiple of the multiprocessors leave some idle in the end.
    if M <= 128 and -(-N // 128) > PROCESSORS and (m == 128 or branch):
        n = 64 if m == 128 else 128
        return Tiles(n, m, 2, 1, 4, 3, shares=2 * PROCESSORS - (PARTS_OF_SHARES if branch else 0))
    split, short = slices(64, m, 3)
    if m == 64:
        # Few slices are long ones, for which longer steps pay.
        return Tiles(64, m, 4, split, 4, 2) if split == 1 else Tiles(64, m, 2, split, 4, 3, short=short)
    if branch and slabs < 32:
        # A product that is over soon: the narrow activations come late, and sooner from narrower tiles.
        return Tiles(128, 64, 2, slices(128, 64, 3)[0], 4, 3, early=False)
    return Tiles(64, m, 2, split, 4, 3, short=short)
