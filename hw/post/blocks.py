"""Where the blocks of a quantized output lie in the stage's memory, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hw.layout import Bytes, Layout, Window
from hw.post.plan import PostPlan
from workloads.formats.coded import CodedBlocks


@dataclass(frozen=True)
class BlockLayout:
    """A window of a quantized tensor.

    A row holds a block of every quantizer, number 0 in the lowest bits: its codes, the first in the lowest bits, then
    its scale. The blocks of the groups that a quantizer serves follow each other, row by row.

    Attributes
    ----------
    places : Layout
        Of the blocks, as a tensor of one element a block.
    """

    post: PostPlan
    places: Layout

    @staticmethod
    def of(post: PostPlan, output: Layout) -> BlockLayout:
        """The blocks of a window of the output."""
        banks, held, block = output.banks, output.held, post.made.block
        assert held.low[-1] == 0 and held.base[-1] % block == 0 and (held.high[-1] + 1) % block == 0, held
        assert output.placement == tuple(range(output.memories)), output.placement
        whole = Window(held.low, (*held.high[:-1], post.blocks(held) - 1), (*held.base[:-1], held.base[-1] // block))
        grouped = replace(banks, counts=(*banks.counts[:-1], 1), rotating=(*banks.rotating[:-1], False))
        return BlockLayout(
            post,
            replace(
                output,
                tensor_id=post.tensor_id,
                word_bits=post.block_bits,
                banks=grouped,
                held=whole,
                memories=post.groups,
                placement=tuple(range(post.groups)),
            ),
        )

    @property
    def rows(self) -> int:
        return self.places.rows * self.post.turns

    @property
    def row_bytes(self) -> int:
        return -(-self.post.row_bits // 8)

    def unpack(self, rows: Bytes, coded: CodedBlocks) -> None:
        """Write the window's codes and scales into ``coded`` in place."""
        post, made = self.post, self.post.made
        row, group, where = self.places.index()
        bits = np.unpackbits(rows, axis=1, bitorder="little")[:, : post.row_bits]
        turns = bits.reshape(-1, post.turns, post.quantizers, post.block_bits)
        words = turns[row, group % post.turns, group // post.turns].astype(np.int64)
        elements, scales = np.split(words, [made.block * made.element.bits], axis=-1)
        codes = elements.reshape(*words.shape[:-1], made.block, made.element.bits) @ (1 << np.arange(made.element.bits))
        coded.by_block[where] = codes
        coded.scales[where] = scales @ (1 << np.arange(made.scale.bits))
