"""What reinforcement learning with adapters keeps in a GPU's memory, item by item: a model, nothing measured."""

from __future__ import annotations

from dataclasses import dataclass

from workloads.rollout import NVFP4, Rollout

# What a card sold as "80 GB" has at most.
CARD_80_GB_BYTES = 80 << 30

# An adapter's element in training: itself, its gradient and the two moments of Adam, all in fp32.
_TRAINED_BYTES = 16


@dataclass(frozen=True, slots=True)
class Item:
    """Something that stays in memory."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Memory:
    """All that one GPU holds at the same time."""

    items: tuple[Item, ...]

    @property
    def bytes(self) -> int:
        return sum(item.bytes for item in self.items)

    def fits(self, capacity_bytes: int) -> bool:
        """True when nothing is left over; allocator and driver need some of what remains."""
        return self.bytes <= capacity_bytes


def rollout_memory(rollout: Rollout) -> Memory:
    """What sampling alone needs: weights, adapters in 16 bits, keys and values of whole sequences."""
    d = rollout.decoder
    tokens = rollout.batch * (rollout.prompt + rollout.completion)
    return Memory(
        (
            Item("weights", d.checkpoint_bytes(rollout.weights)),
            Item("adapters", 2 * d.adapter_weights(rollout.rank)),
            Item("keys and values", tokens * d.cache_bytes_per_token),
        )
    )


def training_memory(rollout: Rollout, *, shared_weights: bool = False, sequences: int = 1) -> Memory:
    """Sampling and training on the same GPU.

    Parameters
    ----------
    shared_weights
        Sampler and trainer read one copy of the weights; otherwise each has its own, as where an inference engine runs
        beside a training library.
    sequences
        Trained at a time. Inputs of blocks are kept, what is inside a block is computed again for its gradient.
    """
    d = rollout.decoder
    tokens = sequences * (rollout.prompt + rollout.completion)
    # Normalised inputs, queries, keys, values, attention output, gate, up and their product; each with a gradient.
    inside = 4 * d.width + 2 * (d.heads + d.groups) * d.head + 3 * d.inner
    own = () if shared_weights else (Item("trainer's weights", d.checkpoint_bytes(rollout.weights)),)
    widened = max(n * k for _, n, k in d.matrices) if rollout.weights == NVFP4 else 0
    return Memory(
        (
            *rollout_memory(rollout).items,
            *own,
            Item("adapters, gradients, moments", _TRAINED_BYTES * d.adapter_weights(rollout.rank)),
            Item("inputs of blocks", 2 * d.blocks * tokens * d.width),
            Item("inside one block", 2 * 2 * tokens * inside),
            # Scores of sampled positions in fp32, and their gradient.
            Item("scores of tokens", 2 * 4 * sequences * rollout.completion * d.vocabulary),
            *((Item("one matrix in bf16", 2 * widened),) if widened else ()),
        )
    )
