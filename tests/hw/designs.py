"""Random nests with random legal dataflows: drawn by Hypothesis, or from a seed so that a design can be kept."""

from __future__ import annotations

import random
from collections.abc import Callable

from hypothesis import strategies as st

from dataflow import Dataflow
from workloads.affine import Affine, Division, Guard
from workloads.formats import format_named
from workloads.nest import Access, Loop, Nest, Tensor, reached_shape

GUARDS = (
    Guard(Affine((("i", 1), ("j", -1))), (), ">="),
    Guard(Affine((), -1), ((Division("%", Affine((("i", 1), ("j", 1))), 2), 1),), "!="),
    Guard(Affine((("j", -1),)), ((Division("//", Affine((("i", 1),)), 2), 2),), ">="),
)


Seldom = Callable[[float], bool]


@st.composite
def designs(draw: st.DrawFn) -> tuple[Nest, Dataflow, Nest]:
    """A nest, a legal dataflow for it, and the same nest at a smaller size; shrinks to few and plain parts."""
    r = draw(st.randoms(use_true_random=False))
    # Hypothesis shrinks towards 0, where what is seldom has to be absent.
    return _design("drawn", r, lambda share: r.random() > 1 - share)


def nests_with_dataflows() -> st.SearchStrategy[tuple[Nest, Dataflow]]:
    """Nests with legal dataflows."""
    return designs().map(lambda design: design[:2])


def random_design(seed: int) -> tuple[Nest, Dataflow, Nest]:
    """A nest, a legal dataflow for it, and the same nest at a smaller size."""
    r = random.Random(seed)
    return _design(f"random{seed}", r, lambda share: r.random() < share)


def _design(name: str, r: random.Random, seldom: Seldom) -> tuple[Nest, Dataflow, Nest]:
    """Draw from all that a nest and a dataflow may have.

    Strides, negative coefficients, offsets, padding, guards, one to three factors, outputs with several loops in one
    index, one to three axes, skews 0 to 2, shuffled orders, tiles.
    """
    names = ("i", "j", "k", "l")[: r.randint(1, 4)]
    extents = {name: r.choice((1, 2, 3, 4, 5, 6, 7)) for name in names}
    padded: list[str] = []
    inputs: list[Access] = []
    for tensor in ("A", "B", "D")[: r.choice((1, 2, 2, 2, 3))]:
        if seldom(0.3):
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
    guards = (r.choice(GUARDS),) if len(names) > 1 and seldom(0.2) else ()
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
    nest = Nest(name, loops, output, tuple(inputs), tensors, r.choice((1, 1, 1, -1, 3)), guards)
    axes = r.sample(names, r.randint(1, min(3, len(names))))
    space = {name: r.choice((1, 2, 3, 4) if len(axes) < 3 else (1, 2, 3)) for name in axes}
    skew = tuple(r.choice((0, 1, 1, 2)) for _ in axes)
    order = list(names)
    r.shuffle(order)
    tile: dict[str, int] = {}
    if seldom(0.25):
        tiled = r.choice(names)
        tile = {tiled: space.get(tiled, 1) * r.choice((1, 2))}
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
