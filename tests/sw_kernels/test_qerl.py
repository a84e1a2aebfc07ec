"""QeRL's pieces, each against its definition, and training that makes the reward rise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from sw_kernels.qerl import arithmetic
from sw_kernels.qerl.layers import AdaptedLinear, FrozenMatrix, RmsNorm
from sw_kernels.qerl.model import Policy, grouped_attention
from sw_kernels.qerl.noise_schedule import NoiseSchedule
from sw_kernels.qerl.objective import clipped_loss, group_advantages, token_log_probabilities
from sw_kernels.qerl.train import SMALL, Settings, answer_log_probabilities, train
from workloads.errors import BrickworkError
from workloads.formats import BLOCK_FORMATS
from workloads.formats.quantize import quantize

NVFP4 = BLOCK_FORMATS["nvfp4"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    # Matrices are too small to share, and threads that wait for each other on busy cores take ten times as long.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("form", ["paper", "code"])
def test_noise_falls_from_stage_to_stage(form: str) -> None:
    schedule = NoiseSchedule(1e-2, 1e-4, 10, 105, form)  # type: ignore[arg-type]
    sigmas = [schedule.sigma(step) for step in range(1, 106)]
    # 105 // 10 steps a stage, and the 5 left over in the last.
    stages = [sigmas[i] for i in range(0, 100, 10)]
    assert all(sigmas[i] == stages[min(i // 10, 9)] for i in range(105))
    assert stages[0] == 0 and stages[1] == 1e-2
    ratio = 10 ** (-2 / (9 if form == "paper" else 8))
    np.testing.assert_allclose(stages[1:], [1e-2 * ratio**i for i in range(9)])
    assert math.isclose(stages[9], 1e-4) == (form == "code")


@pytest.mark.parametrize("shape", [(1, 2), (3, 4), (5, 16)])
def test_advantages(shape: tuple[int, int]) -> None:
    rewards = torch.rand(shape, generator=generator(0), dtype=torch.float64)
    rewards[0] = 1
    found = group_advantages(rewards)
    for row, given in zip(found.tolist(), rewards.tolist(), strict=True):
        mean = sum(given) / len(given)
        deviation = math.sqrt(sum((r - mean) ** 2 for r in given) / (len(given) - 1))
        assert row == pytest.approx([(r - mean) / (deviation + 1e-4) for r in given])
    assert not found[0].any()


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probabilities(temperature: float) -> None:
    scores = torch.randn(3, 5, 7, generator=generator(0)) * 50
    tokens = torch.randint(0, 7, (3, 5), generator=generator(1))
    expected = torch.log_softmax(scores.double() / temperature, dim=-1)
    for index in np.ndindex(3, 5):
        found = token_log_probabilities(scores, tokens, temperature)[index]
        assert float(found) == pytest.approx(float(expected[index][tokens[index]]), abs=1e-4)


def test_loss_is_clipped_on_each_side() -> None:
    rng = np.random.default_rng(0)
    new, old = rng.normal(0, 0.5, (6, 5)), rng.normal(0, 0.5, (6, 5))
    gains, mask = rng.normal(0, 1, 6), rng.integers(0, 2, (6, 5))
    mask[2] = 0
    total, outside = 0.0, set()
    for i, t in np.ndindex(6, 5):
        ratio = math.exp(new[i, t] - old[i, t])
        clipped = min(max(ratio, 0.8), 1.28)
        if mask[i, t] and ratio * gains[i] > clipped * gains[i]:
            outside.add(clipped)
        total -= min(ratio * gains[i], clipped * gains[i]) * mask[i, t]
    assert outside == {0.8, 1.28}
    found = clipped_loss(*(torch.tensor(x) for x in (new, old, gains, mask)))
    assert float(found) == pytest.approx(total / mask.sum())
    assert float(clipped_loss(*(torch.tensor(x) for x in (new, old, gains, 0 * mask)))) == 0


@pytest.mark.parametrize("name", ["nvfp4", "mxfp4"])
def test_frozen_matrix_means_what_the_format_says(name: str) -> None:
    weight = torch.randn(7, 96, generator=generator(0)) * 1e-2
    weight[0, :32] = 0
    matrix = FrozenMatrix(weight, BLOCK_FORMATS[name])
    np.testing.assert_array_equal(matrix.weight().numpy(), quantize(weight.numpy(), BLOCK_FORMATS[name]).dequantized())
    assert matrix.packed.numel() == weight.numel() // 2


def test_adapter_is_beside_the_matrix_and_silent_at_first() -> None:
    weight, x = torch.randn(5, 32, generator=generator(0)), torch.randn(3, 32, generator=generator(1))
    linear = AdaptedLinear(weight, 2, NVFP4, generator(2))
    base = quantize(weight.numpy(), NVFP4).dequantized()
    torch.testing.assert_close(linear(x).detach(), x @ torch.from_numpy(base).T)
    with torch.no_grad():
        linear.up.normal_(generator=generator(3))
    merged = torch.from_numpy(base) + linear.up @ linear.down
    torch.testing.assert_close(linear(x), x @ merged.T)
    linear(x).sum().backward()
    assert linear.up.grad is not None and linear.down.grad is not None
    assert sum(p.numel() for p in linear.parameters()) == 2 * (5 + 32)


def test_noise_of_the_normalisation_is_noise_of_columns() -> None:
    w, x = torch.rand(16, generator=generator(0)) + 0.5, torch.randn(4, 16, generator=generator(1))
    matrix = torch.randn(9, 16, generator=generator(2))
    norm = RmsNorm(w)
    silent = norm(x)
    norm.draw(0.05, generator(3))
    assert 0 < norm.noise.std() < 0.1
    torch.testing.assert_close(norm(x) @ matrix.T, silent @ (matrix * (norm.noise / w + 1)).T)
    norm.draw(0.0, generator(3))
    torch.testing.assert_close(norm(x), torch.nn.functional.rms_norm(x, (16,), w, 1e-6))


@pytest.mark.parametrize(("heads", "groups", "new", "cached"), [(1, 1, 1, 0), (6, 2, 3, 0), (6, 3, 1, 5), (4, 1, 2, 3)])
def test_grouped_attention(heads: int, groups: int, new: int, cached: int) -> None:
    draw = generator(0)
    queries = torch.randn(2, heads, new, 4, generator=draw)
    keys, values = (torch.randn(2, groups, cached + new, 4, generator=draw) for _ in range(2))
    found = grouped_attention(queries, keys, values)
    for b, h, q in np.ndindex(2, heads, new):
        seen, group = cached + q + 1, h // (heads // groups)
        weights = torch.softmax(keys[b, group, :seen] @ queries[b, h, q] / 2, 0)
        torch.testing.assert_close(found[b, h, q], weights @ values[b, group, :seen])


def policy(seed: int = 0) -> Policy:
    made = Policy(SMALL, 4, NVFP4, generator(seed))
    with torch.no_grad():
        for p in made.parameters():
            p.normal_(0, 0.1, generator=generator(seed + 1))
    return made


def test_cached_passes_equal_one_pass() -> None:
    made = policy()
    tokens = torch.randint(0, 12, (3, 7), generator=generator(5))
    whole, _ = made(tokens)
    scores, cache = made(tokens[:, :4])
    found = [scores]
    for i in range(4, 7):
        scores, cache = made(tokens[:, i : i + 1], cache)
        found.append(scores)
    torch.testing.assert_close(torch.cat(found, dim=1), whole, rtol=1e-4, atol=1e-5)


def test_samples_follow_the_policy() -> None:
    made = policy()
    asked = arithmetic.prompts(torch.tensor([3]), torch.tensor([4])).repeat(20_000, 1)
    answers = made.sample(asked, 2, generator(6))
    pairs, counts = torch.unique(answers, dim=0, return_counts=True)
    with torch.no_grad():
        likely = answer_log_probabilities(made, asked[: len(pairs)], pairs).sum(dim=1).exp()
    # Five standard deviations.
    assert ((counts / 20_000 - likely).abs() <= 5 * (likely / 20_000).sqrt() + 1e-4).all()


def test_sampling_is_noisy_and_leaves_no_noise() -> None:
    made = policy()
    asked = arithmetic.all_prompts("cpu").repeat(4, 1)
    clean, noisy, noisier = (made.sample(asked, 2, generator(7), sigma=sigma) for sigma in (0.0, 0.0, 0.5))
    assert torch.equal(clean, noisy) and not torch.equal(clean, noisier)
    assert not any(m.noise.any() for m in made.modules() if isinstance(m, RmsNorm))


def test_rewards() -> None:
    asked = arithmetic.prompts(torch.tensor([7, 7, 7, 0]), torch.tensor([8, 8, 8, 9]))
    answers = torch.tensor([[1, 5], [1, 6], [0, 6], [0, 9]])
    assert arithmetic.rewards(asked, answers).tolist() == [1, 0.5, 0, 1]
    assert len({tuple(row) for row in arithmetic.all_prompts("cpu").tolist()}) == 100


def test_reward_rises() -> None:
    noise = NoiseSchedule(1e-2, 1e-4, 10, 80)
    found = train(Settings(steps=80, noise=noise, seed=1, updates=2))
    # Guessing gets a tenth of the digits.
    assert found.reward(0, 3) < 0.15
    assert found.reward(70, 80) > 0.4
    assert found.right_after > found.right_before
    assert found.sigmas == tuple(noise.sigma(step) for step in range(1, 81))


def test_training_repeats_itself_and_needs_its_learning_rate() -> None:
    settings = Settings(steps=2, prompts=3, group=4, seed=3, weights="mxfp4")
    assert train(settings) == train(settings)
    still = train(Settings(steps=4, learning_rate=0.0, prompts=4))
    assert still.right_before == still.right_after


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Settings(group=1), "training: group must be at least 2, not 1"),
        (
            lambda: Settings(steps=20, noise=NoiseSchedule(1e-2, 1e-4, 3, 10)),
            "training: the noise ends after 10 of 20 steps",
        ),
        (lambda: Settings(learning_rate=-1.0), "training: the learning rate must be at least 0, not -1.0"),
        (
            lambda: Settings(decoder=replace(SMALL, vocabulary=11)),
            "training: the task has 12 tokens, the decoder 11",
        ),
        (lambda: train(Settings(device="abacus")), "training: device 'abacus' cannot be used here"),
        (
            lambda: train(Settings(decoder=replace(SMALL, width=40, head=10))),
            "format 'nvfp4': expected a last axis of a multiple of 16 elements, but it has 40",
        ),
        (lambda: train(Settings(weights="int4_g16")), "frozen matrices take nvfp4 or mxfp4, not int4_g16"),
        (
            lambda: train(Settings(weights="fp3")),
            "format 'fp3' is not known; expected one of nvfp4, mxfp4, mxfp8_e4m3, mxfp8_e5m2, int4_g16, int4_g32, "
            "int4_g64, int4_g128",
        ),
        (lambda: NoiseSchedule(1e-4, 1e-2, 3, 9), "noise: expected 0 < end <= start, not start 0.0001 and end 0.01"),
        (lambda: NoiseSchedule(1e-2, 1e-4, 2, 9), "noise: expected 3 to 9 stages for 9 steps, not 2"),
        (lambda: NoiseSchedule(1e-2, 1e-4, 3, 9).sigma(0), "noise: expected a step of 1 to 9, not 0"),
    ],
)
def test_refused(make: Callable[[], object], says: str) -> None:
    with pytest.raises(BrickworkError) as caught:
        make()
    assert str(caught.value) == says
