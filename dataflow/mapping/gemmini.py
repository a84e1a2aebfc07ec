"""Tiles as Gemmini's own library chooses them: grown or shrunk by a fixed rule, without looking at their cost.

What follows Gemmini's source [1]_: the sizes of `product_tiles` (``tiled_matmul_auto``, weight-stationary) and
`convolution_tiles` (``tiled_conv_auto``); the order of the tile loops (``tiled_matmul_outer``: rows, columns,
reduction; ``tiled_conv``: batch, rows, columns, output channels, kernel, input channels); memory split into a
scratchpad for operands and an accumulator for sums, four to one as in the default configuration (256 KB and 64 KB),
each halved by double buffering; rows of ``DIM`` elements, so that operands are padded to multiples of the array.

What is simplified, in Gemmini's favour unless said otherwise: stationary weights change without idle cycles (Gemmini's
convolution loads them anew for every ``DIM`` pixels of a row, and takes ``DIM`` cycles for that even where the row is
shorter); a tile that the next one needs again stays, as everywhere in this model; pooling is not fused. Convolutions
are direct, those of one pixel too, which Gemmini's networks run as products. Channels are held in multiples of ``DIM``,
where the library's last loop may add single ones to fill the memory. A depthwise convolution runs one channel at a
time, as in the library's ``tiled_conv_dw``, with its kernel whole. A batch of products is one product after the other.

References
----------
.. [1] ucb-bar/gemmini-rocc-tests, include/gemmini.h; described in H. Genc et al., "Gemmini: Enabling Systematic
   Deep-Learning Architecture Evaluation via Full-Stack Integration", DAC 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt

from dataflow.dataflow import Dataflow
from dataflow.mapping.counts import cost
from dataflow.mapping.machine import Machine, energies
from dataflow.mapping.mapping import MappingError, TiledMapping
from dataflow.mapping.model import count
from dataflow.mapping.objective import Certificate, Found, Objective, score
from dataflow.mapping.search import build_once
from workloads.nest import Nest

# Of 320 KB in the default configuration, what holds operands.
_SCRATCHPAD_PART = (4, 5)

_CONVOLUTION = ("n", "oh", "ow", "oc", "kh", "kw", "ic")
_DEPTHWISE = ("n", "oh", "ow", "c", "kh", "kw")


@dataclass(frozen=True, slots=True)
class GemminiMemory:
    """Rows of both memories, before double buffering halves them; a row has an element for each column of the array.

    Attributes
    ----------
    dim : int
        Functional units along each axis.
    scratchpad_rows, accumulator_rows : int
    """

    dim: int
    scratchpad_rows: int
    accumulator_rows: int

    @staticmethod
    def of(buffer_bytes: int, dim: int, operand_bits: int, sum_bits: int) -> GemminiMemory:
        """Divide a buffer as Gemmini's default configuration does."""
        part, whole = _SCRATCHPAD_PART
        scratchpad_bytes = buffer_bytes * part // whole
        return GemminiMemory(
            dim,
            8 * scratchpad_bytes // (dim * operand_bits),
            8 * (buffer_bytes - scratchpad_bytes) // (dim * sum_bits),
        )


