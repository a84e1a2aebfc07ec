"""A decoder with grouped queries and a gated MLP whose matrices are frozen: the policy."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from sw_kernels.qerl.layers import AdaptedLinear, RmsNorm
from workloads.formats.block_format import BlockFormat
from workloads.rollout import Decoder

Cache = list[tuple[torch.Tensor, torch.Tensor]]


def rotated(x: torch.Tensor, first: int, base: float = 10000.0) -> torch.Tensor:
    """Rotary position embedding of ``(batch, heads, tokens, d)``, whose tokens are at positions from ``first``.

    References
    ----------
    J. Su et al., "RoFormer", arXiv 2104.09864; the pairs are (i, i + d / 2), as in LLaMA.
    """
    half = x.shape[-1] // 2
    frequency = base ** -(torch.arange(half, device=x.device, dtype=torch.float32) / half)
    position = torch.arange(first, first + x.shape[-2], device=x.device, dtype=torch.float32)
    angle = (position[:, None] * frequency).to(x.dtype)
    one, two = x[..., :half], x[..., half:]
    return torch.cat([one * angle.cos() - two * angle.sin(), two * angle.cos() + one * angle.sin()], dim=-1)


def grouped_attention(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Causal attention of the last tokens of a sequence to all of it.

    Parameters
    ----------
    queries : tensor, shape (batch, heads, new, d)
    keys, values : tensor, shape (batch, groups, all, d)
        ``heads / groups`` heads in a row share a group.
    """
    batch, heads, new, d = queries.shape
    groups, total = keys.shape[1], keys.shape[2]
    shared = queries.reshape(batch, groups, heads // groups, new, d)
    scores = torch.einsum("bgrqd,bgcd->bgrqc", shared, keys) * d**-0.5
    later = torch.ones(new, total, dtype=torch.bool, device=queries.device).triu(total - new + 1)
    weights = scores.masked_fill(later, float("-inf")).softmax(dim=-1)
    return torch.einsum("bgrqc,bgcd->bgrqd", weights, values).reshape(batch, heads, new, d)


class Block(nn.Module):
    """Attention and MLP, each behind a normalisation and beside a residual."""

    def __init__(self, d: Decoder, rank: int, number_format: BlockFormat | None, generator: torch.Generator) -> None:
        super().__init__()
        self.dimensions = d
        self.before_attention = RmsNorm(torch.ones(d.width, device=generator.device))
        self.before_mlp = RmsNorm(torch.ones(d.width, device=generator.device))
        self.linear = nn.ModuleDict()
        for name, outputs, inputs in d.adapted:
            weight = torch.randn(outputs, inputs, generator=generator, device=generator.device) / inputs**0.5
            self.linear[name] = AdaptedLinear(weight, rank, number_format, generator)

    def forward(self, x: torch.Tensor, cache: tuple[torch.Tensor, torch.Tensor] | None) -> tuple[torch.Tensor, ...]:
        d = self.dimensions
        first = 0 if cache is None else cache[0].shape[2]
        normal = self.before_attention(x)
        queries = rotated(self._split(self.linear["query"](normal), d.heads), first)
        keys = rotated(self._split(self.linear["key"](normal), d.groups), first)
        values = self._split(self.linear["value"](normal), d.groups)
        if cache is not None:
            keys, values = torch.cat([cache[0], keys], dim=2), torch.cat([cache[1], values], dim=2)
        found = grouped_attention(queries, keys, values)
        x = x + self.linear["projection"](found.transpose(1, 2).flatten(2))
        normal = self.before_mlp(x)
        gated = nn.functional.silu(self.linear["gate"](normal)) * self.linear["up"](normal)
        return x + self.linear["down"](gated), keys, values

    def _split(self, x: torch.Tensor, heads: int) -> torch.Tensor:
        """``(batch, tokens, heads * d)`` to ``(batch, heads, tokens, d)``."""
        return x.unflatten(2, (heads, self.dimensions.head)).transpose(1, 2)


class Policy(nn.Module):
    """Tokens to scores of the next token; only adapters learn.

    Parameters
    ----------
    number_format
        Of the matrices of all blocks; embeddings and the last layer stay wide. None for no quantization.
    generator
        Draws the weights, on the device that the policy lives on.
    """

    embedding: torch.Tensor
    head: torch.Tensor

    def __init__(self, d: Decoder, rank: int, number_format: BlockFormat | None, generator: torch.Generator) -> None:
        super().__init__()
        shape = (d.vocabulary, d.width)
        self.register_buffer("embedding", torch.randn(shape, generator=generator, device=generator.device))
        head = torch.randn(shape, generator=generator, device=generator.device) / d.width**0.5
        self.register_buffer("head", head)
        self.blocks = nn.ModuleList(Block(d, rank, number_format, generator) for _ in range(d.blocks))
        self.last = RmsNorm(torch.ones(d.width, device=generator.device))

    def draw_noise(self, sigma: float, generator: torch.Generator) -> None:
        """New noise for both normalisations of every block; the one before the last layer takes none."""
        for block in self.blocks:
            cast(Block, block).before_attention.draw(sigma, generator)
            cast(Block, block).before_mlp.draw(sigma, generator)

    def forward(self, tokens: torch.Tensor, cache: Cache | None = None) -> tuple[torch.Tensor, Cache]:
        """Scores ``(batch, tokens, vocabulary)``, and the cache with these tokens added."""
        x = self.embedding[tokens]
        grown: Cache = []
        for i, block in enumerate(self.blocks):
            x, keys, values = block(x, None if cache is None else cache[i])
            grown.append((keys, values))
        return self.last(x) @ self.head.T, grown

    @torch.no_grad()
    def sample(
        self, prompts: torch.Tensor, completion: int, generator: torch.Generator, *, sigma: float = 0.0
    ) -> torch.Tensor:
        """Draw ``completion`` tokens after each prompt, at temperature 1; every pass has noise of its own.

        Returns
        -------
        tensor, shape (batch, completion)
        """
        self.draw_noise(sigma, generator)
        scores, cache = self(prompts)
        drawn: list[torch.Tensor] = []
        while True:
            probabilities = scores[:, -1].softmax(dim=-1)
            drawn.append(torch.multinomial(probabilities, 1, generator=generator))
            if len(drawn) == completion:
                break
            self.draw_noise(sigma, generator)
            scores, cache = self(drawn[-1], cache)
        self.draw_noise(0.0, generator)
        return torch.cat(drawn, dim=1)
