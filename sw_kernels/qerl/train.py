"""Group relative policy optimization of adapters on a frozen four-bit policy, on the arithmetic task."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sw_kernels.qerl import arithmetic
from sw_kernels.qerl.model import Policy
from sw_kernels.qerl.noise_schedule import NoiseSchedule
from sw_kernels.qerl.objective import clipped_loss, group_advantages, token_log_probabilities
from workloads.errors import BrickworkError
from workloads.formats import block_format_named
from workloads.rollout import Decoder

SMALL = Decoder(
    "small", blocks=2, width=64, heads=4, groups=2, head=16, inner=128, vocabulary=arithmetic.VOCABULARY, tied=False
)


class TrainingError(BrickworkError):
    """Settings that cannot be trained with."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train.

    Attributes
    ----------
    weights : str or None
        Block format of the frozen matrices; None keeps them in fp32.
    group : int
        Answers sampled to each prompt, at least 2.
    updates : int
        Gradient steps on one set of answers; from the second on, the ratio of the clipped loss is not 1.
    noise : NoiseSchedule or None
    device : str
        Everything lives there.

    Raises
    ------
    TrainingError
    """

    weights: str | None = "nvfp4"
    rank: int = 8
    steps: int = 100
    prompts: int = 16
    group: int = 16
    updates: int = 1
    learning_rate: float = 3e-3
    noise: NoiseSchedule | None = None
    decoder: Decoder = SMALL
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name, least in {"rank": 1, "steps": 1, "prompts": 1, "group": 2, "updates": 1}.items():
            if getattr(self, name) < least:
                raise TrainingError(f"training: {name} must be at least {least}, not {getattr(self, name)}")
        if not 0 <= self.learning_rate < float("inf"):
            raise TrainingError(f"training: the learning rate must be at least 0, not {self.learning_rate}")
        if self.decoder.vocabulary < arithmetic.VOCABULARY:
            vocabulary = self.decoder.vocabulary
            raise TrainingError(f"training: the task has {arithmetic.VOCABULARY} tokens, the decoder {vocabulary}")
        if self.noise and self.noise.steps < self.steps:
            raise TrainingError(f"training: the noise ends after {self.noise.steps} of {self.steps} steps")


@dataclass(frozen=True, slots=True)
class Training:
    """What training did.

    Attributes
    ----------
    rewards : tuple of float
        Mean share of right digits of the sampled answers, a step each.
    sigmas : tuple of float
        Standard deviation of the noise, a step each.
    right_before, right_after : float
        Share of the 100 sums that the policy answers in full, taking the likeliest token each time, without noise.
    """

    rewards: tuple[float, ...]
    sigmas: tuple[float, ...]
    right_before: float
    right_after: float

    def reward(self, first: int, last: int) -> float:
        """Mean reward of the steps from ``first`` up to and without ``last``, counted from 0."""
        chosen = self.rewards[first:last]
        return sum(chosen) / len(chosen)


def train(settings: Settings) -> Training:
    """Draw a policy with random weights and train its adapters; the same settings give the same result on a device.

    Log-probabilities, old and new, are those of the policy without noise, as a trainer computes them that is separate
    from the sampler.

    Raises
    ------
    TrainingError, FormatError, BlockError, LayerError
    """
    number_format = None if settings.weights is None else block_format_named(settings.weights)
    try:
        generator = torch.Generator(settings.device).manual_seed(settings.seed)
    except (RuntimeError, AssertionError) as error:
        raise TrainingError(f"training: device {settings.device!r} cannot be used here") from error
    policy = Policy(settings.decoder, settings.rank, number_format, generator)
    optimizer = torch.optim.AdamW(policy.parameters(), settings.learning_rate, weight_decay=0.0)
    before = share_right(policy, settings.device)
    found: list[float] = []
    sigmas: list[float] = []
    for step in range(1, settings.steps + 1):
        sigma = settings.noise.sigma(step) if settings.noise else 0.0
        asked = arithmetic.random_prompts(settings.prompts, generator).repeat_interleave(settings.group, dim=0)
        answers = policy.sample(asked, arithmetic.COMPLETION, generator, sigma=sigma)
        rewards = arithmetic.rewards(asked, answers)
        advantages = group_advantages(rewards.view(settings.prompts, settings.group)).flatten()
        sampled = None
        for _ in range(settings.updates):
            logs = answer_log_probabilities(policy, asked, answers)
            sampled = logs.detach() if sampled is None else sampled
            loss = clipped_loss(logs, sampled, advantages, torch.ones_like(logs))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found.append(float(rewards.mean()))
        sigmas.append(sigma)
    return Training(tuple(found), tuple(sigmas), before, share_right(policy, settings.device))


def answer_log_probabilities(policy: Policy, asked: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """Log-probability of each token of the answers, shape of the answers."""
    scores, _ = policy(torch.cat([asked, answers[:, :-1]], dim=1))
    return token_log_probabilities(scores[:, asked.shape[1] - 1 :], answers)


@torch.no_grad()
def share_right(policy: Policy, device: str) -> float:
    """Share of all sums whose two digits are both right, each the likeliest token."""
    asked = arithmetic.all_prompts(device)
    tokens = asked
    for _ in range(arithmetic.COMPLETION):
        scores, _ = policy(tokens)
        tokens = torch.cat([tokens, scores[:, -1].argmax(dim=-1, keepdim=True)], dim=1)
    right = arithmetic.rewards(asked, tokens[:, arithmetic.PROMPT :]) == 1
    return float(right.float().mean())
