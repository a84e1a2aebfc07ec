"""A nest as the source of one Triton kernel.

Two forms: ``dot`` runs an implicit matrix product on the tensor cores, with the innermost reduction loop in tiles and
all others one step at a time, so that padding is a test a row; ``direct`` gives each output point a lane and walks the
reduction point by point, for nests without an M or N dimension such as depthwise convolution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sw_kernels.classify import Roles, address, classify
from sw_kernels.tiles import DIRECT, Tiles, dot_tiles
from workloads.affine import Affine, Guard
from workloads.nest import Access, Nest

FORMS = ("dot", "direct")


@dataclass(frozen=True)
class Source:
    """A generated kernel.

    Attributes
    ----------
    text : str
        Python source with one ``@triton.jit`` function ``kernel``; its arguments are the inputs in the order of the
        nest, then the output.
    grid : int
        Programs.
    why : str
        Which form and roles were chosen, in words.
    """

    text: str
    form: str
    roles: Roles
    tiles: Tiles
    grid: int
    why: str


def generate(
    nest: Nest, element_bytes: int, *, integer: bool = False, tiles: Tiles | None = None, form: str | None = None
) -> Source:
    """Write the kernel of a nest.

    Parameters
    ----------
    element_bytes
        Size of an input element; the tensor cores take 1, 2 and 4 (as exact fp32).
    integer
        Integer elements with int32 sums; otherwise floating point with fp32 sums.
    """
    roles = classify(nest)
    m, n = roles.extent(roles.m), roles.extent(roles.n)
    # A product of two int8 factors does not fit the tensor cores' int8 operand.
    fits = not integer or (element_bytes == 1 and len(roles.left) == len(roles.right) == 1)
    if form is None:
        form = "dot" if fits and roles.left and roles.right and min(m, n) >= 16 and roles.k else "direct"
    accumulator = "tl.int32" if integer else "tl.float32"
    if form == "direct":
        return _direct(roles, tiles or DIRECT, accumulator)
    inner = nest.extents[roles.k[-1]]
    return _dot(roles, tiles or dot_tiles(element_bytes, m, n, inner), accumulator)


def _split(variable: str, loops: Sequence[str], extents: Mapping[str, int], indent: str = "    ") -> list[str]:
    """Statements that take a fused index apart."""
    lines, inner = [], 1
    for position, loop in enumerate(reversed(loops)):
        outermost = position == len(loops) - 1
        part = variable if inner == 1 else f"{variable} // {inner}"
        lines.append(f"{indent}{loop}_ = {part if outermost else f'({part}) % {extents[loop]}'}")
        inner *= extents[loop]
    return lines


def _sum(steps: Mapping[str, int], loops: Sequence[str], constant: int = 0) -> str:
    parts = [f"{loop}_" if steps[loop] == 1 else f"{loop}_ * {steps[loop]}" for loop in loops if steps.get(loop)]
    if constant or not parts:
        parts.append(str(constant))
    return " + ".join(parts)


def _affine(expression: Affine, names: Mapping[str, str]) -> str:
    parts = [f"({names[loop]}) * {c}" if c != 1 else f"({names[loop]})" for loop, c in expression.terms]
    return " + ".join([*parts, str(expression.constant)])


def _guard(guard: Guard, names: Mapping[str, str]) -> str:
    """A guard as Triton text; inner values are shifted to be non-negative, as Triton divides towards zero."""
    total = _affine(guard.affine, names)
    for division, coefficient in guard.divisions:
        d = division.divisor
        inner = _affine(division.inner, names)
        shift = BIG // d
        value = f"(({inner} + {shift * d}) // {d} - {shift})" if division.operator == "//" else f"(({inner} + {shift * d}) % {d})"
        total += f" + {coefficient} * {value}"
    return f"(({total}) {guard.relation} 0)"


# Larger than any index of a nest that fits a GPU, so that shifted values stay positive.
BIG = 1 << 26


def _padding(nest: Nest, access: Access, names: Mapping[str, str]) -> list[str]:
    """Tests that a read of a padded tensor stays inside it."""
    tensor = nest.tensor(access.tensor)
    tests = []
    for extent, index in zip(tensor.shape, access.index, strict=True):
        low, high = index.bounds(nest.extents)
        if tensor.padded and (low < 0 or high >= extent):
            value = _affine(index, names)
            tests.append(f"(({value}) >= 0) & (({value}) < {extent})")
    return tests


def _header(nest: Nest, roles: Roles, form: str, tiles: Tiles) -> list[str]:
    names = [f"x{i}" for i in range(len(nest.inputs))]
    return [
        f'"""{nest.name}: {form} form, M {list(roles.m)} N {list(roles.n)} K {list(roles.k)} '
        f'batch {list(roles.batch)}, tiles {tiles.m} x {tiles.n} x {tiles.k}."""',
        "import triton",
        "import triton.language as tl",
        "",
        "",
        "@triton.jit",
        f"def kernel({', '.join(names)}, out):",
    ]


