"""Fitting what each primitive costs to designs that were synthesized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hw.estimate.least_squares import Numbers, non_negative_least_squares
from hw.estimate.primitives import ModulePrimitives
from hw.estimate.table import PRIMITIVES, AreaTable, DesignError


@dataclass(frozen=True, slots=True)
class Sample:
    """A design that was counted and synthesized.

    Attributes
    ----------
    tool : str
        What mapped it.
    modules : tuple of (ModulePrimitives, area of one instance in um2)
    """

    design: str
    tool: str
    modules: tuple[tuple[ModulePrimitives, float], ...]

    @property
    def area_um2(self) -> float:
        return sum(module.instances * area for module, area in self.modules)


def calibrate(samples: Sequence[Sample], library: str, held_out: Sequence[Sample] = ()) -> AreaTable:
    """Fit areas of at least 0 to every module of every design, and leave each design out once for the error.

    A module's residual counts by the root of its share of the design's area, so that large modules decide without
    drowning the control.
    """
    ratios = []
    for left_out in samples:
        fitted = _fitted([sample for sample in samples if sample is not left_out])
        ratios.append(DesignError(left_out.design, round(float(_estimated(left_out, fitted) / left_out.area_um2), 6)))
    fitted = np.array([float(f"{um2:.6g}") for um2 in _fitted(samples)])
    return AreaTable(
        library,
        samples[0].tool,
        tuple(zip(PRIMITIVES, map(float, fitted), strict=True)),
        tuple(ratios),
        tuple(DesignError(s.design, round(float(_estimated(s, fitted) / s.area_um2), 6)) for s in held_out),
    )


def written(table: AreaTable) -> str:
    """The table as a TOML file that `read_table` reads."""
    lines = [
        "# Area of primitives, written by `python -m benchmarks.calibration`; ratios: estimated over synthesized.",
        f'library = "{table.library}"',
        f'tool = "{table.tool}"',
        "",
        "[area_um2]",
        *(f"{name} = {um2}" for name, um2 in table.area_um2),
    ]
    for title, errors in (("left_out", table.left_out), ("held_out", table.held_out)):
        lines += ["", f"[{title}]", *(f"{error.design} = {error.ratio}" for error in errors)]
    return "\n".join(lines) + "\n"


def _fitted(samples: Sequence[Sample]) -> Numbers:
    rows, wanted = [], []
    for sample in samples:
        for module, area in sample.modules:
            if not area:
                continue
            weight = (module.instances / (area * sample.area_um2)) ** 0.5
            rows.append([weight * module.primitives[name] for name in PRIMITIVES])
            wanted.append(weight * area)
    return non_negative_least_squares(np.array(rows, float), np.array(wanted))


def _estimated(sample: Sample, fitted: Numbers) -> float:
    costs = dict(zip(PRIMITIVES, fitted, strict=True))
    return sum(m.instances * sum(costs[name] * n for name, n in m.primitives.items()) for m, _ in sample.modules)
