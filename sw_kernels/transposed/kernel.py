"""Matrices of a batch transposed, a tile a program."""

import triton
import triton.language as tl


@triton.jit
def transpose(x, out, rows, columns, TILE: tl.constexpr):
    """``out[b, j, i] = x[b, i, j]``; every element is written."""
    across = tl.cdiv(columns, TILE)
    tiles = across * tl.cdiv(rows, TILE)
    pid = tl.program_id(0)
    base = pid // tiles * rows * columns
    i = pid % tiles // across * TILE + tl.arange(0, TILE)
    j = pid % tiles % across * TILE + tl.arange(0, TILE)
    inside = (i < rows)[:, None] & (j < columns)[None, :]
    tile = tl.load(x + base + i[:, None] * columns + j[None, :], mask=inside)
    tl.store(out + base + j[:, None] * rows + i[None, :], tile.trans(), mask=inside.trans())
