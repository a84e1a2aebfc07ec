"""How much error each part of SVDQuant takes away from a layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workloads.svdquant.layer import LayerInput, Matrix, SplitLayer, scheme_named
from workloads.svdquant.search import Settings, iterated, split_layer

# Name, whether there is a branch, whether there is smoothing.
_SPLIT_ONCE = (
    ("rounding", False, False),
    ("smoothing", False, True),
    ("branch", True, False),
    ("smoothing, branch", True, True),
)
_ITERATED = "smoothing, iterated branch"
VARIANTS = (*(name for name, _, _ in _SPLIT_ONCE), _ITERATED)


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
    rows = []
    for scheme in map(scheme_named, schemes):
        layers = {
            variant: split_layer(given, scheme, Settings(rank if branch else 0, smooth, iterations=1))
            for variant, branch, smooth in _SPLIT_ONCE
        }
        # The search has the same result as for one split, so it need not run again.
        layers[_ITERATED] = iterated(layers["smoothing, branch"], given, iterations)
        rows += [Row(scheme.name, name, layer.bits_per_weight, *errors(layer, given)) for name, layer in layers.items()]
    return Comparison(tuple(rows))


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
