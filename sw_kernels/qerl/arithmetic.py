"""A task small enough for a CPU: the sum of two digits, as two digits."""

from __future__ import annotations

import torch

# Digits, the plus and the equals sign.
VOCABULARY, PLUS, EQUALS = 12, 10, 11
PROMPT, COMPLETION = 4, 2


def prompts(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Tokens of ``a + b =``, shape ``(questions, 4)``."""
    return torch.stack([first, torch.full_like(first, PLUS), second, torch.full_like(first, EQUALS)], dim=1)


def answers(asked: torch.Tensor) -> torch.Tensor:
    """The digits of the sums, tens first, shape ``(questions, 2)``."""
    total = asked[:, 0] + asked[:, 2]
    return torch.stack([total // 10, total % 10], dim=1)


def random_prompts(count: int, generator: torch.Generator) -> torch.Tensor:
    """Questions drawn with equal chances."""
    first, second = torch.randint(0, 10, (2, count), generator=generator, device=generator.device)
    return prompts(first, second)


def all_prompts(device: torch.device | str) -> torch.Tensor:
    """Each of the 100 questions."""
    digits = torch.arange(10, device=device)
    return prompts(digits.repeat_interleave(10), digits.repeat(10))


def rewards(asked: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
    """The share of right digits of each answer."""
    return (found == answers(asked)).float().mean(dim=1)
