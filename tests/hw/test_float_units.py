"""Floating-point units on wires: the bits of numpy and ml_dtypes, and of the definition in integers."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from amaranth.back import verilog
from amaranth.hdl import Const, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.units.float_add import float_sum
from hw.units.float_multiply import float_product
from hw.units.float_widen import widened
from sim.toolchain import require
from workloads.formats import FORMATS, Format
from workloads.formats.float_codes import NAN, added_codes, multiplied_codes

Codes = npt.NDArray[np.uint32]

DTYPES = {
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
    "e8m0": ml_dtypes.float8_e8m0fnu,
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "fp32": np.float32,
}

BENCH = """
module bench;
  reg [31:0] a [0:COUNT-1];
  reg [31:0] b [0:COUNT-1];
  reg [31:0] x, y;
  reg clk = 0;
  wire [31:0] o;
  integer n, file;
  unit dut (.a(x[A_BITS-1:0]), .b(y[B_BITS-1:0]), .o(o)CLOCK);
  initial begin
    $readmemh("a.hex", a);
    $readmemh("b.hex", b);
    file = $fopen("o.hex", "w");
    for (n = 0; n < COUNT; n = n + 1) begin
      x = a[n]; y = b[n];
      #1 clk = 1;
      if (LATER) begin #1 x = ~a[n]; y = ~b[n]; end
      #1 clk = 0;
      $fdisplay(file, "%h", o);
    end
    $fclose(file);
  end
endmodule
"""


class Unit(wiring.Component):
    """A product, or a sum where no formats are given; with registers a cycle later."""

    def __init__(self, formats: tuple[Format, Format] | None, *, registers: bool = False) -> None:
        self.formats, self.registers = formats, registers
        widths = [f.bits for f in formats or (FORMATS["fp32"],) * 2]
        super().__init__({"a": In(widths[0]), "b": In(widths[1]), "o": Out(32)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.formats is None:
            value = float_sum(m, self.a, self.b, "unit", registers=self.registers)
        else:
            value = float_product(m, self.a, self.b, self.formats, "unit", registers=self.registers)
        m.d.comb += self.o.eq(value)
        return m


def simulated(
    formats: tuple[Format, Format] | None, a: Codes, b: Codes, folder: Path, *, registers: bool = False
) -> Codes:
    """What the unit's Verilog gives for each pair of codes, at once or a cycle later."""
    return simulated_unit(Unit(formats, registers=registers), a, b, folder)


def simulated_unit(unit: Unit | Widening | SumWithZero, a: Codes, b: Codes, folder: Path) -> Codes:
    text = verilog.convert(unit, name="unit", emit_src=False)
    (folder / "unit.v").write_text(text)
    clocked = "posedge clk" in text
    bench = BENCH.replace("COUNT", str(len(a))).replace("CLOCK", ", .clk(clk), .rst(1'b0)" if clocked else "")
    bench = bench.replace("LATER", str(int(clocked)))
    (folder / "bench.v").write_text(bench.replace("A_BITS", str(len(unit.a))).replace("B_BITS", str(len(unit.b))))
    for name, codes in (("a", a), ("b", b)):
        (folder / f"{name}.hex").write_text("\n".join(f"{code:x}" for code in codes.tolist()))
    command = [require("iverilog", "to simulate"), "-g2012", "-o", "bench", "unit.v", "bench.v"]
    subprocess.run(command, cwd=folder, check=True)
    subprocess.run([require("vvp", "to simulate"), "bench"], cwd=folder, check=True, capture_output=True)
    return np.array([int(line, 16) for line in (folder / "o.hex").read_text().split()], np.uint32)


def values(codes: Codes, held: Format) -> npt.NDArray[np.float32]:
    """Codes as fp32, without our own decoder."""
    if held.integer:
        shift = np.int32(32 - held.bits)
        return (codes.astype(np.int32) << shift >> shift).astype(np.float32)
    wide = np.uint8 if held.bits <= 8 else np.uint16 if held.bits == 16 else np.uint32
    return codes.astype(wide).view(DTYPES[held.name]).astype(np.float32)


