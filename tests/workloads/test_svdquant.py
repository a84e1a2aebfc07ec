"""SVDQuant against its definition, its bounds, and what its paper says that each part is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from workloads.errors import BrickworkError
from workloads.formats.encoding import BF16
from workloads.formats.exact import matmul
from workloads.formats.quantize import quantize
from workloads.svdquant import LayerInput, Scheme, Settings, SplitLayer, compare, split_layer
from workloads.svdquant.compare import VARIANTS, errors
from workloads.svdquant.layer import SCHEMES, scheme_named, split
from workloads.svdquant.search import iterated, low_rank, smoothings, squared_error
from workloads.svdquant.tensors import KINDS, drawn_layer, read_layer

SMALL = drawn_layer("outlier channels", 48, 64, 40)
SCHEME_LIST = list(SCHEMES.values())


@pytest.mark.parametrize("scheme", SCHEME_LIST, ids=lambda scheme: scheme.name)
@pytest.mark.parametrize(("rank", "smooth"), [(0, False), (0, True), (4, False), (5, True)])
def test_layer_is_branch_and_residual(scheme: Scheme, rank: int, smooth: bool) -> None:
    layer = split_layer(SMALL, scheme, Settings(rank, smooth, iterations=2))
    assert layer.rank == rank and (layer.smoothing != 1).any() == smooth
    np.testing.assert_array_equal(layer.down, BF16.rounded(layer.down))
    branch = layer.up @ layer.down
    # The residual is what the branch leaves, quantized, and nothing else is lost.
    left = SMALL.weight * layer.smoothing - branch
    np.testing.assert_array_equal(layer.residual.elements, scheme.weights(left).elements)
    for t in (0, 17):
        x = SMALL.held_out[t] / layer.smoothing
        small = scheme.activations(SMALL.held_out / layer.smoothing).dequantized()[t]
        y = [sum(row * x) for row in branch] + np.array(
            [sum(row.astype(float) * small) for row in layer.residual.dequantized()]
        )
        np.testing.assert_allclose(layer.run(SMALL.held_out)[t], y, rtol=1e-9, atol=1e-9)


def test_residual_product_is_the_exact_one() -> None:
    layer = split_layer(SMALL, SCHEMES["nvfp4"], Settings(4))
    smooth = SMALL.held_out / layer.smoothing
    activations = layer.scheme.activations(smooth)
    assert activations.tensor_scale == 1
    exact = matmul(activations, layer.residual)
    np.testing.assert_allclose(
        layer.run(SMALL.held_out) - smooth @ layer.down.T @ layer.up.T, exact, rtol=1e-6, atol=1e-6
    )


def test_given_multiplier_takes_the_place_of_the_tensors_own() -> None:
    values = np.linspace(-9, 9, 64).reshape(2, 32)
    nvfp4 = SCHEMES["nvfp4"].number_format
    own = quantize(values, nvfp4)
    same = quantize(values, nvfp4, multiplier=np.float32(2688) / np.float32(9))
    assert same.tensor_scale == own.tensor_scale
    np.testing.assert_array_equal(same.codes, own.codes)
    # Block scales alone: above 2688 they saturate, below 6 * 2**-10 they are zero.
    extremes = np.zeros((3, 16))
    extremes[0, 0], extremes[1, 0], extremes[2, 0] = 5000, 6 * 2.0**-11, 6 * 2.0**-9
    found = SCHEMES["nvfp4"].activations(extremes).dequantized()[:, 0]
    assert found.tolist() == [2688, 0, 6 * 2.0**-9]


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_low_rank_is_the_nearest(rank: int) -> None:
    matrix = np.random.default_rng(1).standard_normal((9, 12))
    down, up = low_rank(matrix, rank)
    values = np.linalg.svd(matrix, compute_uv=False)
    # C. Eckart and G. Young, 1936.
    assert np.linalg.norm(matrix - up @ down) == pytest.approx(np.sqrt(np.square(values[rank:]).sum()))
    assert down.shape == (rank, 12) and up.shape == (9, rank)


def test_smoothing_grid() -> None:
    given = LayerInput(np.array([[4.0, -0.5, 1, 0]]), np.array([[16.0, 1, 0, 2]]), np.array([[1.0, 1, 1, 1]]))
    found = smoothings(given)
    # None, 20 of the activations alone, and 19 of both: at exponent 1 the weight has none.
    assert len(found) == 40 and len({tuple(f) for f in found}) == 40
    assert (found[0] == 1).all() and all((f[2:] == 1).all() for f in found)
    for a in (0.05, 0.5, 1.0):
        expected = [np.array([16**a, 1]), np.array([16**a / 4 ** (1 - a), 1 / 0.5 ** (1 - a)])]
        assert all(any(np.allclose(f[:2], e) for f in found) for e in expected)


def naive_choice(given: LayerInput, scheme: Scheme, rank: int) -> SplitLayer:
    """Every candidate, the first of the best."""
    layers = []
    for smoothing in smoothings(given):
        u, s, vt = np.linalg.svd(given.weight * smoothing)
        layers.append(split(scheme, given.weight, smoothing, vt[:rank], (u[:, : len(s)] * s)[:, :rank]))
    expected = given.calibration @ given.weight.T
    return min(layers, key=lambda layer: np.linalg.norm(layer.run(given.calibration) - expected))


@pytest.mark.parametrize("scheme", SCHEME_LIST, ids=lambda scheme: scheme.name)
def test_smoothing_is_the_best_of_the_grid(scheme: Scheme) -> None:
    found, expected = split_layer(SMALL, scheme, Settings(3, iterations=1)), naive_choice(SMALL, scheme, 3)
    np.testing.assert_array_equal(found.smoothing, expected.smoothing)


@pytest.mark.parametrize("scheme", SCHEME_LIST, ids=lambda scheme: scheme.name)
def test_iteration_stops_where_the_error_rises(scheme: Scheme) -> None:
    expected = SMALL.calibration @ SMALL.weight.T
    settings = Settings(4)
    by_hand = [split_layer(SMALL, scheme, replace(settings, iterations=1))]
    while True:
        last = by_hand[-1]
        branch = low_rank(SMALL.weight * last.smoothing - last.residual.dequantized(), 4)
        by_hand.append(split(scheme, SMALL.weight, last.smoothing, *branch))
        of = [squared_error(layer, SMALL.calibration, expected) for layer in by_hand]
        if of[-1] >= of[-2]:
            break
    assert len(by_hand) > 2
    found = iterated(by_hand[0], SMALL, 100)
    np.testing.assert_array_equal(found.down, by_hand[-2].down)
    np.testing.assert_array_equal(iterated(by_hand[0], SMALL, 2).down, by_hand[1].down)
    np.testing.assert_array_equal(split_layer(SMALL, scheme, settings).down, by_hand[-2].down)


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_helps(kind: str) -> None:
    given = drawn_layer(kind, 96, 128, 64)
    found = compare(given, rank=16, iterations=10)
    for scheme in ("nvfp4", "int4_g64"):
        error = {variant: found.row(scheme, variant).output_error for variant in VARIANTS}
        assert error["branch"] < error["rounding"]
        assert error["smoothing, branch"] < error["smoothing"]
        assert error["smoothing, iterated branch"] <= error["smoothing, branch"]
        if "outlier" in kind:
            # What smoothing is for: at least a third of the error goes.
            assert error["smoothing, branch"] < 0.67 * error["branch"]


def test_residual_bounds_the_error_of_the_weight() -> None:
    # Quantization loses at most half a step of six, relative to each block's largest; |R| bounds them all.
    given = drawn_layer("outlier channels, decaying weight", 96, 128, 8)
    for rank in (0, 8, 32):
        layer = split_layer(given, SCHEMES["int4_g64"], Settings(rank, smooth=False, iterations=1))
        left = np.linalg.norm(given.weight - layer.up @ layer.down)
        assert np.linalg.norm(layer.weight() - given.weight) < left * 0.25


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_numbers_at_the_ends_of_fp32(size: float) -> None:
    given = LayerInput(SMALL.weight * size, SMALL.calibration * size, SMALL.held_out * size)
    given.weight[:, 3] *= 1e-300
    found = errors(split_layer(given, SCHEMES["nvfp4_two_level"], Settings(4)), given)
    assert found[0] < 0.2 and all(np.abs(given.weight * s).max() < 2.0**101 for s in smoothings(given))


def test_bits_and_text() -> None:
    layer = split_layer(SMALL, SCHEMES["nvfp4"], Settings(4, smooth=False))
    assert layer.bits_per_weight == 4.5 + 16 * 4 * (48 + 64) / (48 * 64)
    output_error, weight_error = errors(split_layer(SMALL, SCHEMES["nvfp4"], Settings(0, smooth=False)), SMALL)
    text = str(compare(SMALL, ("nvfp4",), rank=2, iterations=1)).splitlines()
    assert text[2] == f"| nvfp4 | rounding | 4.500 | {100 * output_error:.2f} % | {100 * weight_error:.2f} % |"
    assert len(text) == 2 + len(VARIANTS)


@pytest.mark.parametrize("scheme", SCHEME_LIST, ids=lambda scheme: scheme.name)
def test_zeros(scheme: Scheme) -> None:
    zeros = np.zeros((3, 64))
    layer = split_layer(LayerInput(zeros, zeros, zeros), scheme, Settings(2))
    assert not layer.run(zeros).any() and errors(layer, LayerInput(zeros, zeros, zeros)) == (0, 0)


def saved(path: Path, **arrays: object) -> Path:
    np.savez(path / "layer.npz", **arrays)  # type: ignore[arg-type]
    return path / "layer.npz"


def test_file(tmp_path: Path) -> None:
    w, x = SMALL.weight.astype(np.float16), SMALL.calibration.astype(np.float32)
    found = read_layer(saved(tmp_path, weight=w, activations=x))
    np.testing.assert_array_equal(found.weight, w)
    np.testing.assert_array_equal(found.calibration, x)
    np.testing.assert_array_equal(found.held_out, x)
    assert found.weight.dtype == np.float64
    found = read_layer(saved(tmp_path, weight=w, activations=x, held_out=x[:3]))
    assert found.held_out.shape == (3, 64)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"weight": np.ones((2, 16))}, "{}: expected an array 'activations'; it has 'weight'"),
        ({}, "{}: expected an array 'weight'; it has none"),
        (
            {"weight": np.array(["a"]), "activations": np.ones((2, 16))},
            "{}: array 'weight' has elements of type <U1; expected real numbers",
        ),
        (
            {"weight": np.ones(16), "activations": np.ones((2, 16))},
            "weight: expected a matrix with elements, not shape [16]",
        ),
        (
            {"weight": np.ones((2, 16)), "activations": np.ones((2, 8))},
            "calibration: expected as many columns as the weight, 16, not 8",
        ),
        (
            {"weight": np.ones((2, 16)), "activations": np.full((2, 16), np.nan)},
            "calibration: element [0, 0] is nan; expected finite numbers",
        ),
    ],
)
def test_files_refused(tmp_path: Path, arrays: dict[str, np.ndarray], says: str) -> None:
    path = saved(tmp_path, **arrays)
    with pytest.raises(BrickworkError) as caught:
        read_layer(path)
    assert str(caught.value) == says.format(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"\x93NUMPY", b"PK\x03\x04rest"])
def test_files_that_are_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "layer.npz"
    path.write_bytes(content)
    with pytest.raises(BrickworkError) as caught:
        read_layer(path)
    assert str(caught.value) == f"{path}: cannot be read: it is no .npz file of numbers"


def test_files_that_are_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(BrickworkError) as caught:
        read_layer(tmp_path / "none.npz")
    assert str(caught.value) == f"{tmp_path / 'none.npz'}: cannot be read: No such file or directory"
    np.save(tmp_path / "one.npy", np.ones(3))
    with pytest.raises(BrickworkError) as caught:
        read_layer(tmp_path / "one.npy")
    assert str(caught.value) == f"{tmp_path / 'one.npy'}: expected an .npz file of several arrays, not a single array"
    objects = np.array([{}], dtype=object)
    path = saved(tmp_path, weight=objects)
    with pytest.raises(BrickworkError) as caught:
        read_layer(path)
    assert str(caught.value) == f"{path}: cannot be read: it is no .npz file of numbers"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: split_layer(SMALL, SCHEMES["nvfp4"], Settings(2)).run(np.ones((3, 65))),
            "activations: expected shape [tokens, 64], not [3, 65]",
        ),
        (
            lambda: quantize(np.ones(16), SCHEMES["nvfp4"].number_format, multiplier=np.float32(0)),
            "format 'nvfp4': multiplier 0.0: expected a positive multiplier",
        ),
        (
            lambda: quantize(np.ones(64), SCHEMES["int4_g64"].number_format, multiplier=np.float32(1)),
            "format 'int4_g64': multiplier 1.0: expected none: there is no tensor scale",
        ),
        (lambda: Settings(rank=-1), "settings: rank must be at least 0, not -1"),
        (lambda: Settings(iterations=0), "settings: iterations must be at least 1, not 0"),
        (
            lambda: split_layer(SMALL, SCHEMES["nvfp4"], Settings(rank=49)),
            "settings: rank 49 is beyond that of a weight of shape [48, 64]",
        ),
        (
            lambda: compare(drawn_layer("normal", 8, 32, 4), ("int4_g64",), rank=1),
            "format 'int4_g64': expected a last axis of a multiple of 64 elements, but it has 32",
        ),
        (
            lambda: scheme_named("fp3"),
            "scheme 'fp3' is not known; expected one of nvfp4, nvfp4_two_level, int4_g64",
        ),
        (
            lambda: drawn_layer("odd", 2, 2, 2),
            "layer 'odd' is not known; expected one of normal, outlier channels, heavy tails, "
            "outlier channels, decaying weight",
        ),
    ],
)
def test_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(BrickworkError) as caught:
        make()
    assert str(caught.value) == says