def product_tiles(m: int, n: int, k: int, memory: GemminiMemory) -> tuple[int, int, int]:
    """Blocks of ``dim`` iterations that a tile holds of rows, columns and reduction; 0 where the memory is too small.

    Begins with a square of the accumulator and what half of the operands' room allows of the reduction, then adds one
    block at a time to columns, rows and reduction in turn, until nothing fits.
    """
    dim = memory.dim
    most = {"m": -(-m // dim), "n": -(-n // dim), "k": -(-k // dim)}
    rows, accumulator_rows = memory.scratchpad_rows // 2, memory.accumulator_rows // 2
    side = isqrt(accumulator_rows // dim)
    if not side:
        return 0, 0, 0
    held = {"m": min(most["m"], side), "n": min(most["n"], side), "k": min(most["k"], rows // 2 // dim // side)}

    def fits(blocks: Mapping[str, int]) -> bool:
        operands = (blocks["m"] + blocks["n"]) * blocks["k"] * dim
        return operands <= rows and blocks["m"] * blocks["n"] * dim <= accumulator_rows

    growing = True
    while growing:
        growing = False
        for loop in ("n", "m", "k"):
            if held[loop] < most[loop] and fits(grown := {**held, loop: held[loop] + 1}):
                held, growing = grown, True
    return held["m"], held["n"], held["k"]


@dataclass(frozen=True, slots=True)
class Window:
    """How a convolution moves over its input: strides and dilations of a square kernel, and whether it is padded."""

    stride: int
    dilation: int
    downsamples: bool


def convolution_tiles(sizes: Mapping[str, int], window: Window, memory: GemminiMemory) -> dict[str, int]:
    """Iterations of n, oh, ow, oc, kh, kw and ic that a tile holds.

    Shrinks the largest loop, channels by ``dim`` and others by one, until the tile fits; a row of at most ``dim``
    pixels is left alone while there are several rows. Then grows the row, and then everything in turn by one.
    """
    dim = memory.dim
    rows, accumulator_rows = memory.scratchpad_rows // 2, memory.accumulator_rows // 2

    def fits(held: Mapping[str, int]) -> bool:
        high, wide = (
            held[out] * window.stride + held[kernel] + (window.dilation - 1) * (held[kernel] - 1) - 1
            for out, kernel in (("oh", "kh"), ("ow", "kw"))
        )
        if window.downsamples:
            high, wide = high >> 1, wide >> 1
        inputs = -(-held["ic"] // dim) * held["n"] * high * wide
        columns = -(-held["oc"] // dim)
        weights = columns * held["kh"] * held["kw"] * held["ic"]
        sums = columns * held["n"] * held["oh"] * held["ow"]
        return inputs + weights <= rows and sums <= accumulator_rows

    held = {loop: sizes[loop] for loop in _CONVOLUTION}
    while not fits(held):
        may = [loop for loop in held if not (loop == "ow" and held["ow"] <= dim and held["oh"] > 1)]
        loop = max(may, key=held.__getitem__)
        if held[loop] == 1:
            return dict.fromkeys(held, 0)
        less = (held[loop] - 1) // dim * dim if loop in ("oc", "ic") else held[loop] - 1
        held[loop] = max(1, less)
    held = _grown(held, sizes, ("ow",), fits)
    return _grown(held, sizes, _CONVOLUTION, fits)


def _grown(
    held: dict[str, int], sizes: Mapping[str, int], loops: Sequence[str], fits: Callable[[Mapping[str, int]], bool]
) -> dict[str, int]:
    """Add one iteration to each loop in turn, until nothing fits."""
    growing = True
    while growing:
        growing = False
        for loop in loops:
            if held[loop] < sizes[loop] and fits(grown := {**held, loop: held[loop] + 1}):
                held, growing = grown, True
    return held


def gemmini_mapping(
    nest: Nest,
    machine: Machine,
    shape: tuple[int, ...],
    spaces: tuple[tuple[str, ...], ...] | None = None,
    *,
    objective: Objective = "energy-delay",
) -> Found:
    """Map a product, a batch of products or a convolution as Gemmini's library would.

    Parameters
    ----------
    shape
        Functional units along each axis; a square.
    spaces
        Loops that may lie on the axes, one tuple a dataflow; the first one that takes loops of the weights holds. Input
        and output channels (reduction and columns of a product, columns of a depthwise kernel) when left out.
    objective
        Only what the certificate states; tiles do not depend on it.

    Raises
    ------
    MappingError
        The nest is of another kind, the array is not square, no dataflow keeps weights, or the tiles do not fit.
    """
    if len(shape) != 2 or shape[0] != shape[1]:
        raise MappingError(nest.name, (f"the gemmini tiler is for square arrays, not {'x'.join(map(str, shape))}",))
    if len(nest.inputs) != 2:
        raise MappingError(nest.name, (f"the gemmini tiler knows nests of 2 inputs, not of {len(nest.inputs)}",))
    flow = _dataflow(nest, shape[0], spaces)
    operand_bits = max(nest.tensor(access.tensor).format.bits for access in nest.inputs)
    sum_bits = nest.tensor(nest.output.tensor).format.bits
    tiles, order = _tiles(nest, GemminiMemory.of(machine.buffer_bytes, shape[0], operand_bits, sum_bits))
    whole = {loop: _on_axis(size, flow.size(loop), nest.extents[loop]) for loop, size in tiles.items()}
    too_small = f"the buffer of {machine.buffer_bytes} bytes is too small for the gemmini tiler"
    if not all(tiles.values()):
        raise MappingError(nest.name, (too_small,))
    mapping = TiledMapping.of(nest, build_once(nest, flow), whole, order=order)
    counts = count(mapping, machine)
    if 2 * counts.tile_bits > 8 * machine.buffer_bytes:
        raise MappingError(nest.name, (too_small,))
    found = cost(counts, machine, energies(machine, nest), double_buffered=True)
    value = score(objective, found.cycles, found.energy_pj)[0]
    certificate = Certificate(value, 0.0, dataflows=1, mappings=1, bounded=0, evaluated=1, tiler="gemmini")
    return Found(mapping, counts, found, certificate)


def _dataflow(nest: Nest, dim: int, spaces: tuple[tuple[str, ...], ...] | None) -> Dataflow:
    """The array keeps weights, the second input, and everything else moves innermost."""
    weights = nest.inputs[1]
    natural = tuple(loop for loop in ("k", "n", "ic", "oc", "d", "kw") if loop in weights.loops)[:2]
    for space in (natural,) if spaces is None else spaces:
        if space and set(space) <= set(weights.loops) and set(space) & set(nest.reduction_loops):
            outer = tuple(loop for loop in nest.loop_names if loop in weights.loops)
            order = outer + tuple(loop for loop in nest.loop_names if loop not in outer)
            sizes = {loop: min(dim, nest.extents[loop]) for loop in space}
            return Dataflow.of(nest, sizes, order=order, name=f"{'_'.join(space)}_keeps_{weights.tensor}")
    known = ", ".join("-".join(space) for space in spaces or (natural,))
    fault = f"no dataflow of {known} has only loops of the weights {weights} on its axes, which the gemmini tiler keeps"
    raise MappingError(nest.name, (fault,))


def _tiles(nest: Nest, memory: GemminiMemory) -> tuple[dict[str, int], tuple[str, ...]]:
    """Iterations that a tile holds of each loop, and the order of the tile loops."""
    extents = nest.extents
    if set(extents) == set(_CONVOLUTION):
        return convolution_tiles(extents, _window(nest), memory), _CONVOLUTION
    if set(extents) == set(_DEPTHWISE):
        single = convolution_tiles({**extents, "oc": 1, "ic": 1}, _window(nest), memory)
        held = {loop: 1 if loop == "c" else single[loop] for loop in _DEPTHWISE}
        return held | ({"kh": extents["kh"], "kw": extents["kw"]} if all(single.values()) else {}), _DEPTHWISE
    inputs, weights, output = (set(access.loops) for access in (*nest.inputs, nest.output))
    roles = {
        "m": [loop for loop in extents if loop in inputs & output - weights],
        "n": [loop for loop in extents if loop in weights & output - inputs],
        "k": [loop for loop in extents if loop in inputs & weights - output],
    }
    batch = [loop for loop in extents if loop in inputs & weights & output]
    single_loops = all(len(index.loops) == 1 for access in nest.accesses for index in access.index)
    if any(len(loops) != 1 for loops in roles.values()) or len(batch) + 3 != len(extents) or not single_loops:
        fault = (
            "the gemmini tiler knows products, batches of products, convolutions of two dimensions and depthwise ones"
        )
        raise MappingError(nest.name, (fault,))
    (m,), (n,), (k,) = roles.values()
    blocks = product_tiles(extents[m], extents[n], extents[k], memory)
    held = {loop: size * memory.dim for loop, size in zip((m, n, k), blocks, strict=True)}
    return {**dict.fromkeys(batch, 1), **held}, (*batch, m, n, k)


def _window(nest: Nest) -> Window:
    """Read off the input's index of its rows."""
    rows = nest.inputs[0].index[2]
    steps = dict(rows.terms)
    stride, dilation = steps.get("oh", 1), steps.get("kh", 1)
    shape = nest.tensor(nest.inputs[0].tensor).shape
    even = shape[2] % 2 == 0 and shape[3] % 2 == 0
    return Window(stride, dilation, stride == 2 and nest.extents["kh"] == 1 and rows.constant == 0 and even)


def _on_axis(size: int, axis: int, extent: int) -> int:
    """Whole multiples of an axis, or the whole loop."""
    return min(extent, max(axis, size // axis * axis)) if size < extent else extent
