"""Quantization of a block a number at a time: raw results in, a word of codes and scale out."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.latencies import CONVERT_CYCLES
from hw.units.float_parts import rounded
from hw.units.quantizer_cores import MANTISSA_BITS, SIGNIFICANDS, Stream, core_of
from workloads.formats import FORMATS, BlockFormat, Format
from workloads.formats.encoding import FP32

# Bounds of the run-time factors, so that no step of a conversion or of an inverse is subnormal or infinite.
FACTOR_POWER = 100


def factor_names(made: BlockFormat, source: Format) -> tuple[str, ...]:
    """Members that hold codes of fp32 factors."""
    scales = [f"inverse{n}" for n in range(SIGNIFICANDS)]
    return (*(["alpha"] if source.integer else []), *(["wanted", *scales] if made.tensor_scale else []))


class StreamQuantizer(wiring.Component):
    """The bits of `workloads.formats.quantize.quantize`, one number a cycle.

    A block passes twice: first its numbers are measured, then ``scales`` makes their largest magnitude the block's
    scale, then they pass again to be coded. Nothing of a block is kept but that magnitude, and one multiplier serves
    scale and numbers; a buffer of a block would halve the time and cost 32 registers a number.

    Parameters
    ----------
    made : BlockFormat
    source : Format
        fp32, or an integer, which counts in ``2**-fraction_bits`` and is multiplied by ``alpha``.
    word_bits : int
        Bits of a number in its bank, sign extended to those of ``source``.
    banks : int
        Banks that the numbers of a block come from, in turn.

    Members
    -------
    words, select
        What the banks give, and which of them counts.
    measure, first, scales
        One cycle after ``select``: the number belongs to a block, is its first, or all of it has been measured.
    collect
        A code is there: as many cycles after its ``select`` as 1 + ``QUANTIZER_CYCLES.code``, and for integers
        ``CONVERT_CYCLES``.
    alpha, wanted, inverse0 .. inverse7
        Codes of fp32 numbers, see `factor_names`; ``wanted`` is ``S / 6`` and ``inverseN`` ``1 / ((1 + N/8) / S)``.
    word
        Codes, the first in the lowest bits, then the scale.
    """

    def __init__(self, made: BlockFormat, source: Format, fraction_bits: int, word_bits: int, banks: int) -> None:
        self.made, self.source, self.fraction_bits = made, source, fraction_bits
        self.word_bits, self.banks = word_bits, banks
        members: dict[str, wiring.Member] = {
            "words": In(banks * word_bits),
            "select": In(max(1, (banks - 1).bit_length())),
            "measure": In(1),
            "first": In(1),
            "scales": In(1),
            "collect": In(1),
            "word": Out(made.block * made.element.bits + made.scale.bits),
        }
        members |= {name: In(FORMATS["fp32"].bits) for name in factor_names(made, source)}
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        given = Signal(self.word_bits, reset_less=True)
        lanes = Array(self.words.word_select(bank, self.word_bits) for bank in range(self.banks))
        m.d.sync += given.eq(lanes[self.select] if self.banks > 1 else self.words)
        magnitude = Signal(self.word_bits - (not self.source.integer))
        sign = given[-1]
        m.d.comb += magnitude.eq(Mux(sign, -given.as_signed(), given) if self.source.integer else given[:-1])
        largest = Signal.like(magnitude, reset_less=True)
        with m.If(self.measure & (self.first | (magnitude > largest))):
            m.d.sync += largest.eq(magnitude)
        # The largest magnitude passes like a number: rounding keeps order.
        stream = Stream(Mux(self.scales, largest, magnitude), sign, self.scales, self._factors())
        code, scale = core_of(self.made.scale.name)(m, self._converted(m, stream))
        codes = Signal(self.made.block * self.made.element.bits, reset_less=True)
        with m.If(self.collect):
            m.d.sync += codes.eq(Cat(codes[len(code) :], code))
        m.d.comb += self.word.eq(Cat(codes, scale))
        return m

    def _factors(self) -> tuple[Value, ...]:
        return tuple(getattr(self, name) for name in factor_names(self.made, self.source) if name != "alpha")

    def _converted(self, m: Module, given: Stream) -> Stream:
        """The same in fp32; of an integer, the product with ``alpha`` rounded once."""
        if not self.source.integer:
            return given
        alpha = self.alpha
        significand = Cat(alpha[:MANTISSA_BITS], 1)
        product = Signal(len(given.magnitude) + len(significand), name="converted", reset_less=True)
        m.d.sync += product.eq(given.magnitude * significand)
        unit = FP32.bias + MANTISSA_BITS + self.fraction_bits
        exponent = Signal(signed(10), name="converted_exponent")
        m.d.comb += exponent.eq(alpha[MANTISSA_BITS:31] - unit)
        number = Signal(31, name="number", reset_less=True)
        m.d.sync += number.eq(
            rounded(m, product, exponent, -FACTOR_POWER - MANTISSA_BITS - self.fraction_bits, "number")
        )
        sign, scales = given.sign, given.scales
        for n in range(CONVERT_CYCLES):
            sign_then, scales_then = (Signal(name=f"{name}_{n}", reset_less=True) for name in ("sign", "scales"))
            m.d.sync += [sign_then.eq(sign), scales_then.eq(scales)]
            sign, scales = sign_then, scales_then
        return Stream(number, sign, scales, given.factors)
