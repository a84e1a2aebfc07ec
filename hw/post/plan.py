"""What the stage behind a design's output banks needs: modules, registers, memory, cycles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

from dataflow.banking import Banking
from hw.host import HOST_ADDRESS_BITS
from hw.latencies import CONVERT_CYCLES, QUANTIZER_CYCLES
from hw.layout import Window, bank_extents
from hw.post.stage import PostError, Quantize
from hw.registers import Field
from hw.units.stream_quantizer import factor_names
from workloads.formats import BlockFormat, Format

# Between the address of a number and the cycle in which its magnitude is measured.
READ_CYCLES = 2

_MEANING = {
    "alpha": "fp32: what an integer result is multiplied by, 2**-100 to 2**100",
    "wanted": "fp32: S / 6, as S * (1/6)",
}


@dataclass(frozen=True)
class PostPlan:
    """Quantizers behind groups of output banks, all of them in step, and a memory for what they give.

    A group are the banks that differ in the last dimension only: the elements of a block lie in one group. A quantizer
    serves consecutive groups in turn.

    Attributes
    ----------
    source : Format
        Of the results, which count in ``2**-fraction_bits``.
    word_bits : int
        Bits of a word in the output banks.
    banking : Banking
        Of the output.
    most : Window
        The largest part of the output that a run holds.
    tensor_id : int
        Number of the quantized output at the host port.
    """

    stage: Quantize
    source: Format
    fraction_bits: int
    word_bits: int
    banking: Banking
    most: Window
    tensor_id: int

    def __post_init__(self) -> None:
        assert self.banking.granularity[-1] == 1, self.banking
        if self.depth > 1 << HOST_ADDRESS_BITS:
            raise PostError(
                (
                    f"output format {str(self.made)!r}: a run leaves {self.depth} blocks to each quantizer; "
                    f"at most {1 << HOST_ADDRESS_BITS} are allowed; hold less at a time with 'tile' (--tile)",
                )
            )

    @property
    def made(self) -> BlockFormat:
        return self.stage.made

    @property
    def banks(self) -> int:
        """Banks in a group."""
        return self.banking.counts[-1]

    @property
    def groups(self) -> int:
        return prod(self.banking.counts[:-1])

    @property
    def quantizers(self) -> int:
        return self.stage.quantizers or self.groups

    @property
    def turns(self) -> int:
        """Groups that a quantizer serves."""
        return self.groups // self.quantizers

    @property
    def block_bits(self) -> int:
        """Bits of a block's codes and scale."""
        return self.made.block * self.made.element.bits + self.made.scale.bits

    @property
    def row_bits(self) -> int:
        """Bits of a word of the memory: a block of each quantizer."""
        return self.quantizers * self.block_bits

    def rows(self, held: Window) -> int:
        """Rows of output banks in which the last coordinate is 0."""
        return prod(bank_extents(self.banking, held)[:-1])

    def blocks(self, held: Window) -> int:
        """Blocks along the last dimension."""
        return (held.high[-1] + 1) // self.made.block

    @cached_property
    def depth(self) -> int:
        """Words of the memory."""
        return self.rows(self.most) * self.blocks(self.most) * self.turns

    @property
    def select_bits(self) -> int:
        """Bits that choose among the banks of a quantizer."""
        return _bits(self.turns * self.banks)

    @property
    def address_bits(self) -> int:
        return max(1, (self.depth - 1).bit_length())

    @property
    def wait_cycles(self) -> int:
        """From the last number measured to the first that is read again."""
        return QUANTIZER_CYCLES[self.made.scale.name].scale

    @property
    def collect_cycles(self) -> int:
        """From the address of a number to its code."""
        convert = CONVERT_CYCLES if self.source.integer else 0
        return READ_CYCLES + convert + QUANTIZER_CYCLES[self.made.scale.name].code

    @property
    def block_cycles(self) -> int:
        """Every number is read twice."""
        return 2 * self.made.block + self.wait_cycles

    @property
    def tail_cycles(self) -> int:
        """From the last address to the write of the last word."""
        return self.collect_cycles + 1

    def cycles(self, held: Window) -> int:
        """What the stage adds to a run."""
        return self.rows(held) * self.blocks(held) * self.turns * self.block_cycles + self.tail_cycles

    @cached_property
    def factors(self) -> tuple[str, ...]:
        return factor_names(self.made, self.source)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The stage's registers."""
        inverse = "fp32: 1 / ((1 + {}/8) / S), S within 2**-100 to 2**100"
        return (
            ("post_on", 1, "1: results are final, and are quantized after the run"),
            ("post_last_block", _bits(self.blocks(self.most)), "blocks along the output's last dimension, less one"),
            ("post_last_row", _bits(self.rows(self.most)), "rows of output banks that begin a block, less one"),
            *(
                (f"post_{name}", 32, _MEANING.get(name) or inverse.format(name.removeprefix("inverse")))
                for name in self.factors
            ),
        )


def _bits(count: int) -> int:
    return max(1, (count - 1).bit_length())