def _dot(roles: Roles, tiles: Tiles, accumulator: str) -> Source:
    nest = roles.nest
    extents = nest.extents
    m, n = roles.extent(roles.m), roles.extent(roles.n)
    inner_loop, outer_loops = roles.k[-1], roles.k[:-1]
    inner, outer = extents[inner_loop], roles.extent(roles.k[:-1])
    tiles_m, tiles_n, tiles_k = -(-m // tiles.m), -(-n // tiles.n), -(-inner // tiles.k)
    batch = roles.extent(roles.batch)
    lines = _header(nest, roles, "dot", tiles)
    lines += [
        "    program = tl.program_id(0)",
        f"    b = program // {tiles_m * tiles_n}",
        f"    tile = program % {tiles_m * tiles_n}",
        f"    first = tile // {tiles.group * tiles_n} * {tiles.group}",
        f"    group = min({tiles_m} - first, {tiles.group})",
        f"    tile_m = first + tile % {tiles.group * tiles_n} % group",
        f"    tile_n = tile % {tiles.group * tiles_n} // group",
        *_split("b", roles.batch, extents),
        f"    m = tile_m * {tiles.m} + tl.arange(0, {tiles.m})",
        f"    n = tile_n * {tiles.n} + tl.arange(0, {tiles.n})",
        f"    deep = tl.arange(0, {tiles.k})",
        *_split("m", roles.m, extents),
        *_split("n", roles.n, extents),
    ]
    reads: dict[int, tuple[str, str]] = {}
    for side, loops, axis in ((roles.left, roles.m, "m"), (roles.right, roles.n, "n")):
        for i in side:
            steps, constant = address(nest, nest.inputs[i])
            lines.append(f"    base{i} = {_sum(steps, [*roles.batch, *loops], constant)}")
            lines.append(f"    base{i} = tl.zeros([{tiles.m if axis == 'm' else tiles.n}], tl.int32) + base{i}")
            reads[i] = (_sum(steps, outer_loops), str(steps.get(inner_loop, 0)))
    lines += [
        f"    total = tl.zeros([{tiles.m}, {tiles.n}], {accumulator})",
        f"    for step in range({outer * tiles_k}):",
    ]
    if outer > 1:
        lines += [f"        outer = step // {tiles_k}", *_split("outer", outer_loops, extents, "        ")]
        lines.append(f"        {inner_loop}_ = step % {tiles_k} * {tiles.k} + deep")
    else:
        lines += [f"        {loop}_ = 0" for loop in outer_loops]
        lines.append(f"        {inner_loop}_ = step * {tiles.k} + deep")
    names = {loop: f"{loop}_" for loop in extents}
    left_names = {**names, **{loop: f"{loop}_[:, None]" for loop in roles.m}, inner_loop: f"{inner_loop}_[None, :]"}
    right_names = {**names, **{loop: f"{loop}_[None, :]" for loop in roles.n}, inner_loop: f"{inner_loop}_[:, None]"}
    for side, label, view in ((roles.left, "left", left_names), (roles.right, "right", right_names)):
        rows, columns = ("[:, None]", "[None, :]") if label == "left" else ("[None, :]", "[:, None]")
        extent, size, axis = (m, tiles.m, "m") if label == "left" else (n, tiles.n, "n")
        for position, i in enumerate(side):
            scalar, stride = reads[i]
            tests = _padding(nest, nest.inputs[i], view)
            if extent % size:
                tests.append(f"({axis} < {extent}){rows}")
            if inner % tiles.k:
                tests.append(f"({inner_loop}_ < {inner}){columns}")
            deep = f" + {inner_loop}_{columns} * {stride}" if stride != "0" else f" + 0 * {inner_loop}_{columns}"
            mask = f", mask={' & '.join(tests)}, other=0" if tests else ""
            lines.append(f"        at = base{i}{rows} + ({scalar}){deep}")
            value = f"tl.load(x{i} + at{mask})"
            lines.append(f"        {label} = {value}" if not position else f"        {label} = {label} * {value}")
    cross = {
        **names,
        **{loop: f"{loop}_[:, None]" for loop in roles.m},
        **{loop: f"{loop}_[None, :]" for loop in roles.n},
    }
    lines += _masked_factors(nest, roles, left_names, right_names, inner_loop)
    precision = "" if accumulator == "tl.int32" else ', input_precision="ieee"'
    accumulate = f"out_dtype={accumulator}{precision}"
    deferred = [g for g in nest.guards if _crosses(g, roles) and not set(g.loops) & {inner_loop}]
    if deferred:
        test = " & ".join(_guard(g, cross) for g in deferred)
        lines.append(f"        total += tl.where({test}, tl.dot(left, right, {accumulate}), 0)")
    else:
        lines.append(f"        total = tl.dot(left, right, acc=total, {accumulate})")
    lines += _scaled(nest)
    steps, constant = address(nest, nest.output)
    lines.append(f"    at_m = {_sum(steps, [*roles.batch, *roles.m], constant)} + 0 * m")
    lines.append(f"    at_n = {_sum(steps, roles.n)} + 0 * n")
    tests = [f"(m < {m})[:, None]"] * bool(m % tiles.m) + [f"(n < {n})[None, :]"] * bool(n % tiles.n)
    mask = f", mask={' & '.join(tests)}" if tests else ""
    lines.append(f"    tl.store(out + at_m[:, None] + at_n[None, :], total.to(out.dtype.element_ty){mask})")
    why = (
        f"dot form: M = {'*'.join(roles.m)} = {m}, N = {'*'.join(roles.n)} = {n}, "
        f"K = {'*'.join(roles.k)} = {outer * inner}, batch = {'*'.join(roles.batch) or '1'} = {batch}; "
        f"tiles {tiles.m} x {tiles.n} x {tiles.k}, {tiles.warps} warps, {tiles.stages} stages"
    )
    return Source("\n".join(lines) + "\n", "dot", roles, tiles, batch * tiles_m * tiles_n, why)


def _crosses(guard: Guard, roles: Roles) -> bool:
    used = set(guard.loops)
    return bool(used & set(roles.m)) and bool(used & set(roles.n))


def _masked_factors(
    nest: Nest, roles: Roles, left: Mapping[str, str], right: Mapping[str, str], inner_loop: str
) -> list[str]:
    """Guards that one operand can carry: where they fail its elements become 0."""
    lines = []
    for guard in nest.guards:
        used = set(guard.loops)
        if _crosses(guard, roles):
            continue
        label, names = ("right", right) if used & set(roles.n) else ("left", left)
        lines.append(f"        {label} = tl.where({_guard(guard, names)}, {label}, 0).to({label}.dtype)")
    return lines


def _scaled(nest: Nest) -> list[str]:
    return [f"    total = total * {nest.coefficient}"] if nest.coefficient != 1 else []


def _direct(roles: Roles, tiles: Tiles, accumulator: str) -> Source:
    nest = roles.nest
    extents = nest.extents
    order = _output_order(nest)
    points = roles.extent(order)
    reduced = roles.extent(roles.k)
    lines = _header(nest, roles, "direct", tiles)
    lines += [
        f"    p = tl.program_id(0) * {tiles.m} + tl.arange(0, {tiles.m})",
        f"    inside = p < {points}",
        *_split("p", order, extents),
    ]
    for i, access in enumerate(nest.inputs):
        steps, constant = address(nest, access)
        lines.append(f"    base{i} = {_sum(steps, order, constant)} + 0 * p")
    lines.append(f"    total = tl.zeros([{tiles.m}], {accumulator})")
    loop = "tl.static_range" if reduced <= UNROLLED else "range"
    lines.append(f"    for step in {loop}({reduced}):")
    lines += _split("step", roles.k, extents, "        ")
    names = {name: f"{name}_" for name in extents}
    for i, access in enumerate(nest.inputs):
        steps, _ = address(nest, access)
        tests = " & ".join(["inside", *_padding(nest, access, names)])
        value = f"tl.load(x{i} + base{i} + ({_sum(steps, roles.k)}), mask={tests}, other=0).to({accumulator})"
        lines.append(f"        value = {value}" if not i else f"        value = value * {value}")
    tests = [_guard(g, names) for g in nest.guards]
    lines.append(f"        total += tl.where({' & '.join(tests)}, value, 0)" if tests else "        total += value")
    lines += _scaled(nest)
    steps, constant = address(nest, nest.output)
    lines.append(
        f"    tl.store(out + {_sum(steps, order, constant)} + 0 * p, total.to(out.dtype.element_ty), mask=inside)"
    )
    why = (
        f"direct form: {points} output points ({'*'.join(order) or '1'}), {reduced} reduction steps each, because "
        f"no two groups of output loops of 16 points or more can be told apart; {tiles.m} points a program"
    )
    return Source("\n".join(lines) + "\n", "direct", roles, tiles, -(-points // tiles.m), why)


UNROLLED = 32


def _output_order(nest: Nest) -> tuple[str, ...]:
    """Output loops, the one that is contiguous in the output last."""
    steps, _ = address(nest, nest.output)
    return tuple(sorted(nest.output.loops, key=lambda loop: -abs(steps.get(loop, 0))))
