"""One design: an array, its memories, a technology and a clock."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from math import prod
from typing import Any


@dataclass(frozen=True)
class DesignPoint:
    """What one evaluation needs to know; equal points have equal keys on every machine.

    Attributes
    ----------
    array : tuple of int
        Functional units along each axis.
    spaces : tuple of tuple of str
        Loops that the fused array can lay on its axes, one tuple a dataflow; a layer takes the best that it has the
        loops for. Every choice of loops when empty: an upper bound for what fusion can give, not one design.
    format : str
        Number format of the inputs.
    buffer_bytes : int
        Of all banks together.
    bandwidth_gb_per_s, latency_ns : float
        Of the off-chip memory.
    clock_ghz : float
    technology : str
        A built-in technology or a file.
    off_chip : str
        An off-chip memory of the technology.
    result_bits : int or None
        Width of finished sums off chip.
    tiler : str
        ``optimal`` searches tiles and order with a certificate; ``gemmini`` follows the fixed rules of that array's
        own library.
    """

    array: tuple[int, ...]
    spaces: tuple[tuple[str, ...], ...]
    format: str
    buffer_bytes: int
    bandwidth_gb_per_s: float
    latency_ns: float
    clock_ghz: float
    technology: str
    off_chip: str
    result_bits: int | None = None
    tiler: str = "optimal"

    @property
    def units(self) -> int:
        return prod(self.array)

    @property
    def facts(self) -> dict[str, Any]:
        """The point as JSON types."""
        return asdict(self) | {"array": list(self.array), "spaces": [list(space) for space in self.spaces]}

    @staticmethod
    def of_facts(facts: dict[str, Any]) -> DesignPoint:
        """Read `facts` back."""
        shape, spaces = tuple(facts["array"]), tuple(tuple(space) for space in facts["spaces"])
        return DesignPoint(**facts | {"array": shape, "spaces": spaces})

    @cached_property
    def key(self) -> str:
        """Sixteen hexadecimal digits of the point's content."""
        written = json.dumps(self.facts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(written.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        flows = "+".join("-".join(space) for space in self.spaces) or "every dataflow"
        parts = ["x".join(map(str, self.array)), flows, self.format, f"{self.buffer_bytes / 1024:g} KB"]
        parts += [f"{self.bandwidth_gb_per_s:g} GB/s", f"{self.clock_ghz:g} GHz", self.technology]
        return ", ".join(parts) + ("" if self.tiler == "optimal" else f", {self.tiler} tiler")
