"""Choose smoothing and low-rank branch of a layer by its output error on calibration data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from workloads.svdquant.layer import LayerError, LayerInput, Matrix, Scheme, SplitLayer, split

GRID = 20
_FAR = 2.0**100


@dataclass(frozen=True, slots=True)
class Settings:
    """What to search.

    Attributes
    ----------
    rank : int
        Of the branch; 0 for none.
    smooth : bool
        Search the exponents of the smoothing; otherwise there is none.
    iterations : int
        At most so many splits; 1 is the plain one.

    Raises
    ------
    LayerError
    """

    rank: int = 32
    smooth: bool = True
    iterations: int = 100

    def __post_init__(self) -> None:
        for name, least in {"rank": 0, "iterations": 1}.items():
            if getattr(self, name) < least:
                raise LayerError(f"settings: {name} must be at least {least}, not {getattr(self, name)}")


def split_layer(given: LayerInput, scheme: Scheme, settings: Settings) -> SplitLayer:
    """Smooth, split, and split again with what the residual loses, for as long as the output error falls.

    Raises
    ------
    LayerError
        The rank is beyond that of the weight.
    BlockError
        K is no multiple of the scheme's block, or numbers leave fp32.

    References
    ----------
    M. Li et al., "SVDQuant", arXiv 2411.05007; the grid and the iteration are those of the released
    deepcompressor.
    """
    if settings.rank > min(given.weight.shape):
        raise LayerError(
            f"settings: rank {settings.rank} is beyond that of a weight of shape {list(given.weight.shape)}"
        )
    expected = given.calibration @ given.weight.T
    candidates = smoothings(given) if settings.smooth else (np.ones(given.weight.shape[1]),)
    best, least = None, np.inf
    for smoothing in candidates:
        smooth = given.weight * smoothing
        layer = split(scheme, given.weight, smoothing, *low_rank(smooth, settings.rank))
        error = squared_error(layer, given.calibration, expected)
        if best is None or error < least:
            best, least = layer, error
    assert best is not None
    return iterated(best, given, settings.iterations)


def smoothings(given: LayerInput) -> tuple[Matrix, ...]:
    """Factors of the columns: none, and for a = 1/20 to 1, ``x^a`` and ``x^a / w^(1 - a)``.

    x and w are the largest magnitudes of a column in the activations and in the weight; a column of zeros is left as
    it is. Factors that take numbers towards the end of fp32 are left out.
    """
    x, w = (np.abs(array).max(axis=0) for array in (given.calibration, given.weight))
    zero = (x == 0) | (w == 0)
    x, w = np.where(zero, 1, x), np.where(zero, 1, w)
    exponents = [(a / GRID, b) for a, b in product(range(1, GRID + 1), (False, True)) if a < GRID or not b]
    factors = [x**a / w ** (1 - a) if both else x**a for a, both in exponents]
    smoothed = (np.where(zero, 1, factor) for factor in factors)
    return (np.ones_like(x), *(s for s in smoothed if max((x / s).max(), (w * s).max()) < _FAR))


def low_rank(matrix: Matrix, rank: int) -> tuple[Matrix, Matrix]:
    """``down, up`` with ``up @ down`` nearest to the matrix: rows of V^T, and U S."""
    if not rank:
        return np.zeros((0, matrix.shape[1])), np.zeros((matrix.shape[0], 0))
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    return vt[:rank], u[:, :rank] * s[:rank]


def iterated(layer: SplitLayer, given: LayerInput, iterations: int) -> SplitLayer:
    """``L <- SVD(W - Q(W - L))`` until the output error no longer falls; the best of at most so many layers."""
    smooth = given.weight * layer.smoothing
    expected = given.calibration @ given.weight.T
    least = squared_error(layer, given.calibration, expected)
    for _ in range(iterations - 1 if layer.rank else 0):
        branch = low_rank(smooth - layer.residual.dequantized(), layer.rank)
        following = split(layer.scheme, given.weight, layer.smoothing, *branch)
        error = squared_error(following, given.calibration, expected)
        if error >= least:
            break
        layer, least = following, error
    return layer


def squared_error(layer: SplitLayer, activations: Matrix, expected: Matrix) -> float:
    """``|y - expected|^2`` summed."""
    return float(np.square(layer.run(activations) - expected).sum())
