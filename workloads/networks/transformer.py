"""Language models: BERT, GPT-2, GPT-3, LLaMA and Qwen2.5, from their dimensions."""

from __future__ import annotations

from dataclasses import dataclass

from workloads.networks.network import Layer, Network
from workloads.networks.operators import attention, grouped_attention, linear


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Sizes of a decoder.

    Attributes
    ----------
    groups : int
        Heads of keys and values.
    inner : int
        Width between the linear layers of the MLP.
    tied : bool
        The matrix of the last layer is the embedding.
    """

    blocks: int
    width: int
    heads: int
    groups: int
    inner: int
    vocabulary: int
    tied: bool


_LLAMA_7B = Dimensions(32, 4096, 32, 32, 11008, 32000, tied=False)
_QWEN = {
    "0.5b": Dimensions(24, 896, 14, 2, 4864, 151936, tied=True),
    "1.5b": Dimensions(28, 1536, 12, 2, 8960, 151936, tied=True),
    "3b": Dimensions(36, 2048, 16, 2, 11008, 151936, tied=True),
    "7b": Dimensions(28, 3584, 28, 4, 18944, 152064, tied=False),
    "14b": Dimensions(48, 5120, 40, 8, 13824, 152064, tied=False),
    "32b": Dimensions(64, 5120, 40, 8, 27648, 152064, tied=False),
}
QWEN_SIZES = tuple(_QWEN)


def bert_base(tokens: int = 128) -> Network:
    """A sequence of ``tokens``, without a task's head."""
    width, blocks = 768, 12
    layers = [
        linear("query_key_value", tokens, 3 * width, width, repeat=blocks),
        *attention("attention", 12, tokens, tokens, width // 12, repeat=blocks),
        linear("attention.projection", tokens, width, width, repeat=blocks),
        linear("mlp.up", tokens, 4 * width, width, repeat=blocks),
        linear("mlp.down", tokens, width, 4 * width, repeat=blocks),
        linear("pooler", 1, width, width),
    ]
    embeddings = (30522 + 512 + 2) * width
    return Network(
        "bert_base",
        f"a sequence of {tokens} tokens",
        tuple(layers),
        (("embeddings", embeddings), ("normalisation", (2 * blocks + 1) * 2 * width)),
        "J. Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers, NAACL 2019; bert-base-uncased",
    )


def gpt2(tokens: int = 1024, context: int | None = None) -> Network:
    """GPT-2 small: ``tokens`` new tokens that attend to ``context``, themselves included."""
    width, blocks, vocabulary = 768, 12, 50257
    layers = (*_gpt_block(width, 12, tokens, context or tokens, blocks), _head(width, vocabulary, tied=True))
    other = (("embeddings", (vocabulary + 1024) * width), ("normalisation", (2 * blocks + 1) * 2 * width))
    return Network(
        "gpt2",
        _tokens(tokens, context),
        layers,
        other,
        "A. Radford et al., Language Models are Unsupervised, 2019; gpt2",
    )


def gpt3_block(tokens: int = 2048, context: int | None = None) -> Network:
    """One block of GPT-3 6.7B."""
    width = 4096
    return Network(
        "gpt3_6.7b_block",
        _tokens(tokens, context),
        _gpt_block(width, 32, tokens, context or tokens, 1),
        (("normalisation", 4 * width),),
        "T. Brown et al., Language Models are Few-Shot Learners, NeurIPS 2020, table 2.1",
    )


def _gpt_block(width: int, heads: int, tokens: int, context: int, repeat: int) -> tuple[Layer, ...]:
    return (
        linear("query_key_value", tokens, 3 * width, width, repeat=repeat),
        *attention("attention", heads, tokens, context, width // heads, repeat=repeat),
        linear("attention.projection", tokens, width, width, repeat=repeat),
        linear("mlp.up", tokens, 4 * width, width, repeat=repeat),
        linear("mlp.down", tokens, width, 4 * width, repeat=repeat),
    )


def llama_7b(tokens: int = 2048, context: int | None = None) -> Network:
    """``tokens`` new tokens that attend to ``context``, themselves included."""
    reference = "H. Touvron et al., LLaMA: Open and Efficient Foundation Language Models, 2023"
    return _gated("llama_7b", _LLAMA_7B, tokens, context, reference, bias=False)


def qwen2_5(size: str, tokens: int = 2048, context: int | None = None) -> Network:
    """Qwen2.5 of a size such as ``7b``."""
    reference = "Qwen Team, Qwen2.5 Technical Report, 2024; config.json of the released models"
    return _gated(f"qwen2.5_{size}", _QWEN[size], tokens, context, reference, bias=True)


def _gated(name: str, d: Dimensions, tokens: int, context: int | None, reference: str, *, bias: bool) -> Network:
    """Blocks with RMS normalisation and a gated MLP; only queries, keys and values may have a bias."""
    head = d.width // d.heads
    both = (d.heads + 2 * d.groups) * head
    layers = (
        linear("query_key_value", tokens, both, d.width, bias=bias, repeat=d.blocks),
        *grouped_attention("attention", d.heads, d.groups, tokens, context or tokens, head, repeat=d.blocks),
        linear("attention.projection", tokens, d.width, d.width, bias=False, repeat=d.blocks),
        linear("mlp.gate_and_up", tokens, 2 * d.inner, d.width, bias=False, repeat=d.blocks),
        linear("mlp.down", tokens, d.width, d.inner, bias=False, repeat=d.blocks),
        _head(d.width, d.vocabulary, tied=d.tied),
    )
    other = (("embeddings", d.vocabulary * d.width), ("normalisation", (2 * d.blocks + 1) * d.width))
    return Network(name, _tokens(tokens, context), layers, other, reference)


def _head(width: int, vocabulary: int, *, tied: bool) -> Layer:
    """Scores of the next token, for the last position only."""
    return Layer("head", f"gemm:m=1,n={vocabulary},k={width}", 1, 0 if tied else width * vocabulary)


def _tokens(tokens: int, context: int | None) -> str:
    new = "1 token" if tokens == 1 else f"{tokens} tokens"
    return new + (f" after {context - tokens} others" if context else "")
