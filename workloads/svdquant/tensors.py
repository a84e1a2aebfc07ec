"""Layers to quantize: from a file, or drawn with the outliers that four bits suffer from."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workloads.svdquant.layer import LayerError, LayerInput, Matrix

Draw = Callable[[np.random.Generator, tuple[int, int]], Matrix]


def read_layer(path: Path) -> LayerInput:
    """Read ``weight`` (N, K), ``activations`` (tokens, K) and, where it is there, ``held_out`` from an .npz file.

    Raises
    ------
    LayerError
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise LayerError(f"{path}: expected an .npz file of several arrays, not a single array")
        with loaded as file:
            arrays = {name: _numbers(path, name, file) for name in file.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no .npz file of numbers"
        raise LayerError(f"{path}: cannot be read: {reason}") from error
    for name in ("weight", "activations"):
        if name not in arrays:
            found = ", ".join(repr(n) for n in arrays) or "none"
            raise LayerError(f"{path}: expected an array {name!r}; it has {found}")
    return LayerInput(arrays["weight"], arrays["activations"], arrays.get("held_out", arrays["activations"]))


def _numbers(path: Path, name: str, file: np.lib.npyio.NpzFile) -> Matrix:
    array: npt.NDArray[np.generic] = file[name]
    if array.dtype.kind not in "fiu":
        raise LayerError(f"{path}: array {name!r} has elements of type {array.dtype}; expected real numbers")
    return array.astype(np.float64)


def _channels(rng: np.random.Generator, shape: tuple[int, int]) -> Matrix:
    """Normal, with one column in 64 thirty times as large."""
    gain = np.ones(shape[1])
    gain[:: min(64, shape[1])] = 30
    return rng.standard_normal(shape) * gain


def _heavy(rng: np.random.Generator, shape: tuple[int, int]) -> Matrix:
    return rng.standard_t(3, shape)


def _normal(rng: np.random.Generator, shape: tuple[int, int]) -> Matrix:
    return rng.standard_normal(shape)


def _decaying(rng: np.random.Generator, shape: tuple[int, int]) -> Matrix:
    """Normal, and a part of rank 16 that is as large as the rest, as in trained weights."""
    rank = min(16, *shape)
    part = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
    whole: Matrix = rng.standard_normal(shape) + part / rank**0.5
    return whole


# Kinds of layers by name: how weights and activations are drawn.
KINDS: dict[str, tuple[Draw, Draw]] = {
    "normal": (_normal, _normal),
    "outlier channels": (_normal, _channels),
    "heavy tails": (_normal, _heavy),
    "outlier channels, decaying weight": (_decaying, _channels),
}


def drawn_layer(kind: str, outputs: int, inputs: int, tokens: int, seed: int = 0) -> LayerInput:
    """A seeded layer of one of `KINDS`; held-out activations are drawn apart.

    Raises
    ------
    LayerError
    """
    if kind not in KINDS:
        raise LayerError(f"layer {kind!r} is not known; expected one of {', '.join(KINDS)}")
    weight, activations = KINDS[kind]
    rng = np.random.default_rng(seed)
    return LayerInput(
        weight(rng, (outputs, inputs)) / inputs**0.5,
        activations(rng, (tokens, inputs)),
        activations(rng, (tokens, inputs)),
    )
