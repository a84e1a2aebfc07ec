"""The dot form: an implicit matrix product on the tensor cores.

The innermost reduction loops run in tiles, all others one step at a time, so that addresses are a vector that stays
outside the loop plus a scalar, and padding is a test a row. Factors and guards that do not depend on the tiled loops
act on the product of a step, or on the sum when they depend on no reduction loop at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sw_kernels.expressions import COLUMN, ROW, conjunction, guard, inside, masked, split, variable, view, weighted
from sw_kernels.roles import Roles, address
from sw_kernels.source import Source, accumulator, assembled, scaled
from sw_kernels.tiles import Tiles, dot_tiles
from workloads.affine import Guard

# Fewer points than this in a tile of the reduction leave the tensor cores idle, so more loops are fused into it.
SHALLOW = 32


@dataclass(frozen=True)
class _Plan:
    """Where each factor and guard of a nest acts.

    Attributes
    ----------
    inner, outer : tuple of str
        Reduction loops in tiles, and those taken one step at a time.
    tiled : tuple of (tuple of int, tuple of int)
        Inputs that the left and the right tile are products of.
    step, whole : tuple of int
        Inputs that scale the product of one step, and the whole sum.
    masks : tuple of (tuple of Guard, tuple of Guard)
        Guards that zero elements of the left and the right tile.
    step_guards, whole_guards : tuple of Guard
    """

    roles: Roles
    inner: tuple[str, ...]
    outer: tuple[str, ...]
    tiled: tuple[tuple[int, ...], tuple[int, ...]]
    step: tuple[int, ...]
    whole: tuple[int, ...]
    masks: tuple[tuple[Guard, ...], tuple[Guard, ...]]
    step_guards: tuple[Guard, ...]
    whole_guards: tuple[Guard, ...]


def obstacle(roles: Roles, element_bytes: int, integer: bool) -> str | None:
    """Why a nest cannot take the dot form, in words; None when it can."""
    if not (roles.left and roles.right and roles.k):
        return "the inputs and loops do not divide into a left and a right operand with a reduction"
    if min(roles.extent(roles.m), roles.extent(roles.n)) < 2:
        return "M or N has a single point"
    if integer and element_bytes != 1:
        return f"the tensor cores multiply 8-bit integers, not {8 * element_bytes}-bit ones"
    plan = _plan(roles)
    if integer and max(map(len, plan.tiled)) > 1:
        return "one operand is a product of several integer tensors, which leaves 8 bits"
    for g in roles.nest.guards:
        used = set(g.loops)
        if used & set(roles.m) and used & set(roles.n) and used & set(plan.inner):
            return f"the guard {g} ties M, N and K together"
    return None


def tiled_reduction(roles: Roles) -> tuple[str, tuple[int, ...]]:
    """The innermost loop of the reduction that runs in tiles, and the inputs that tiles are products of."""
    plan = _plan(roles)
    return plan.inner[-1], (*plan.tiled[0], *plan.tiled[1])


def _plan(roles: Roles) -> _Plan:
    nest = roles.nest
    inner: tuple[str, ...] = next(
        ((loop,) for loop in reversed(roles.k) if nest.extents[loop] >= SHALLOW), roles.k[-1:]
    )
    while roles.extent(inner) < SHALLOW and (next_loop := _walked_together(roles, inner)):
        inner = (next_loop, *inner)
    outer = tuple(loop for loop in roles.k if loop not in inner)
    tiled, scaling = [], []
    for side in (roles.left, roles.right):
        # One factor makes the tile even when no tiled loop moves it.
        deep = [i for i in side if set(nest.inputs[i].loops) & set(inner)] or list(side[:1])
        tiled.append(tuple(deep))
        scaling += [i for i in side if i not in deep]
    masks: tuple[list[Guard], list[Guard]] = ([], [])
    crossing = []
    for g in nest.guards:
        used = set(g.loops)
        if used & set(roles.m) and used & set(roles.n):
            crossing.append(g)
        else:
            masks[bool(used & set(roles.n))].append(g)
    reduced = set(roles.k)
    return _Plan(
        roles,
        inner,
        outer,
        (tiled[0], tiled[1]),
        tuple(i for i in scaling if reduced & set(nest.inputs[i].loops)),
        tuple(i for i in scaling if not reduced & set(nest.inputs[i].loops)),
        (tuple(masks[0]), tuple(masks[1])),
        tuple(g for g in crossing if reduced & set(g.loops)),
        tuple(g for g in crossing if not reduced & set(g.loops)),
    )


def _walked_together(roles: Roles, inner: tuple[str, ...]) -> str | None:
    """A reduction loop that continues ``inner`` in every input, so that both are one index without any division.

    Triton 3.6 computes the address of a left tile wrongly when its columns are taken apart by divisions.
    """
    nest = roles.nest
    tested = {loop for g in nest.guards for loop in g.loops}
    for access in nest.inputs:
        if inside(nest, access, view(nest.extents)):
            tested |= set(access.loops)
    steps = [address(nest, access)[0] for access in nest.inputs]
    points = roles.extent(inner)
    for loop in reversed(roles.k):
        fits = all(s.get(loop, 0) == s.get(inner[-1], 0) * points for s in steps)
        if loop not in inner and fits and not tested & {loop, *inner}:
            return loop
    return None


def dot(roles: Roles, element_bytes: int, integer: bool, tiles: Tiles | None) -> Source:
    """Write the dot form."""
    nest, plan = roles.nest, _plan(roles)
    extents = nest.extents
    m, n, inner, outer = (roles.extent(loops) for loops in (roles.m, roles.n, plan.inner, plan.outer))
    along_k = all(address(nest, nest.inputs[i])[0].get(plan.inner[-1]) == 1 for side in plan.tiled for i in side)
    stepped = bool(plan.step or plan.step_guards)
    tiles = tiles or dot_tiles(element_bytes, m, n, inner, along_k=along_k, stepped=stepped)
    tiles_m, tiles_n, tiles_k = -(-m // tiles.m), -(-n // tiles.n), -(-inner // tiles.k)
    cross = view(extents, roles.m, roles.n)
    body = [
        "    program = tl.program_id(0)",
        f"    tile = program % {tiles_m * tiles_n}",
        f"    first = tile // {tiles.group * tiles_n} * {tiles.group}",
        f"    group = tl.minimum({tiles_m} - first, {tiles.group})",
        f"    m = (first + tile % {tiles.group * tiles_n} % group) * {tiles.m} + tl.arange(0, {tiles.m})",
        f"    n = tile % {tiles.group * tiles_n} // group * {tiles.n} + tl.arange(0, {tiles.n})",
        f"    deep = tl.arange(0, {tiles.k})",
    ]
    if roles.batch:
        body += [f"    b = program // {tiles_m * tiles_n}", *split("b", roles.batch, extents)]
    body += [*split("m", roles.m, extents), *split("n", roles.n, extents)]
    for loops, name, indices in ((roles.m, "m", plan.tiled[0]), (roles.n, "n", plan.tiled[1])):
        for i in indices:
            steps, constant = address(nest, nest.inputs[i])
            base = weighted(steps, [*roles.batch, *loops], view(extents), constant)
            body.append(f"    base{i} = {base} + {name} * 0")
    total = accumulator(integer)
    products = max(map(len, plan.tiled)) > 1
    if products:
        # Multiplying the sum keeps an operand that is still being read in registers from being overwritten by the next
        # step, which Triton 3.6 on Hopper allows. The compiler does not know that this is 1.
        body.append("    one = 1.0 + tl.program_id(1)")
    body += [
        f"    total = tl.zeros([{tiles.m}, {tiles.n}], {total})",
        f"    for step in range({outer * tiles_k}):",
    ]
    if outer > 1:
        body += [f"        outer = step // {tiles_k}", *split("outer", plan.outer, extents, "        ")]
    else:
        body += [f"        {variable(loop)} = 0" for loop in plan.outer]
    start = f"step % {tiles_k}" if outer > 1 else "step"
    body.append(f"        k = {f'{start} * {tiles.k} + ' if tiles_k > 1 else ''}deep")
    # Loops that walk together need no names of their own.
    body.append(f"        {variable(plan.inner[-1])} = k")
    body += _tile(plan, tiles, 0, integer) + _tile(plan, tiles, 1, integer)
    exact = ', input_precision="ieee"' if element_bytes == 4 else ""
    if stepped:
        body.append(f"        part = tl.dot(left, right, out_dtype={total}{exact})")
        body += _factors(plan, plan.step, "part", tiles, total, "        ")
        body += _zeroed(plan, plan.step_guards, "part", "        ")
        body.append("        total += part")
    else:
        body.append(f"        total = tl.dot(left, right, acc=total, out_dtype={total}{exact})")
        body += ["        total = total * one"] * products
    body += _factors(plan, plan.whole, "total", tiles, total, "    ")
    body += _zeroed(plan, plan.whole_guards, "total", "    ")
    body += scaled("total", nest.coefficient, integer)
    steps, constant = address(nest, nest.output)
    body.append(
        f"    at = {weighted(steps, [*roles.batch, *roles.m, *roles.n], cross, constant)} + m{ROW} * 0 + n{COLUMN} * 0"
    )
    tests = _edges(roles, tiles)
    mask = f", mask={' & '.join(tests)}" if tests else ""
    body.append(f"    tl.store(out + at, total.to(out.dtype.element_ty){mask})")
    grid = roles.extent(roles.batch) * tiles_m * tiles_n
    why = (
        f"dot form: {roles}; {'*'.join(plan.inner)} in tiles of {tiles.k}"
        + (f", {'*'.join(plan.outer)} step by step" if plan.outer else "")
        + f"; output tiles {tiles.m} x {tiles.n}, {tiles.warps} warps, {tiles.stages} stages, {grid} programs"
        + ("; an operand is the product of several tensors, rounded to the inputs' type" if products else "")
    )
    return assembled(roles, "dot", tiles, grid, why, body)


def _edges(roles: Roles, tiles: Tiles) -> list[str]:
    m, n = roles.extent(roles.m), roles.extent(roles.n)
    return [f"(m < {m}){ROW}"] * bool(m % tiles.m) + [f"(n < {n}){COLUMN}"] * bool(n % tiles.n)


def _tile(plan: _Plan, tiles: Tiles, side: int, integer: bool) -> list[str]:
    """Statements that load the left (0) or the right (1) tile of a step."""
    roles, nest = plan.roles, plan.roles.nest
    name = ("left", "right")[side]
    across, along = ((ROW, COLUMN), (COLUMN, ROW))[side]
    names = view(nest.extents, roles.m, plan.inner) if side == 0 else view(nest.extents, plan.inner, roles.n)
    tests = [t for t in _edges(roles, tiles) if across in t]
    inner = roles.extent(plan.inner)
    if inner % tiles.k:
        tests.append(f"(k < {inner}){along}")
    tests += [guard(g, nest, names) for g in plan.masks[side]]
    indices, lines = plan.tiled[side], []
    for position, i in enumerate(indices):
        steps, _ = address(nest, nest.inputs[i])
        moved = weighted(steps, plan.outer, names)
        deep = weighted(steps, plan.inner[-1:], names)
        deep = f"k{along} * 0" if deep == "0" else f"({deep})"
        lines.append(f"        at = base{i}{across} + {deep}" + (f" + ({moved})" if moved != "0" else ""))
        value = f"tl.load(x{i} + at{masked([*tests, *inside(nest, nest.inputs[i], names)])})"
        if len(indices) > 1:
            value = f"{value}.to(tl.float32)" + (f" * {name}" if position else "")
        lines.append(f"        {name} = {value}")
    if len(indices) > 1:
        lines.append(f"        {name} = {name}.to(x{indices[0]}.dtype.element_ty)")
    return lines


def _factors(plan: _Plan, indices: Sequence[int], name: str, tiles: Tiles, total: str, indent: str) -> list[str]:
    """Statements that scale a product by factors that its tiled loops do not move."""
    roles, nest = plan.roles, plan.roles.nest
    names = view(nest.extents, roles.m, roles.n)
    lines = []
    for i in indices:
        access = nest.inputs[i]
        steps, constant = address(nest, access)
        side = COLUMN if i in roles.right else ROW
        loops = [loop for loop in nest.loop_names if loop not in plan.inner]
        fused = "n" if side == COLUMN else "m"
        at = f"{weighted(steps, loops, names, constant)} + {fused}{side} * 0"
        tests = [*(t for t in _edges(roles, tiles) if side in t), *inside(nest, access, names)]
        lines.append(f"{indent}{name} = {name} * tl.load(x{i} + ({at}){masked(tests)}).to({total})")
    return lines


def _zeroed(plan: _Plan, guards: Sequence[Guard], name: str, indent: str) -> list[str]:
    if not guards:
        return []
    names = view(plan.roles.nest.extents, plan.roles.m, plan.roles.n)
    test = conjunction([guard(g, plan.roles.nest, names) for g in guards])
    return [f"{indent}{name} = tl.where({test}, {name}, 0)"]
