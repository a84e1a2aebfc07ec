"""What the policy is trained on: advantages within a group of answers, and the clipped loss of their tokens."""

from __future__ import annotations

import torch


def group_advantages(rewards: torch.Tensor) -> torch.Tensor:
    """``(r - mean) / (std + 1e-4)`` of each group.

    Parameters
    ----------
    rewards : tensor, shape (prompts, group)
        The group has at least 2 answers: the deviation is that of a sample.

    References
    ----------
    Z. Shao et al., "DeepSeekMath", arXiv 2402.03300; the constant is that of QeRL's code.
    """
    return (rewards - rewards.mean(dim=1, keepdim=True)) / (rewards.std(dim=1, keepdim=True) + 1e-4)


def token_log_probabilities(scores: torch.Tensor, tokens: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """``log_softmax(scores / temperature)`` at the tokens that were sampled.

    Parameters
    ----------
    scores : tensor, shape (..., vocabulary)
    tokens : integer tensor, shape (...)
    """
    scaled = scores / temperature
    return scaled.gather(-1, tokens.unsqueeze(-1)).squeeze(-1) - scaled.logsumexp(dim=-1)


def clipped_loss(
    log_probabilities: torch.Tensor,
    sampled: torch.Tensor,
    advantages: torch.Tensor,
    mask: torch.Tensor,
    *,
    low: float = 0.2,
    high: float = 0.28,
) -> torch.Tensor:
    """Mean over unmasked tokens of ``-min(ratio * A, clip(ratio, 1 - low, 1 + high) * A)``, without a penalty.

    Parameters
    ----------
    log_probabilities, sampled : tensor, shape (answers, tokens)
        Of the tokens, by the policy that learns and by the one that they were sampled from.
    advantages : tensor, shape (answers,)
    mask : tensor, shape (answers, tokens)
        0 behind the end of an answer.

    References
    ----------
    Q. Yu et al., "DAPO", arXiv 2503.14476: the two clip bounds differ, and tokens count alike whatever the
    length of their answer.
    """
    ratio = torch.exp(log_probabilities - sampled)
    gain = advantages.unsqueeze(-1)
    each = -torch.minimum(ratio * gain, ratio.clamp(1 - low, 1 + high) * gain)
    return (each * mask).sum() / mask.sum().clamp(min=1)
