"""Random nests with random legal dataflows, drawn from a seed so that a design can be named and kept."""

from __future__ import annotations

import random

from dataflow import Dataflow
from workloads.affine import Affine, Division, Guard
from workloads.formats import format_named
from workloads.nest import Access, Loop, Nest, Tensor, reached_shape

GUARDS = (
    Guard(Affine((("i", 1), ("j", -1))), (), ">="),
    Guard(Affine((), -1), ((Division("%", Affine((("i", 1), ("j", 1))), 2), 1),), "!="),
    Guard(Affine((("j", -1),)), ((Division("//", Affine((("i", 1),)), 2), 2),), ">="),
)


def random_design(seed: int) -> tuple[Nest, Dataflow, Nest]:
    """A nest, a legal dataflow for it, and the same nest at a smaller size.

    Strides, negative coefficients, offsets, padding, guards, one to three factors, outputs with several loops in one
    index, one to three axes, skews 0 to 2, shuffled orders, tiles.
    """
    r = random.Random(seed)
    names = ("i", "j", "k", "l")[: r.randint(1, 4)]
    extents = {name: r.choice((1, 2, 3, 4, 5, 6, 7)) for name in names}
    padded: list[str] = []
    inputs: list[Access] = []
    for tensor in ("A", "B", "D")[: r.choice((1, 2, 2, 2, 3))]:
        if r.random() < 0.3:
            padded.append(tensor)
        inputs.append(_access(r, tensor, names, extents, tensor in padded))
    if r.random() < 0.6:
        used = r.sample(names, k=r.randint(0, len(names)))
        output = Access("O", tuple(Affine(((name, 1),)) for name in used) or (Affine(),))
    else:
        output = _access(r, "O", names, extents, False)
    shapes = {
        tensor: tuple(max(1, s - r.choice((0, 0, 1))) for s in reached_shape(tensor, tuple(inputs), extents))
        for tensor in padded
    }
    guards = (r.choice(GUARDS),) if len(names) > 1 and r.random() < 0.2 else ()
    formats = {"O": r.choice(("int32", "int32", "int16", "int8")), "A": r.choice(("int8", "int8", "int16"))}
    tensors = tuple(
        Tensor(
            tensor,
            format_named(formats.get(tensor, "int8")),
            shapes.get(tensor) or reached_shape(tensor, (output, *inputs), extents),
            tensor in padded,
        )
        for tensor in dict.fromkeys(access.tensor for access in (output, *inputs))
    )
    loops = tuple(Loop(name, extent) for name, extent in extents.items())
    nest = Nest(f"random{seed}", loops, output, tuple(inputs), tensors, r.choice((1, 1, 1, -1, 3)), guards)
    axes = r.sample(names, r.randint(1, min(3, len(names))))
    space = {name: r.choice((1, 2, 3, 4) if len(axes) < 3 else (1, 2, 3)) for name in axes}
    skew = tuple(r.choice((0, 1, 1, 2)) for _ in axes)
    order = list(names)
    r.shuffle(order)
    tile: dict[str, int] = {}
    if r.random() < 0.25:
        name = r.choice(names)
        tile = {name: space.get(name, 1) * r.choice((1, 2))}
    dataflow = Dataflow.of(nest, space, skew=skew, order=tuple(order), tile=tile)
    smaller = {loop.name: r.randint(1, loop.extent) for loop in loops}
    return nest, dataflow, nest.with_extents(smaller, {t.name: t.shape for t in tensors if t.padded})


def _access(r: random.Random, tensor: str, names: tuple[str, ...], extents: dict[str, int], padded: bool) -> Access:
    index = []
    for _ in range(r.randint(1, 3)):
        used = r.sample(names, k=r.randint(0, min(2, len(names))))
        terms = {name: r.choice((1, 1, 1, 2, 3, -1)) for name in used}
        low = sum(min(0, c * (extents[name] - 1)) for name, c in terms.items())
        index.append(Affine.of(terms, -low + r.choice((0, 0, 1)) - (r.choice((0, 1, 2)) if padded else 0)))
    return Access(tensor, tuple(index))
