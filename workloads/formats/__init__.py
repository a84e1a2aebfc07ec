"""Number formats: of single elements, and of blocks of elements that share a scale."""

from workloads.formats.block_format import BLOCK_FORMATS, BlockFormat, BlockScaled, block_format_named
from workloads.formats.format import FORMATS, Format, FormatError, format_named

__all__ = [
    "BLOCK_FORMATS",
    "FORMATS",
    "BlockFormat",
    "BlockScaled",
    "Format",
    "FormatError",
    "block_format_named",
    "format_named",
]
