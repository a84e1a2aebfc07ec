"""Affine expressions, guards and padding tests as text of a kernel.

A view says under which text an expression finds each loop: a scalar, or a vector along the rows or the columns of a
tile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workloads.affine import Affine, Guard
from workloads.nest import Access, Nest

View = Mapping[str, str]

ROW, COLUMN = "[:, None]", "[None, :]"
# A variable of the kernel: a 0 that stretches to any tile.
ZERO = "zero"


def variable(loop: str) -> str:
    """Name of a loop inside a kernel; the underscore keeps it apart from every other name there."""
    return f"{loop}_"


def view(extents: Mapping[str, int], rows: Sequence[str] = (), columns: Sequence[str] = ()) -> dict[str, str]:
    """Every loop as a scalar, except those along the rows and the columns of a tile."""
    shapes = {**dict.fromkeys(rows, ROW), **dict.fromkeys(columns, COLUMN)}
    return {loop: variable(loop) + shapes.get(loop, "") for loop in extents}


def split(fused: str, loops: Sequence[str], extents: Mapping[str, int], indent: str = "    ") -> list[str]:
    """Statements that take a fused index apart, the last loop fastest."""
    lines, inner = [], 1
    for position, loop in enumerate(reversed(loops)):
        part = fused if inner == 1 else f"{fused} // {inner}"
        outermost = position == len(loops) - 1
        lines.append(f"{indent}{variable(loop)} = {part if outermost else f'({part}) % {extents[loop]}'}")
        inner *= extents[loop]
    return lines


def weighted(steps: Mapping[str, int], loops: Sequence[str], names: View, constant: int = 0) -> str:
    """The sum of loops times their steps, and a constant."""
    parts = [names[n] if steps[n] == 1 else f"{names[n]} * {steps[n]}" for n in loops if steps.get(n)]
    if constant or not parts:
        parts.append(str(constant))
    return " + ".join(parts)


def affine(expression: Affine, names: View) -> str:
    """An affine expression."""
    return weighted(dict(expression.terms), expression.loops, names, expression.constant)


def guard(condition: Guard, nest: Nest, names: View) -> str:
    """A guard; what it divides is moved up to be non-negative, as Triton divides towards zero."""
    parts = [affine(condition.affine, names)]
    for division, coefficient in condition.divisions:
        low, _ = division.inner.bounds(nest.extents)
        up = max(0, -(low // division.divisor))
        inner = affine(division.inner, names)
        moved = f"({inner} + {up * division.divisor})" if up else f"({inner})"
        value = f"{moved} {division.operator} {division.divisor}"
        if up and division.operator == "//":
            value = f"{value} - {up}"
        parts.append(f"({value}) * {coefficient}")
    return f"({_block(' + '.join(parts))} {condition.relation} 0)"


def inside(nest: Nest, access: Access, names: View) -> list[str]:
    """Tests that a read of a padded tensor stays inside it, for the dimensions that it can leave."""
    tensor = nest.tensor(access.tensor)
    tests = []
    for extent, index in zip(tensor.shape, access.index, strict=True):
        low, high = index.bounds(nest.extents)
        if low >= 0 and high < extent:
            continue
        value = _block(affine(index, names))
        if low < 0:
            tests.append(f"({value} >= 0)")
        if high >= extent:
            tests.append(f"({value} < {extent})")
    return tests


def conjunction(tests: Sequence[str]) -> str:
    """All tests at once."""
    return " & ".join(tests)


def masked(tests: Sequence[str]) -> str:
    """Arguments of a load that gives 0 where a test fails."""
    return f", mask={conjunction(tests)}, other=0" if tests else ""


def _block(value: str) -> str:
    """A value with the two axes of a tile, as Triton takes no mask that is a scalar or a constant."""
    return value if ROW in value or COLUMN in value else f"{value} + {ZERO}"
