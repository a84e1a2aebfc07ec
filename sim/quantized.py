"""What a design that quantizes its results has to give, and how it differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from workloads.formats import BLOCK_FORMATS, BlockFormat
from workloads.formats.coded import CodedBlocks
from workloads.formats.encoding import FP32
from workloads.formats.exact import rounded_once
from workloads.formats.quantize import encode_multiplier, quantize

Array = npt.NDArray[np.generic]


def output_format(manifest: Mapping[str, Any]) -> BlockFormat | None:
    """The format of a design's results, where it quantizes them."""
    post = manifest.get("post")
    return BLOCK_FORMATS[post["format"]] if post else None


def numbers(manifest: Mapping[str, Any], results: Array, alpha: float) -> npt.NDArray[np.float32]:
    """Results in fp32; integers times ``alpha``, rounded once."""
    if results.dtype == np.float32:
        return results.astype(np.float32)
    return rounded_once(results.astype(np.int64), np.float32(alpha), manifest["post"]["fraction_bits"], FP32)


def calibrated(made: BlockFormat, values: npt.NDArray[np.float32]) -> float:
    """The multiplier that uses all of a format's range for these numbers."""
    if not made.tensor_scale:
        return 1.0
    with np.errstate(invalid="ignore"):
        return float(encode_multiplier(np.float32(np.abs(values).max(initial=0))))


def expected_blocks(made: BlockFormat, values: npt.NDArray[np.float32], multiplier: float) -> CodedBlocks:
    """Codes and scales by the definition.

    Raises
    ------
    BlockError
        A number is not finite.
    """
    given = np.float32(multiplier) if made.tensor_scale else None
    return CodedBlocks.of(quantize(values, made, multiplier=given))


def block_faults(name: str, found: CodedBlocks, expected: CodedBlocks) -> Iterator[str]:
    """Sentences on codes and on scales that differ."""
    for what, mine, other in (("codes", found.codes, expected.codes), ("scales", found.scales, expected.scales)):
        wrong = np.argwhere(mine != other)
        if len(wrong):
            first = tuple(wrong[0])
            yield (
                f"tensor {name!r} as {found.format}: {len(wrong)} of {other.size} {what} differ, "
                f"first at {[int(i) for i in first]}: expected {other[first]:#x}, got {mine[first]:#x}"
            )
