from __future__ import annotations

import numpy as np
import pytest
import torch
from norm_cases import CASES, Case
from programs import interpreted

from sw_kernels.rms_norm.launch import NormError, rms_norm
from sw_kernels.rms_norm.naive import rms_norm_naively
from sw_kernels.rms_norm.noise import Noise, NoiseError, philox

# Elements are compared one by one; the library's logarithm and cosine bring the noise to a few units of 2**-20.
MOST_ERROR = {"fp32": 5e-6, "fp16": 5e-4}


@pytest.mark.parametrize("dtype", MOST_ERROR)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_norm_is_the_definition(case: Case, dtype: str) -> None:
    row = interpreted()[f"norm-{case.id}-{dtype}"]
    assert row["error"] <= MOST_ERROR[dtype]
    assert row["residual"]


def test_definition_without_extras_is_the_library() -> None:
    x, weight = torch.randn(3, 10, dtype=torch.float64), torch.randn(10, dtype=torch.float64)
    _, ours = rms_norm_naively(x, weight, None, 1e-5, None)
    torch.testing.assert_close(ours, torch.nn.functional.rms_norm(x, (10,), weight, 1e-5))


@pytest.mark.parametrize(
    ("counter", "seed", "words"),
    [
        (0, 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        # From the rounds as published, in Python's integers.
        (0xFFFFFFFF00000001, (1 << 63) - 1, (0x13164B4B, 0xB01EF23A, 0xD5B91F25, 0xF1D54778)),
    ],
    ids=["zeros-as-published", "both-halves"],
)
def test_philox(counter: int, seed: int, words: tuple[int, ...]) -> None:
    found = tuple(int(word[0]) for word in philox(np.array([counter], dtype=np.uint64), seed))
    assert found == words


def test_noise_is_normal_and_repeats() -> None:
    noise = Noise(2.0, 77)
    values = noise.values(100_000)
    assert (values == noise.values(100_000)).all()
    assert not np.isclose(values, Noise(2.0, 78).values(100_000)).mean() > 0.01
    # Five standard errors.
    assert abs(values.mean()) < 5 * 2 / 100_000**0.5
    assert abs(values.std() - 2) < 5 * 2 / 200_000**0.5


@pytest.mark.parametrize(
    ("sigma", "seed", "says"),
    [
        (-0.1, 0, "noise: sigma must be a number of at least 0, not -0.1"),
        (float("nan"), 0, "noise: sigma must be a number of at least 0, not nan"),
        (0.1, -1, "noise: the seed must be of 0..2**63 - 1, not -1"),
        (0.1, 1 << 63, "noise: the seed must be of 0..2**63 - 1, not 9223372036854775808"),
    ],
)
def test_noise_rejects(sigma: float, seed: int, says: str) -> None:
    with pytest.raises(NoiseError) as caught:
        Noise(sigma, seed)
    assert str(caught.value) == says


def test_norm_lists_every_fault() -> None:
    with pytest.raises(NormError) as caught:
        rms_norm(torch.zeros(4, 3).T, torch.zeros(3), torch.zeros(3, 4).half(), residual=torch.zeros(4, 3))
    assert str(caught.value) == (
        "rms norm: x is stored by columns; expected rows\n"
        "rms norm: the weight has shape [3] and type float32; expected [4] and float32, contiguous\n"
        "rms norm: the output has shape [3, 4] and type float16; expected [3, 4] and float32, contiguous\n"
        "rms norm: the residual has shape [4, 3] and type float32; expected [3, 4] and float32, contiguous"
    )


def test_norm_holds_a_row_in_registers() -> None:
    with pytest.raises(NormError) as caught:
        rms_norm(torch.zeros(1, 40000), torch.zeros(40000), torch.zeros(1, 40000))
    assert str(caught.value) == (
        "rms norm: x has shape [1, 40000]; expected [rows, channels] with at most 32768 channels"
    )
