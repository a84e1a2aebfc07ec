"""Hypothesis strategies for nests small enough to run point by point."""

from __future__ import annotations

from hypothesis import strategies as st

from workloads.affine import Affine, Division, Guard
from workloads.formats import FORMATS
from workloads.nest import Access, Loop, Nest, Tensor, reached_shape

LOOPS = ("i", "j", "k", "n")


@st.composite
def affines(draw: st.DrawFn, loops: tuple[str, ...], *, most: int = 3) -> Affine:
    names = draw(st.lists(st.sampled_from(loops), unique=True, max_size=2))
    coefficient = st.integers(-most, most).filter(bool)
    return Affine(tuple((n, draw(coefficient)) for n in names), draw(st.integers(-3, 3)))


@st.composite
def guards(draw: st.DrawFn, loops: tuple[str, ...]) -> Guard:
    divisions = []
    for _ in range(draw(st.integers(0, 2))):
        inner = draw(affines(loops))
        division = Division(draw(st.sampled_from(("//", "%"))), inner, draw(st.integers(2, 4)))
        if inner.terms and division not in [d for d, _ in divisions]:
            divisions.append((division, draw(st.integers(-2, 2).filter(bool))))
    return Guard(draw(affines(loops)), tuple(divisions), draw(st.sampled_from((">=", "==", "!="))))


@st.composite
def nests(draw: st.DrawFn, *, formats: tuple[str, ...] = ("int8", "int16", "int32")) -> Nest:
    loops = tuple(Loop(n, draw(st.integers(1, 4))) for n in LOOPS[: draw(st.integers(1, 4))])
    names = tuple(loop.name for loop in loops)
    extents = {loop.name: loop.extent for loop in loops}
    output_index = tuple(_from_zero(draw(affines(names)), extents) for _ in range(draw(st.integers(1, 3))))
    output = Access("O", output_index)
    ranks = {n: draw(st.integers(1, 3)) for n in "AB"}
    inputs = []
    for _ in range(draw(st.integers(1, 3))):
        tensor = draw(st.sampled_from("AB"))
        inputs.append(Access(tensor, tuple(draw(affines(names)) for _ in range(ranks[tensor]))))
    padded = {tensor for tensor in "AB" if draw(st.booleans())}
    inputs = [
        a if a.tensor in padded else Access(a.tensor, tuple(_from_zero(i, extents) for i in a.index)) for a in inputs
    ]
    tensors = []
    for name in dict.fromkeys(("O", *(a.tensor for a in inputs))):
        shape = reached_shape(name, (output, *inputs), extents)
        if draw(st.booleans()):
            shape = tuple(extent + draw(st.integers(0, 1)) for extent in shape)
        tensors.append(Tensor(name, FORMATS[draw(st.sampled_from(formats))], shape, name in padded))
    coefficient = draw(st.sampled_from((1, 1, -1, 2, -3, 12345, 2**31)))
    conditions = draw(st.lists(guards(names), max_size=2))
    return Nest("random", loops, output, tuple(inputs), tuple(tensors), coefficient, tuple(conditions))


def _from_zero(index: Affine, extents: dict[str, int]) -> Affine:
    """Moved up so that no value is negative."""
    low, _ = index.bounds(extents)
    return Affine(index.terms, index.constant - min(0, low))
