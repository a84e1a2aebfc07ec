"""The rollout phase of reinforcement learning on a language model: matrix products and attention, counted.

A rollout reads ``prompt`` tokens a sequence at once, then samples ``completion`` tokens one after the other. The first
token comes from the prompt's pass, so there are ``completion - 1`` passes of one token a sequence, which attend to
``prompt + 1`` up to ``prompt + completion - 1`` tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from workloads.errors import BrickworkError
from workloads.networks.network import Network
from workloads.networks.registry import network_named

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
SIZES = ("3b", "7b", "14b", "32b")
_LINEAR = ("query_key_value", "attention.projection", "mlp.gate_and_up", "mlp.down")


class RolloutError(BrickworkError):
    """Sizes that make no rollout; one sentence a mistake."""


@dataclass(frozen=True, slots=True)
class WeightFormat:
    """How the matrices of the blocks are stored; embeddings and the last layer stay in 16 bits, as in the paper."""

    name: str
    bits: Fraction

    def bytes_of(self, count: int) -> int:
        """Storage of so many weights."""
        return int(count * self.bits / 8)


BF16 = WeightFormat("bf16", Fraction(16))
# 4 bits and an E4M3 scale for 16 of them.
NVFP4 = WeightFormat("nvfp4", Fraction(9, 2))


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of operation of a rollout.

    Attributes
    ----------
    phase : {"prefill", "decode"}
    name : str
    operator : str
        A library entry with its parameters. Attention of the decode phase has the mean number of cached tokens, that of
        the prefill phase the square of which half is used.
    count : int
        How often it runs in the whole rollout.
    flops : int
        Two a multiplication, of all runs; no pairs of a token and a later one.
    weight_bytes, cache_bytes, activation_bytes : int
        Of all runs: matrices once a run, cached keys and values read once a run, inputs and outputs in 16 bits.
    """

    phase: str
    name: str
    operator: str
    count: int
    flops: int
    weight_bytes: int
    cache_bytes: int
    activation_bytes: int

    @property
    def bytes(self) -> int:
        return self.weight_bytes + self.cache_bytes + self.activation_bytes


@dataclass(frozen=True, slots=True)
class Decoder:
    """What a rollout needs to know of a language model with grouped queries and a gated MLP.

    Raises
    ------
    RolloutError
        A size is less than 1, heads do not divide into groups, or a head has an odd width and cannot be rotated.
    """

    name: str
    blocks: int
    width: int
    heads: int
    groups: int
    head: int
    inner: int
    vocabulary: int
    tied: bool

    def __post_init__(self) -> None:
        for name in ("blocks", "width", "heads", "groups", "head", "inner", "vocabulary"):
            if getattr(self, name) < 1:
                raise RolloutError(f"decoder {self.name!r}: {name} must be at least 1, not {getattr(self, name)}")
        if self.heads % self.groups:
            raise RolloutError(f"decoder {self.name!r}: {self.heads} heads do not divide into {self.groups} groups")
        if self.head % 2:
            raise RolloutError(f"decoder {self.name!r}: head must be even, not {self.head}")

    @classmethod
    def of(cls, network: Network) -> Decoder:
        """Read the dimensions off the layers of ``qwen2.5_*`` or ``llama_7b``, for one token.

        Raises
        ------
        RolloutError
            The network is no decoder with a gated MLP.
        """
        layers = {layer.name: layer for layer in network.layers}
        if missing := [name for name in (*_LINEAR, "attention.scores", "head") if name not in layers]:
            raise RolloutError(f"network {network.name!r} is no decoder with a gated MLP: it has no {missing[0]!r}")
        extents = {name: {loop.name: loop.extent for loop in layer.nest().loops} for name, layer in layers.items()}
        groups, rows = extents["attention.scores"]["h"], extents["attention.scores"]["q"]
        return cls(
            network.name,
            layers["query_key_value"].repeat,
            extents["query_key_value"]["k"],
            groups * rows,
            groups,
            extents["attention.scores"]["d"],
            extents["mlp.down"]["k"],
            extents["head"]["n"],
            layers["head"].parameters == 0,
        )

    @property
    def matrices(self) -> tuple[tuple[str, int, int], ...]:
        """Matrices of a block as a rollout multiplies them, with fused ones as one: name, outputs N, inputs K."""
        both = (self.heads + 2 * self.groups) * self.head
        return (
            ("query_key_value", both, self.width),
            ("projection", self.width, self.heads * self.head),
            ("gate_and_up", 2 * self.inner, self.width),
            ("down", self.width, self.inner),
        )

    @property
    def adapted(self) -> tuple[tuple[str, int, int], ...]:
        """Matrices of a block that each get a low-rank adapter: name, outputs N, inputs K."""
        keys = self.groups * self.head
        return (
            ("query", self.heads * self.head, self.width),
            ("key", keys, self.width),
            ("value", keys, self.width),
            ("projection", self.width, self.heads * self.head),
            ("gate", self.inner, self.width),
            ("up", self.inner, self.width),
            ("down", self.width, self.inner),
        )

    @property
    def block_weights(self) -> int:
        """Elements of the matrices of all blocks: what four bits store."""
        return self.blocks * sum(n * k for _, n, k in self.matrices)

    @property
    def other_weights(self) -> int:
        """Elements in 16 bits: embeddings, the last layer, normalisation and biases of queries, keys and values."""
        both = (self.heads + 2 * self.groups) * self.head
        tables = (1 if self.tied else 2) * self.vocabulary * self.width
        return tables + (2 * self.blocks + 1) * self.width + self.blocks * both

    def adapter_weights(self, rank: int) -> int:
        """Elements of the adapters of all blocks."""
        return self.blocks * rank * sum(n + k for _, n, k in self.adapted)

    @property
    def cache_bytes_per_token(self) -> int:
        """Keys and values of one token in 16 bits."""
        return self.blocks * 2 * self.groups * self.head * 2

    def checkpoint_bytes(self, weights: WeightFormat) -> int:
        """The model on disk or in memory, without adapters."""
        return weights.bytes_of(self.block_weights) + 2 * self.other_weights


