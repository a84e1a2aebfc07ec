"""One block of a language model: `brickwork map examples/models/transformer_block.py:build --array 16x16`."""

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention, silu


class Block(nn.Module):
    """Grouped-query attention and a gated MLP, each behind an RMS normalisation."""

    def __init__(self, width: int = 256, heads: int = 8, groups: int = 2, inner: int = 704) -> None:
        super().__init__()
        self.heads, self.groups, self.head_width = heads, groups, width // heads
        self.attention_norm, self.mlp_norm = nn.RMSNorm(width), nn.RMSNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, groups * self.head_width, bias=False)
        self.value = nn.Linear(width, groups * self.head_width, bias=False)
        self.projection = nn.Linear(width, width, bias=False)
        self.gate, self.up = nn.Linear(width, inner, bias=False), nn.Linear(width, inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def _split(self, x: torch.Tensor, heads: int) -> torch.Tensor:
        return x.unflatten(-1, (heads, self.head_width)).transpose(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens of shape (batch, tokens, width)."""
        y = self.attention_norm(x)
        query = self._split(self.query(y), self.heads)
        key, value = self._split(self.key(y), self.groups), self._split(self.value(y), self.groups)
        attended = scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        x = x + self.projection(attended.transpose(1, 2).flatten(2))
        y = self.mlp_norm(x)
        return x + self.down(silu(self.gate(y)) * self.up(y))


def build() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """The block with 128 tokens."""
    return Block(), (torch.randn(1, 128, 256),)
