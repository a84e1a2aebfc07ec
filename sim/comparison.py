"""How a run's outputs and cycles differ from what was expected, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]


def output_faults(name: str, output: Array, expected: Array) -> Iterator[str]:
    """A sentence where outputs differ."""
    # Bits, so that zeros have a sign and NaN is equal to itself; there is one NaN only, whatever its bits here.
    same = output.view(np.uint32) == expected.view(np.uint32) if output.dtype == np.float32 else output == expected
    if output.dtype == np.float32:
        same |= np.isnan(output) & np.isnan(expected)
    wrong = np.argwhere(~same)
    if len(wrong):
        first = tuple(wrong[0])
        yield (
            f"tensor {name!r} differs in {len(wrong)} of {expected.size} elements, "
            f"first at {[int(i) for i in first]}: expected {expected[first]}, got {output[first]}"
        )


def cycle_faults(runs: Iterable[tuple[int, int, int]]) -> Iterator[str]:
    """A sentence on each run whose cycles, predicted, counted and timed, are not the same."""
    for number, (predicted, counted, timed) in enumerate(runs):
        if counted != predicted:
            yield f"run {number} took {counted} cycles by the design's counter; predicted were {predicted}"
        if timed != counted:
            yield f"run {number} took {timed} cycles by the clock; the design's counter says {counted}"
