"""How much error each part of SVDQuant takes away from a layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workloads.svdquant.layer import LayerInput, Matrix, SplitLayer, scheme_named
from workloads.svdquant.search import Settings, split_layer

VARIANTS = {
    "rounding": Settings(rank=0, smooth=False),
    "smoothing": Settings(rank=0),
    "branch": Settings(smooth=False, iterations=1),
    "smoothing, branch": Settings(iterations=1),
    "smoothing, iterated branch": Settings(),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One variant of a layer.

    Attributes
    ----------
    output_error, weight_error : float
        ``|found - expected| / |expected|`` in the Frobenius norm: of outputs on held-out activations, and of the
        weight alone, unquantized activations assumed.
    """

    scheme: str
    variant: str
    bits_per_weight: float
    output_error: float
    weight_error: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Errors of one layer in several schemes and variants."""

    rows: tuple[Row, ...]

    def row(self, scheme: str, variant: str) -> Row:
        """The one row of that name."""
        return next(row for row in self.rows if (row.scheme, row.variant) == (scheme, variant))

    def __str__(self) -> str:
        lines = ["| scheme | variant | bits a weight | output error | weight error |", "|---|---|---|---|---|"]
        for row in self.rows:
            errors = f"{100 * row.output_error:.2f} % | {100 * row.weight_error:.2f} %"
            lines.append(f"| {row.scheme} | {row.variant} | {row.bits_per_weight:.3f} | {errors} |")
        return "\n".join(lines)


def compare(
    given: LayerInput, schemes: tuple[str, ...] = ("nvfp4", "int4_g64"), *, rank: int = 32, iterations: int = 100
) -> Comparison:
    """Quantize a layer in every scheme and variant.

    Raises
    ------
    LayerError, BlockError
    """
    found = []
    for name in schemes:
        scheme = scheme_named(name)
        for variant, settings in VARIANTS.items():
            chosen = Settings(min(settings.rank, rank), settings.smooth, min(settings.iterations, iterations))
            layer = split_layer(given, scheme, chosen)
            found.append(Row(name, variant, layer.bits_per_weight, *errors(layer, given)))
    return Comparison(tuple(found))


def errors(layer: SplitLayer, given: LayerInput) -> tuple[float, float]:
    """Relative errors of outputs on held-out activations, and of the weight."""
    return (
        _relative(layer.run(given.held_out), given.held_out @ given.weight.T),
        _relative(layer.weight(), given.weight),
    )


def _relative(found: Matrix, expected: Matrix) -> float:
    size = float(np.linalg.norm(expected))
    error = float(np.linalg.norm(found - expected))
    return error / size if size else error
