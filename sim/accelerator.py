"""What a simulation needs of a design and of its runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from workloads.formats.coded import CodedBlocks
from workloads.nest import Nest

Array = npt.NDArray[np.generic]
Bytes = npt.NDArray[np.uint8]


class Accelerator(Protocol):
    """A design behind the host port."""

    @property
    def name(self) -> str: ...
    @property
    def top(self) -> str: ...
    @property
    def verilog(self) -> str: ...
    @property
    def host_bits(self) -> int: ...
    @property
    def manifest(self) -> Mapping[str, Any]: ...


class Load(Protocol):
    """Rows for the banks of one tensor, from an in-bank address on."""

    @property
    def tensor_id(self) -> int: ...
    @property
    def address(self) -> int: ...
    @property
    def rows(self) -> Bytes: ...


class Run(Protocol):
    """One start-to-done of a design."""

    @property
    def registers(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def predicted_cycles(self) -> int: ...
    @property
    def readback(self) -> tuple[int, int, int, int]: ...
    def loads(self, tensors: Mapping[str, Array], output: Array) -> Sequence[Load]: ...
    def store(self, rows: Bytes, output: Array) -> None: ...


class QuantizingRun(Run, Protocol):
    """One start-to-done of a design that quantizes its results."""

    def store_blocks(self, rows: Bytes, coded: CodedBlocks) -> bool: ...


Program = Callable[[Any, Nest], Sequence[Run]]
