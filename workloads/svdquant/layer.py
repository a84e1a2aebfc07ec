"""A linear layer as the sum of a narrow branch in 16 bits and a residual in four."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workloads.errors import BrickworkError
from workloads.formats import BLOCK_FORMATS
from workloads.formats.block_format import ONE, BlockFormat, BlockScaled
from workloads.formats.encoding import BF16
from workloads.formats.quantize import quantize

Matrix = npt.NDArray[np.float64]


class LayerError(BrickworkError):
    """Tensors that make no layer, or settings that do not suit them."""


@dataclass(frozen=True)
class LayerInput:
    """What a layer is quantized from.

    Attributes
    ----------
    weight : array, shape (N, K)
    calibration : array, shape (tokens, K)
        Activations that everything is chosen by.
    held_out : array, shape (tokens, K)
        Activations that errors are told of. Where there are none apart, those of the calibration.

    Raises
    ------
    LayerError
    """

    weight: Matrix
    calibration: Matrix
    held_out: Matrix

    def __post_init__(self) -> None:
        for name in ("weight", "calibration", "held_out"):
            array = getattr(self, name)
            if array.ndim != 2 or not array.size:
                raise LayerError(f"{name}: expected a matrix with elements, not shape {list(array.shape)}")
            if array.shape[1] != self.weight.shape[1]:
                raise LayerError(
                    f"{name}: expected as many columns as the weight, {self.weight.shape[1]}, not {array.shape[1]}"
                )
            if not np.isfinite(array).all():
                where = np.argwhere(~np.isfinite(array))[0].tolist()
                raise LayerError(f"{name}: element {where} is {array[tuple(where)]}; expected finite numbers")


@dataclass(frozen=True, slots=True)
class Scheme:
    """How residual and activations are stored.

    Attributes
    ----------
    tensor_scale_of_activations : bool
        NVFP4 only: whether activations have an fp32 scale of their own beside those of the blocks. Without one, as in
        SVDQuant, it need not be known before the first block is quantized, but blocks beyond 2688 saturate.
    """

    name: str
    number_format: BlockFormat
    tensor_scale_of_activations: bool = False

    def weights(self, values: Matrix) -> BlockScaled:
        return quantize(values, self.number_format)

    def activations(self, values: Matrix) -> BlockScaled:
        one_level = self.number_format.tensor_scale and not self.tensor_scale_of_activations
        return quantize(values, self.number_format, multiplier=ONE if one_level else None)


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("nvfp4", BLOCK_FORMATS["nvfp4"]),
        Scheme("nvfp4_two_level", BLOCK_FORMATS["nvfp4"], tensor_scale_of_activations=True),
        Scheme("int4_g64", BLOCK_FORMATS["int4_g64"]),
    )
}


def scheme_named(name: str) -> Scheme:
    """Look a scheme up by its name.

    Raises
    ------
    LayerError
    """
    if name not in SCHEMES:
        raise LayerError(f"scheme {name!r} is not known; expected one of {', '.join(SCHEMES)}")
    return SCHEMES[name]


@dataclass(frozen=True)
class SplitLayer:
    """``y = (x / s) D^T U^T + Q(x / s) R^T``.

    Attributes
    ----------
    smoothing : array s, shape (K,)
    down, up : arrays D, U, shapes (rank, K) and (N, rank)
        Numbers that bf16 holds; rank 0 for no branch.
    residual : BlockScaled R, shape (N, K)
        What is left of ``weight * s`` after ``U D``, quantized.
    """

    scheme: Scheme
    smoothing: Matrix
    down: Matrix
    up: Matrix
    residual: BlockScaled

    @property
    def rank(self) -> int:
        return int(self.down.shape[0])

    @property
    def bits_per_weight(self) -> float:
        """Storage of residual, its scales and the branch, over the elements of the weight."""
        f = self.scheme.number_format
        n, k = self.residual.shape
        return f.element.bits + f.scale.bits / f.block + 16 * self.rank * (n + k) / (n * k)

    def weight(self) -> Matrix:
        """The matrix that the layer stands for, activations apart."""
        whole: Matrix = (self.up @ self.down + self.residual.dequantized()) / self.smoothing
        return whole

    def run(self, activations: Matrix) -> Matrix:
        """The layer, sums in fp64; shape ``(tokens, N)``.

        Raises
        ------
        LayerError
        """
        if activations.ndim != 2 or activations.shape[1] != len(self.smoothing):
            raise LayerError(
                f"activations: expected shape [tokens, {len(self.smoothing)}], not {list(activations.shape)}"
            )
        smooth = activations / self.smoothing
        narrow = smooth @ self.down.T @ self.up.T
        small = self.scheme.activations(smooth).dequantized().astype(np.float64)
        whole: Matrix = narrow + small @ self.residual.dequantized().astype(np.float64).T
        return whole


def split(scheme: Scheme, weight: Matrix, smoothing: Matrix, down: Matrix, up: Matrix) -> SplitLayer:
    """The layer with the branch ``up down``, rounded to bf16 before the residual is taken, which mends that too."""
    narrow = BF16.rounded(down), BF16.rounded(up)
    return SplitLayer(scheme, smoothing, *narrow, scheme.weights(weight * smoothing - narrow[1] @ narrow[0]))
