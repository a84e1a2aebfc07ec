"""A matrix in four bits with a low-rank branch beside it, as a graph of nests: layers of QeRL and of SVDQuant."""

from __future__ import annotations

from workloads.elementwise import Elementwise
from workloads.formats import BLOCK_FORMATS, BlockFormat
from workloads.formats.block_format import BlockError
from workloads.formats.exact import NVFP4_FRACTION_BITS
from workloads.library_entry import library_nest
from workloads.nest import Nest
from workloads.workload import Workload

NVFP4 = BLOCK_FORMATS["nvfp4"]


def adapted_layer(rows: int, outputs: int, inputs: int, rank: int, tensor_scale: float) -> Workload:
    """``Y = X W^T + (X A^T) B^T``: bf16 activations, NVFP4 weights, an adapter in bf16; sums in fp32.

    Inputs are ``X`` (rows, inputs), the same in blocks as ``XB`` (rows, blocks, 16), ``W`` (outputs, blocks, 16), its
    scales ``SW`` (outputs, blocks), ``A`` (rank, inputs) and ``B`` (outputs, rank); the narrow activations between A
    and B stay in fp32.

    References
    ----------
    QeRL, arXiv 2510.11696.

    Raises
    ------
    BlockError
    """
    body = "C[m, n] += XB[m, kb, ki] * W[n, kb, ki] * SW[n, kb]"
    base = _nest("base", body, NVFP4, rows, outputs, inputs, {"XB": "bf16", "W": "e2m1", "SW": "e4m3", "C": "fp32"})
    scaled = Elementwise("scaled", "scale", ("C",), "P", factor=tensor_scale)
    return Workload("adapted_layer", (base, scaled, *_branch(rows, outputs, inputs, rank, "bf16")))


def split_layer(
    rows: int, outputs: int, inputs: int, rank: int, number_format: BlockFormat, product_scale: float = 1.0
) -> Workload:
    """``Y = X D^T U^T + Q R^T``: four bits on both sides of the residual, a branch in bf16; sums of it in fp32.

    Inputs are ``X`` (rows, inputs), smoothed, ``Q`` (rows, blocks, block), that quantized, with its scales ``SQ``
    (rows, blocks), ``R`` (outputs, blocks, block) with ``SR``, ``A`` (rank, inputs) for D and ``B`` (outputs, rank)
    for U. In NVFP4 the product is exact, and rounded once with ``product_scale``, that of both tensors.

    References
    ----------
    SVDQuant, arXiv 2411.05007.

    Raises
    ------
    BlockError
    """
    element, scale = number_format.element.name, number_format.scale.name
    exact = number_format == NVFP4
    formats = {"Q": element, "SQ": scale, "R": element, "SR": scale, "C": "int64" if exact else "fp32"}
    body = "C[m, n] += Q[m, kb, ki] * SQ[m, kb] * R[n, kb, ki] * SR[n, kb]"
    residual = _nest("residual", body, number_format, rows, outputs, inputs, formats)
    scaled = Elementwise("scaled", "scale", ("C",), "P", factor=product_scale)
    if exact:
        factor = product_scale * 2.0**-NVFP4_FRACTION_BITS
        scaled = Elementwise("scaled", "rescale", ("C",), "P", factor=factor, format="fp32")
    return Workload("split_layer", (residual, scaled, *_branch(rows, outputs, inputs, rank, "fp32")))


def _nest(
    name: str, body: str, number_format: BlockFormat, rows: int, outputs: int, inputs: int, formats: dict[str, str]
) -> Nest:
    if inputs % number_format.block:
        raise BlockError(number_format.name, f"expected inputs of a multiple of {number_format.block}, not {inputs}")
    loops = {"m": rows, "n": outputs, "kb": inputs // number_format.block, "ki": number_format.block}
    return library_nest(name, loops, body, "fp32", formats=formats)


def _branch(rows: int, outputs: int, inputs: int, rank: int, activations: str) -> tuple[Nest | Elementwise, ...]:
    """``T = X A^T``, ``L = T B^T``, ``Y = P + L``."""
    down, up = {"m": rows, "r": rank, "k": inputs}, {"m": rows, "n": outputs, "r": rank}
    narrow = {"X": activations, "A": "bf16"}
    return (
        library_nest("down", down, "T[m, r] += X[m, k] * A[r, k]", "fp32", formats=narrow),
        library_nest("up", up, "L[m, n] += T[m, r] * B[n, r]", "fp32", formats={"B": "bf16"}),
        Elementwise("sum", "add", ("P", "L"), "Y"),
    )
