"""Least squares with coefficients of at least 0."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


def non_negative_least_squares(rows: Numbers, wanted: Numbers) -> Numbers:
    """The x >= 0 with the least ``|rows x - wanted|``, by the active-set method of Lawson and Hanson [1]_.

    References
    ----------
    .. [1] C. L. Lawson and R. J. Hanson, "Solving Least Squares Problems", 1974, chapter 23.
    """
    count = rows.shape[1]
    found = np.zeros(count)
    free = np.zeros(count, bool)
    tolerance = 1e-9 * max(1.0, float(np.abs(rows.T @ wanted).max(initial=0.0)))
    while True:
        slope = rows.T @ (wanted - rows @ found)
        if free.all() or slope[~free].max() <= tolerance:
            return found
        free[np.argmax(np.where(free, -np.inf, slope))] = True
        while True:
            trial = np.zeros(count)
            trial[free] = np.linalg.lstsq(rows[:, free], wanted, rcond=None)[0]
            below = free & (trial <= 0)
            if not below.any():
                break
            part = (found[below] / (found[below] - trial[below])).min()
            found = found + part * (trial - found)
            free &= found > 1e-15
            found[~free] = 0.0
        found = trial
