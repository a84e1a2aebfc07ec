"""What a nest computes, so that the same work can be found under other names and layouts."""

from __future__ import annotations

from collections.abc import Hashable

from workloads.affine import Affine
from workloads.nest import Access, Nest

Work = tuple[Hashable, ...]


def work_of(nest: Nest, input_format: str | None = None) -> Work:
    """Equal for nests that compute the same from inputs of the same formats.

    Names of nests and tensors, the order of loops, the layout of tensors and loops that run once do not count; all else
    does, the sizes of tensors that are read beyond their ends included. The format of the output does not, as an
    accumulator's width is the machine's affair.

    Parameters
    ----------
    nest
    input_format
        In place of that of every input.
    """
    longer = {loop.name for loop in nest.loops if loop.extent > 1}

    def dimension(index: Affine, size: int) -> tuple[str, int]:
        """An index without its single steps, and where reads beyond the tensor give 0."""
        low, high = index.bounds(nest.extents)
        steps = {loop: index.coefficient(loop) for loop in sorted(index.loops) if loop in longer}
        return str(Affine.of(steps, index.constant)), size if low < 0 or high >= size else 0

    def layout_free(access: Access) -> Work:
        shape = nest.tensor(access.tensor).shape
        dimensions = (dimension(index, size) for index, size in zip(access.index, shape, strict=True))
        return tuple(sorted(each for each in dimensions if each != ("0", 0)))

    def read(access: Access) -> Work:
        return (input_format or nest.tensor(access.tensor).format.name, layout_free(access))

    inputs = tuple(read(access) for access in nest.inputs)
    return (
        nest.unit.spelling,
        nest.reduction.name,
        nest.coefficient,
        tuple(sorted((loop.name, loop.extent) for loop in nest.loops if loop.extent > 1)),
        layout_free(nest.output),
        # Factors of a product may stand in any order.
        tuple(sorted(inputs)) if nest.contraction else inputs,
        tuple(sorted(map(str, nest.guards))),
    )
