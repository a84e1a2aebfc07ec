"""Nests of four-bit inference and training: block-scaled products, and attention of grouped queries.

A block scale is a tensor with an access map of its own. The reduction over ``K`` is split into blocks and elements of
a block, ``k = block * kb + ki``, so that a scale is indexed by ``kb`` alone and every access map is affine.
"""

from __future__ import annotations

from collections.abc import Mapping

from workloads.library_entry import Build, Entry, LibraryError, Sizes, contraction, library_nest, parameters
from workloads.nest import Nest

_FLOATS = ("fp32", "bf16")


def _block_scaled(name: str, body: str, formats: Mapping[str, str], block: int | None) -> Build:
    """A matrix product with scales; ``format`` is the output's, ``block`` None where it is the parameter ``group``."""

    def build(sizes: Sizes, number_format: str) -> Nest:
        width = block or sizes["group"]
        if sizes["k"] % width:
            raise LibraryError((f"{name}: parameter 'k' must be a multiple of the block, {width}, not '{sizes['k']}'",))
        loops = {"m": sizes["m"], "n": sizes["n"], "kb": sizes["k"] // width, "ki": width}
        return library_nest(name, loops, body, "fp32", formats={**formats, "C": number_format})

    return build


_BOTH = "C[m, n] += A[m, kb, ki] * SA[m, kb] * B[n, kb, ki] * SB[n, kb]"
_WEIGHTS = "C[m, n] += A[m, kb, ki] * B[n, kb, ki] * SB[n, kb]"


def _both(element: str, scale: str) -> dict[str, str]:
    return {"A": element, "SA": scale, "B": element, "SB": scale}


FOUR_BIT = (
    Entry(
        "nvfp4_gemm",
        "NVFP4 times NVFP4: exact, in units of 2**-20 as int64 or rounded once; tensor scales come after it",
        parameters("m=512 n=512 k=512"),
        ("m", "n"),
        _block_scaled("nvfp4_gemm", _BOTH, _both("e2m1", "e4m3"), 16),
        (*_FLOATS, "int64"),
    ),
    Entry(
        "nvfp4_weight_gemm",
        "bf16 times NVFP4 weights",
        parameters("m=8 n=3584 k=3584"),
        ("n", "ki"),
        _block_scaled("nvfp4_weight_gemm", _WEIGHTS, {"A": "bf16", "B": "e2m1", "SB": "e4m3"}, 16),
        _FLOATS,
    ),
    Entry(
        "mxfp4_gemm",
        "MXFP4 times MXFP4",
        parameters("m=512 n=512 k=512"),
        ("m", "n"),
        _block_scaled("mxfp4_gemm", _BOTH, _both("e2m1", "e8m0"), 32),
        _FLOATS,
    ),
    Entry(
        "mxfp8_gemm",
        "MXFP8 (E4M3) times MXFP8",
        parameters("m=512 n=512 k=512"),
        ("m", "n"),
        _block_scaled("mxfp8_gemm", _BOTH, _both("e4m3", "e8m0"), 32),
        _FLOATS,
    ),
    Entry(
        "int4_group_gemm",
        "int4 times int4, an fp16 scale a group of each",
        parameters("m=512 n=512 k=512 group=64"),
        ("m", "n"),
        _block_scaled("int4_group_gemm", _BOTH, _both("int4", "fp16"), None),
        _FLOATS,
    ),
    Entry(
        "gqa_scores",
        "a decoded token's queries times cached keys; r query heads share each of g key heads",
        parameters("b=8 g=4 r=7 c=2048 d=128"),
        ("r", "c"),
        contraction("gqa_scores", "S[b, g, r, c] += Q[b, g, r, d] * K[b, c, g, d]", "b", "g", "r", "c", "d"),
    ),
    Entry(
        "gqa_output",
        "a decoded token's probabilities times cached values; r query heads share each of g value heads",
        parameters("b=8 g=4 r=7 c=2048 d=128"),
        ("r", "d"),
        contraction("gqa_output", "O[b, g, r, d] += P[b, g, r, c] * V[b, c, g, d]", "b", "g", "r", "d", "c"),
    ),
)
