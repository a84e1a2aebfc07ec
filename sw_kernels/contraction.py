"""A nest as one Triton kernel: which form it takes."""

from __future__ import annotations

from sw_kernels.direct import mapped, reads_along_reduction, reduced
from sw_kernels.dot import dot, obstacle
from sw_kernels.roles import classify
from sw_kernels.source import Source
from sw_kernels.tiles import Tiles
from workloads.errors import BrickworkError
from workloads.nest import Nest
from workloads.text import body_text

FORMS = ("dot", "map", "reduce")


class KernelError(BrickworkError):
    """A nest whose body no kernel form computes."""

    def __init__(self, nest: str, body: str) -> None:
        self.nest, self.body = nest, body
        super().__init__(f"nest {nest!r}: kernels exist for sums of products only; the body is {body!r}")


def generate(
    nest: Nest, element_bytes: int, *, integer: bool = False, tiles: Tiles | None = None, form: str | None = None
) -> Source:
    """Write the kernel of a nest.

    Parameters
    ----------
    element_bytes
        Size of an input element: the tensor cores take 1 (integers), 2, and 4 as exact fp32.
    integer
        Integer elements with int32 sums; otherwise floating point with fp32 sums.
    tiles, form
        Overrule the choice; a form must be able to compute the nest.

    Raises
    ------
    KernelError
        The body is no sum of products.
    """
    if not nest.contraction:
        raise KernelError(nest.name, body_text(nest))
    roles = classify(nest)
    because = obstacle(roles, element_bytes, integer)
    if form is None:
        form = "dot" if because is None else "reduce" if reads_along_reduction(roles) else "map"
    assert form in FORMS and not (form == "dot" and because), (form, because)
    if form == "dot":
        return dot(roles, element_bytes, integer, tiles)
    write = reduced if form == "reduce" else mapped
    return write(roles, integer, tiles, because or "it was asked for")