def canonical(numbers: npt.NDArray[np.float32]) -> Codes:
    return np.where(np.isnan(numbers), np.uint32(NAN), numbers.view(np.uint32))


def corners(held: Format) -> list[int]:
    """Codes around everything that is special: zeros, subnormal numbers, one, ties, the largest, infinity, NaN."""
    if held.encoding is None or held.bits <= 8:
        return list(range(1 << held.bits))
    one = 1 << held.encoding.mantissa_bits
    top = held.encoding.most_code + 1
    bias = held.encoding.bias
    sizes = [0, 1, 2, 3, one - 2, one - 1, one, one + 1, 2 * one - 1, 2 * one, 3 * one + one // 2]
    sizes += [e * one + m for e in (bias - 25, bias - 24, bias - 1, bias, bias + 1) if e > 0 for m in (0, 1, one - 1)]
    sizes += [
        top // 2,
        top // 2 - 1,
        top - one,
        top - one - 1,
        top - 2,
        top - 1,
        top,
        top + 1,
        top + one // 2,
        top + one - 1,
    ]
    return [size | sign << (held.bits - 1) for size in sizes for sign in (0, 1)]


def pairs(formats: tuple[Format, Format], randoms: int) -> tuple[Codes, Codes]:
    """All pairs of corners, then random ones, of which half have exponents near each other."""
    rng = np.random.default_rng(7)
    grid = np.array(np.meshgrid(*(corners(f) for f in formats)), np.uint32).reshape(2, -1)
    free = [rng.integers(0, 1 << f.bits, randoms, np.uint32) for f in formats]
    if formats[0] == formats[1] == FORMATS["fp32"]:
        near = free[0] ^ rng.integers(0, 1 << 26, randoms, np.uint32) ^ rng.integers(0, 2, randoms, np.uint32) << 31
        free[1] = np.where(rng.random(randoms) < 0.5, near, free[1]).astype(np.uint32)
    return np.concatenate([grid[0], free[0]]), np.concatenate([grid[1], free[1]])


@dataclass(frozen=True)
class Case:
    id: str
    formats: Sequence[str]
    randoms: int


PRODUCTS = (
    Case("e4m3-e4m3-all", ("e4m3", "e4m3"), 0),
    Case("e5m2-e5m2-all", ("e5m2", "e5m2"), 0),
    Case("e2m1-e4m3-all", ("e2m1", "e4m3"), 0),
    Case("e2m1-e2m1-all", ("e2m1", "e2m1"), 0),
    Case("e2m1-int8-all", ("e2m1", "int8"), 0),
    Case("int4-int4-all", ("int4", "int4"), 0),
    Case("bf16-bf16", ("bf16", "bf16"), 30_000),
    Case("bf16-e2m1", ("bf16", "e2m1"), 5_000),
    Case("bf16-int4", ("bf16", "int4"), 5_000),
    Case("fp16-fp16", ("fp16", "fp16"), 5_000),
    Case("fp32-e4m3", ("fp32", "e4m3"), 5_000),
    Case("fp32-e8m0", ("fp32", "e8m0"), 5_000),
    Case("fp32-fp32", ("fp32", "fp32"), 20_000),
    pytest.param(Case("bf16-bf16-many", ("bf16", "bf16"), 400_000), marks=pytest.mark.full),
    pytest.param(Case("fp32-fp32-many", ("fp32", "fp32"), 400_000), marks=pytest.mark.full),
)


class Widening(wiring.Component):
    """A number of one format in another."""

    def __init__(self, held: Format, wide: Format) -> None:
        self.held, self.wide = held, wide
        super().__init__({"a": In(held.bits), "b": In(1), "o": Out(32)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.o.eq(widened(m, self.a, self.held, self.wide, "unit"))
        return m


@pytest.mark.parametrize("wide", ["bf16", "fp32"])
@pytest.mark.parametrize("held", ["e2m1", "e4m3", "e5m2", "e8m0", "int4", "int8"])
def test_widening(held: str, wide: str, tmp_path: Path) -> None:
    """Every code keeps its number, -0 its sign."""
    small, large = FORMATS[held], FORMATS[wide]
    codes = np.arange(1 << small.bits, dtype=np.uint32)
    found = simulated_unit(Widening(small, large), codes, np.zeros_like(codes), tmp_path)
    assert (canonical(values(found, large)) == canonical(values(codes, small))).all()


@pytest.mark.parametrize("case", PRODUCTS, ids=lambda case: case.id)
def test_product(case: Case, tmp_path: Path) -> None:
    x, y = (FORMATS[name] for name in case.formats)
    a, b = pairs((x, y), case.randoms)
    with np.errstate(all="ignore"):
        expected = canonical(values(a, x) * values(b, y))
    wrong = np.flatnonzero(simulated((x, y), a, b, tmp_path) != expected)
    assert [(hex(a[n]), hex(b[n])) for n in wrong[:3]] == []
    some = np.random.default_rng(1).integers(0, len(a), 300)
    assert [multiplied_codes(int(a[n]), int(b[n]), (x, y)) for n in some] == expected[some].tolist()


class SumWithZero(wiring.Component):
    """A number and the constant zero, which comes first or last, as wide as a number or a bit."""

    def __init__(self, *, first: bool, bits: int) -> None:
        self.first, self.bits = first, bits
        super().__init__({"a": In(32), "b": In(1), "o": Out(32)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        zero = Const(0, self.bits)
        a, b = (zero, self.a) if self.first else (self.a, zero)
        m.d.comb += self.o.eq(float_sum(m, a, b, "unit"))
        return m


@pytest.mark.parametrize("bits", [1, 32])
@pytest.mark.parametrize("first", [True, False], ids=["zero-first", "zero-last"])
def test_sum_with_the_constant_zero(first: bool, bits: int, tmp_path: Path) -> None:
    held = FORMATS["fp32"]
    codes = np.unique(pairs((held, held), 2_000)[0])
    with np.errstate(all="ignore"):
        expected = canonical(codes.view(np.float32) + np.float32(0))
    found = simulated_unit(SumWithZero(first=first, bits=bits), codes, np.zeros_like(codes), tmp_path)
    assert [hex(code) for code in codes[found != expected][:3]] == []
    assert "<" not in (tmp_path / "unit.v").read_text().replace("<=", "")


@pytest.mark.parametrize(
    "formats", [None, ("fp32", "fp16"), ("bf16", "bf16"), ("fp32", "e4m3")], ids=lambda f: "-".join(f or ("sum",))
)
def test_two_cycles_give_the_same_bits(formats: tuple[str, str] | None, tmp_path: Path) -> None:
    """Operands change behind the clock's edge, so that whatever is not held shows."""
    of = None if formats is None else (FORMATS[formats[0]], FORMATS[formats[1]])
    a, b = pairs(of or (FORMATS["fp32"],) * 2, 5_000)
    now = simulated(of, a, b, tmp_path)
    assert (simulated(of, a, b, tmp_path, registers=True) == now).all()


@pytest.mark.parametrize("randoms", [60_000, pytest.param(600_000, marks=pytest.mark.full)])
def test_sum(randoms: int, tmp_path: Path) -> None:
    held = FORMATS["fp32"]
    a, b = pairs((held, held), randoms)
    with np.errstate(all="ignore"):
        expected = canonical(a.view(np.float32) + b.view(np.float32))
    wrong = np.flatnonzero(simulated(None, a, b, tmp_path) != expected)
    assert [(hex(a[n]), hex(b[n])) for n in wrong[:3]] == []
    some = np.random.default_rng(1).integers(0, len(a), 300)
    assert [added_codes(int(a[n]), int(b[n]), held) for n in some] == expected[some].tolist()
