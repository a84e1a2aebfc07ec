"""The forms without tensor cores: every product is a multiply-add of a lane.

``map`` gives each output point a lane of a rows x columns tile and walks the reduction point by point; ``reduce`` lays
the innermost reduction loop along the columns and sums them at the end, for tensors that are contiguous there.
"""

from __future__ import annotations

from sw_kernels.expressions import (
    COLUMN,
    ROW,
    View,
    conjunction,
    guard,
    inside,
    masked,
    split,
    variable,
    view,
    weighted,
)
from sw_kernels.roles import Roles, address, by_stride
from sw_kernels.source import Source, accumulator, assembled, scaled
from sw_kernels.tiles import MAP, REDUCE, Tiles, fitted

# Reductions up to this many points are written out, so that their offsets are constants.
UNROLLED = 32


def reads_along_reduction(roles: Roles) -> bool:
    """Whether the largest input is contiguous along a reduction loop and not along the output's contiguous loop."""
    nest = roles.nest
    if not roles.k or nest.extents[roles.k[-1]] < 16:
        return False
    steps, _ = address(nest, max(nest.inputs, key=lambda access: nest.tensor(access.tensor).elements))
    order = by_stride(nest, nest.output, nest.output.loops)
    return abs(steps.get(roles.k[-1], 0)) == 1 and not (order and abs(steps.get(order[-1], 0)) == 1)


def mapped(roles: Roles, integer: bool, tiles: Tiles | None, because: str) -> Source:
    """Write the map form."""
    nest, extents = roles.nest, roles.nest.extents
    order = by_stride(nest, nest.output, nest.output.loops)
    rows, columns = order[:-1], order[-1:]
    height, width = roles.extent(rows), roles.extent(columns)
    tiles = tiles or fitted(MAP, height, width)
    tiles_n = -(-width // tiles.n)
    names = view(extents, rows, columns)
    edges = [f"(m < {height}){ROW}"] * bool(height % tiles.m) + [f"(n < {width}){COLUMN}"] * bool(width % tiles.n)
    body = [
        "    program = tl.program_id(0)",
        f"    m = program // {tiles_n} * {tiles.m} + tl.arange(0, {tiles.m})",
        f"    n = program % {tiles_n} * {tiles.n} + tl.arange(0, {tiles.n})",
        *split("m", rows, extents),
        *split("n", columns, extents),
        *_bases(roles, order, names),
        f"    total = tl.zeros([{tiles.m}, {tiles.n}], {accumulator(integer)})",
    ]
    steps = roles.extent(roles.k)
    body += [
        f"    for step in {'tl.static_range' if steps <= UNROLLED else 'range'}({steps}):",
        *split("step", roles.k, extents, "        "),
        *_product(roles, names, roles.k, edges, integer),
        "        total += value",
        *scaled("total", nest.coefficient, integer),
    ]
    to, constant = address(nest, nest.output)
    body.append(f"    at = {weighted(to, order, names, constant)} + m{ROW} * 0 + n{COLUMN} * 0")
    body.append(_store(edges))
    grid = -(-height // tiles.m) * tiles_n
    why = (
        f"map form, because {because}: {roles}; tiles of {tiles.m} x {tiles.n} output points "
        f"({'*'.join(rows) or '1'} x {'*'.join(columns) or '1'}), {steps} multiply-adds each, {grid} programs"
    )
    return assembled(roles, "map", tiles, grid, why, body)


def reduced(roles: Roles, integer: bool, tiles: Tiles | None, because: str) -> Source:
    """Write the reduce form."""
    nest, extents = roles.nest, roles.nest.extents
    rows = by_stride(nest, nest.output, nest.output.loops)
    outer, inner = roles.k[:-1], roles.k[-1:]
    height, width, steps = roles.extent(rows), roles.extent(inner), roles.extent(outer)
    tiles = tiles or fitted(REDUCE, height, width)
    tiles_k = -(-width // tiles.n)
    names = view(extents, rows, inner)
    edges = [f"(m < {height}){ROW}"] * bool(height % tiles.m)
    body = [
        f"    m = tl.program_id(0) * {tiles.m} + tl.arange(0, {tiles.m})",
        f"    n = tl.arange(0, {tiles.n})",
        *split("m", rows, extents),
        *_bases(roles, rows, names),
        f"    total = tl.zeros([{tiles.m}, {tiles.n}], {accumulator(integer)})",
        f"    for step in range({steps * tiles_k}):",
        f"        {variable(inner[0])} = step % {tiles_k} * {tiles.n} + n",
        f"        outer = step // {tiles_k}",
        *split("outer", outer, extents, "        "),
        *_product(
            roles, names, roles.k, [*edges, *[f"({names[inner[0]]} < {width})"] * bool(width % tiles.n)], integer
        ),
        "        total += value",
        "    total = tl.sum(total, axis=1)",
        *scaled("total", nest.coefficient, integer),
    ]
    to, constant = address(nest, nest.output)
    body.append(f"    at = {weighted(to, rows, view(extents), constant)} + m * 0")
    body.append(_store([f"(m < {height})"] * bool(height % tiles.m)))
    grid = -(-height // tiles.m)
    why = (
        f"reduce form, because {because} and the largest input is contiguous along {inner[0]}: {roles}; "
        f"{tiles.m} output points and {tiles.n} points of {inner[0]} at a time, {grid} programs"
    )
    return assembled(roles, "reduce", tiles, grid, why, body)


def _bases(roles: Roles, loops: tuple[str, ...], names: View) -> list[str]:
    lines = []
    for i, access in enumerate(roles.nest.inputs):
        steps, constant = address(roles.nest, access)
        lines.append(f"    base{i} = {weighted(steps, loops, names, constant)}")
    return lines


def _product(roles: Roles, names: View, loops: tuple[str, ...], edges: list[str], integer: bool) -> list[str]:
    """Statements that give the body's value at the points of a tile; 0 where a guard or an edge forbids it.

    A tensor that does not move along the rows or the columns is read once for all of them.
    """
    nest, lines = roles.nest, []
    for i, access in enumerate(nest.inputs):
        steps, _ = address(nest, access)
        tests = inside(nest, access, names)
        moving = " ".join([*(names[loop] for loop in access.loops), *tests])
        axes = [axis for axis in (ROW, COLUMN) if axis in moving] or [ROW]
        at = " + ".join(
            [f"base{i}", f"({weighted(steps, loops, names)})", *(f"{'mn'[a == COLUMN]}{a} * 0" for a in axes)]
        )
        tests += [e for e in edges if any(axis in e for axis in axes)]
        value = f"tl.load(x{i} + {at}{masked(tests)}).to({accumulator(integer)})"
        lines.append(f"        value = {value}" if not i else f"        value = value * {value}")
    conditions = [guard(g, nest, names) for g in nest.guards]
    # Edges of rows end at the store, edges of columns as well unless they are summed; then some factor must be 0 there.
    covered = any(set(access.loops) & set(roles.k[-1:]) for access in nest.inputs)
    conditions += [] if covered else [e for e in edges if ROW not in e]
    if conditions:
        lines.append(f"        value = tl.where({conjunction(conditions)}, value, 0)")
    return lines


def _store(tests: list[str]) -> str:
    mask = f", mask={' & '.join(tests)}" if tests else ""
    return f"    tl.store(out + at, total.to(out.dtype.element_ty){mask})"
