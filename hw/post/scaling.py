"""Run-time factors of a quantizer: what its registers hold, from what a calibration gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hw.units.quantizer_cores import SIGNIFICANDS
from hw.units.stream_quantizer import FACTOR_POWER
from workloads.errors import BrickworkError
from workloads.formats import BlockFormat, Format

ONE = np.float32(1)


class ScalingError(BrickworkError):
    """Factors that a quantizer cannot take; lists every reason."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


@dataclass(frozen=True, slots=True)
class Scaling:
    """Factors of one run, both rounded to fp32.

    Attributes
    ----------
    alpha : float
        What an integer result is multiplied by before it is quantized; 1 for floating point.
    multiplier : float
        NVFP4's ``S``, that of a calibration; 1 for formats without a tensor scale.
    """

    alpha: float = 1.0
    multiplier: float = 1.0

    def __post_init__(self) -> None:
        with np.errstate(over="ignore"):
            for name in ("alpha", "multiplier"):
                object.__setattr__(self, name, float(np.float32(getattr(self, name))))


def scaling_faults(scaling: Scaling, made: BlockFormat, source: Format) -> Iterator[str]:
    """Sentences on factors that are not used or out of bounds."""
    for name, used, what in (
        ("alpha", source.integer, f"results are {source}, which are not scaled"),
        ("multiplier", made.tensor_scale, f"{made} has no tensor scale"),
    ):
        value = getattr(scaling, name)
        if not used and value != 1:
            yield f"{name} {value:g}: expected none, as {what}"
        elif not 2.0**-FACTOR_POWER <= value <= 2.0**FACTOR_POWER:
            yield f"{name} {value:g}: expected 2**-{FACTOR_POWER} to 2**{FACTOR_POWER}"


def factor_values(scaling: Scaling, made: BlockFormat, source: Format) -> dict[str, int]:
    """Register values by name.

    The eight inverses take the place of a divider: within the bounds of ``S`` no number on the way is subnormal, so the
    inverse of a scale ``(1 + n/8) * 2**k`` is that of ``1 + n/8`` less ``k`` in its exponent, bit for bit.

    Raises
    ------
    ScalingError
    """
    if faults := tuple(scaling_faults(scaling, made, source)):
        raise ScalingError(faults)
    values: dict[str, np.float32] = {}
    if source.integer:
        values["alpha"] = np.float32(scaling.alpha)
    if made.tensor_scale:
        multiplier = np.float32(scaling.multiplier)
        values["wanted"] = multiplier * (ONE / np.float32(6))
        tensor_scale = ONE / multiplier
        for n in range(SIGNIFICANDS):
            values[f"inverse{n}"] = ONE / (np.float32(1 + n / SIGNIFICANDS) * tensor_scale)
    return {name: int(value.view(np.uint32)) for name, value in values.items()}
