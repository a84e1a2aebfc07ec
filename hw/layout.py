"""Where the elements of a tensor's window lie in its banks, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from dataflow.banking import Banking
from dataflow.dataflow import Point
from workloads.formats import Format
from workloads.nest import Access, Nest

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a tensor that one run holds.

    Attributes
    ----------
    low, high : tuple of int
        First and last coordinate of each dimension, counted from the run's own origin.
    base : tuple of int
        Coordinate of the run's origin in the whole tensor.
    """

    low: Point
    high: Point
    base: Point


def window(access: Access, nest: Nest, extents: Mapping[str, int], origin: Mapping[str, int] | None) -> Window:
    """What an access reaches in one run, less what lies outside the tensor.

    ``origin`` is the first iteration of the run; None sizes the banks for a run at any origin, so that nothing is cut.
    """
    low, high, base = [], [], []
    for extent, index in zip(nest.tensor(access.tensor).shape, access.index, strict=True):
        first, last = index.bounds(extents)
        at = 0 if origin is None else sum(c * origin[n] for n, c in index.terms)
        if origin is not None:
            first, last = max(first, -at), min(last, extent - 1 - at)
        low.append(first)
        high.append(max(first, last))
        base.append(at)
    return Window(tuple(low), tuple(high), tuple(base))


def rows_below(banking: Banking, coordinate: Point) -> Point:
    """In-bank coordinate of the first word in the rows of banks that hold a coordinate."""
    return tuple((d // (g * n)) * g for d, g, n in zip(coordinate, banking.granularity, banking.counts, strict=True))


def bank_extents(banking: Banking, held: Window) -> Point:
    """In-bank extents of a window."""
    first, last = rows_below(banking, held.low), rows_below(banking, held.high)
    return tuple(b - a + g for a, b, g in zip(first, last, banking.granularity, strict=True))


def bank_strides(extents: Point) -> Point:
    """Row-major in-bank strides."""
    return tuple(prod(extents[r + 1 :]) for r in range(len(extents)))


@dataclass(frozen=True)
class Layout:
    """A window of a tensor in its banks: integers, and the codes of other formats.

    A row is one word of every memory, memory 0 in the lowest bits, padded to whole bytes.

    Attributes
    ----------
    memories : int
        Memories in the set; a dataflow may use fewer as banks.
    placement : tuple of int
        The memory that serves as each bank, in the banks' row-major order.
    """

    tensor: str
    format: Format
    tensor_id: int
    word_bits: int
    banks: Banking
    held: Window
    memories: int
    placement: tuple[int, ...]

    @property
    def rows(self) -> int:
        return prod(bank_extents(self.banks, self.held))

    @property
    def row_bytes(self) -> int:
        return -(-self.memories * self.word_bits // 8)

    def index(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], tuple[slice, ...]]:
        """Row and memory of every element of the window, and the window as slices of the tensor."""
        strides = bank_strides(bank_extents(self.banks, self.held))
        below = rows_below(self.banks, self.held.low)
        row = np.zeros((1,) * len(strides), np.int64)
        bank = np.zeros((1,) * len(strides), np.int64)
        slices = []
        for r, (low, high, base) in enumerate(zip(self.held.low, self.held.high, self.held.base, strict=True)):
            g, n = self.banks.granularity[r], self.banks.counts[r]
            d = np.arange(low, high + 1)
            shape = [1] * len(strides)
            shape[r] = -1
            row = row + (((d // (g * n)) * g + d % g - below[r]) * strides[r]).reshape(shape)
            bank = bank * n + ((d // g) % n).reshape(shape)
            slices.append(slice(low + base, high + base + 1))
        return row, np.array(self.placement)[bank], tuple(slices)

    def pack(self, tensor: npt.NDArray[np.generic]) -> Bytes:
        """Rows that hold the window of ``tensor``; words without an element are 0."""
        row, memory, slices = self.index()
        words = np.zeros((self.rows, self.memories), np.int64)
        part = tensor[slices]
        if part.size:
            words[row, memory] = self.format.codes(part)
        if self.word_bits in (8, 16, 32):
            return np.ascontiguousarray(words.astype(f"<i{self.word_bits // 8}")).view(np.uint8).reshape(self.rows, -1)
        bits = (words[:, :, None] >> np.arange(self.word_bits)) & 1
        return np.packbits(bits.astype(np.uint8).reshape(self.rows, -1), axis=1, bitorder="little")

    def unpack(self, rows: Bytes, tensor: npt.NDArray[np.generic]) -> None:
        """Write the window's elements into ``tensor`` in place; those whose bank no port reaches stay."""
        row, memory, slices = self.index()
        if self.word_bits in (8, 16, 32):
            words = np.ascontiguousarray(rows).view(f"<i{self.word_bits // 8}").astype(np.int64)
        else:
            used = self.memories * self.word_bits
            bits = np.unpackbits(rows, axis=1, bitorder="little")[:, :used]
            top = self.word_bits - 1
            weights = np.array([*(1 << n for n in range(top)), -(1 << top)], np.int64)
            words = bits.reshape(self.rows, self.memories, self.word_bits).astype(np.int64) @ weights
        if tensor[slices].size:
            codes = words[row, memory]
            encoding = self.format.encoding
            found = (codes if encoding is None else encoding.decode(codes)).astype(tensor.dtype)
            if not self.banks.switched:
                reached = np.zeros(self.memories, np.bool_)
                banks = [self.banks.flat(self.banks.port_bank(offset)) for _, offset in self.banks.ports]
                reached[[self.placement[bank] for bank in banks]] = True
                found = np.where(reached[memory], found, tensor[slices])
            tensor[slices] = found
