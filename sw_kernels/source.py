"""The source text of one kernel, and what was chosen for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sw_kernels.expressions import ZERO
from sw_kernels.roles import Roles
from sw_kernels.tiles import Tiles


@dataclass(frozen=True)
class Source:
    """A generated kernel.

    Attributes
    ----------
    text : str
        Python source with one ``@triton.jit`` function ``kernel``; its arguments are the inputs in the order of the
        nest, then the output.
    form : str
        ``dot``, ``map`` or ``reduce``.
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


def assembled(roles: Roles, form: str, tiles: Tiles, grid: int, why: str, body: Sequence[str]) -> Source:
    """A kernel from the statements of its body."""
    names = [f"x{i}" for i in range(len(roles.nest.inputs))]
    head = [
        f'"""{roles.nest.name}, {form} form: {roles}; tiles {tiles.m} x {tiles.n} x {tiles.k}."""',
        "import triton",
        "import triton.language as tl",
        "",
        "",
        "@triton.jit",
        f"def kernel({', '.join(names)}, out):",
    ]
    if any(ZERO in line for line in body):
        head.append(f"    {ZERO} = tl.zeros([1, 1], tl.int32)")
    return Source("\n".join([*head, *body]) + "\n", form, roles, tiles, grid, why)


def accumulator(integer: bool) -> str:
    """Type of the sums; int32 wraps as the nest's output format does."""
    return "tl.int32" if integer else "tl.float32"


def scaled(name: str, coefficient: int, integer: bool) -> list[str]:
    """The statement that multiplies by the nest's constant."""
    if coefficient == 1:
        return []
    # Integer sums wrap modulo 2**32, so the constant may as well.
    factor = str((coefficient + (1 << 31)) % (1 << 32) - (1 << 31)) if integer else str(float(coefficient))
    return [f"    {name} = {name} * ({factor})"]