@dataclass(frozen=True, slots=True)
class Rollout:
    """Sampling of ``completion`` tokens after ``prompt`` tokens in each of ``batch`` sequences.

    Attributes
    ----------
    rank : int
        Of the adapters, which are applied beside the matrices; 0 for none.

    Raises
    ------
    RolloutError
        A size is too small.
    """

    decoder: Decoder
    weights: WeightFormat
    batch: int
    prompt: int = 256
    completion: int = 2048
    rank: int = 32

    def __post_init__(self) -> None:
        least = {"batch": 1, "prompt": 1, "completion": 1, "rank": 0}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise RolloutError(f"rollout: {name} must be at least {smallest}, not {getattr(self, name)}")

    @classmethod
    def of(cls, name: str, weights: WeightFormat, batch: int, **sizes: int) -> Rollout:
        """A rollout of the network called ``name``, such as ``qwen2.5_7b``."""
        return cls(Decoder.of(network_named(f"{name}:tokens=1")), weights, batch, **sizes)

    @property
    def passes(self) -> int:
        """Of one token a sequence."""
        return self.completion - 1

    @property
    def steps(self) -> tuple[Step, ...]:
        """Everything that multiplies, prefill first."""
        cached = sum(range(self.prompt + 1, self.prompt + self.completion))
        visible = self.prompt * (self.prompt + 1) // 2
        return (
            *self._pass("prefill", self.batch * self.prompt, 1, self.prompt, visible),
            *(self._pass("decode", self.batch, self.passes, 1, cached) if self.passes else ()),
        )

    def _pass(self, phase: str, rows: int, times: int, queries: int, visible: int) -> Iterator[Step]:
        """One pass, ``times`` times, which together have ``visible`` pairs of a query and a key a head."""
        d = self.decoder
        for name, n, k in d.matrices:
            yield self._product(phase, name, rows, n, k, times * d.blocks, self.weights)
        for name, n, k in d.adapted if self.rank else ():
            yield self._product(phase, f"adapter.{name}.down", rows, self.rank, k, times * d.blocks, BF16)
            yield self._product(phase, f"adapter.{name}.up", rows, n, self.rank, times * d.blocks, BF16)
        context = round(Fraction(visible, times)) if queries == 1 else queries
        shared = d.heads // d.groups * queries
        sizes = f"b={self.batch},g={d.groups},r={shared},c={context},d={d.head}"
        flops = 2 * self.batch * d.blocks * d.heads * d.head * visible
        # Keys, or values, are read once a pass and group.
        tokens = visible if queries == 1 else queries
        cache = self.batch * d.blocks * d.groups * d.head * 2 * tokens
        ends = self.batch * d.blocks * times * shared * d.groups * d.head * 2
        yield Step(phase, "scores", f"gqa_scores:{sizes}", times * d.blocks, flops, 0, cache, ends)
        yield Step(phase, "output", f"gqa_output:{sizes}", times * d.blocks, flops, 0, cache, ends)
        yield self._product(phase, "head", self.batch, d.vocabulary, d.width, times, BF16)

    @staticmethod
    def _product(phase: str, name: str, m: int, n: int, k: int, count: int, weights: WeightFormat) -> Step:
        entry = "gemm" if weights == BF16 else f"{weights.name}_weight_gemm"
        activations = 2 * (m * k + m * n) * count
        flops = 2 * m * n * k * count
        return Step(
            phase,
            name,
            f"{entry}:m={m},n={n},k={k}",
            count,
            flops,
            count * weights.bytes_of(n * k),
            0,
            activations,
        )

    def least_seconds(self, bytes_per_s: float, flops_per_s: float) -> float:
        """The roofline's time: each step takes as long as its traffic or its arithmetic, nothing overlaps, no launches.

        Attention scores stay on the chip.
        """
        return sum(max(step.bytes / bytes_per_s, step.flops / flops_per_s) for step in self.steps)

    def most_tokens_per_s(self, bytes_per_s: float, flops_per_s: float) -> float:
        """Sampled tokens of all sequences over `least_seconds`."""
        return self.batch * self.completion / self.least_seconds(bytes_per_s, flops_per_s)
