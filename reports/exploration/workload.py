"""What a study runs: operators with how often each runs, and how much the whole counts."""

from __future__ import annotations

from dataclasses import dataclass

from workloads.networks import Network, network_named
from workloads.rollout import BF16, Rollout

# Products whose operands carry a scale a block; everything else then stays in 16 bits.
BLOCK_SCALED = {
    "nvfp4": "nvfp4_gemm",
    "nvfp4_weight": "nvfp4_weight_gemm",
    "mxfp8": "mxfp8_gemm",
    "mxfp4": "mxfp4_gemm",
}
_REST_OF_BLOCK_SCALED = "bf16"


@dataclass(frozen=True, slots=True)
class StudyWorkload:
    """Operators that run one after the other.

    Attributes
    ----------
    weight : float
        Factor of its time and its energy in the totals of a point.
    operators : tuple of (operator, times)
        Library entries with their parameters; one that names a format keeps it in every design.
    """

    name: str
    weight: float
    operators: tuple[tuple[str, int], ...]

    @staticmethod
    def of_network(text: str, weight: float = 1.0) -> StudyWorkload:
        """All layers of a network such as ``gpt2:tokens=128``, equal ones as one.

        Raises
        ------
        NetworkError
        """
        return StudyWorkload(text, weight, network_named(text).operators)

    @staticmethod
    def of_model(network: Network, weight: float = 1.0) -> StudyWorkload:
        """All layers of a network that was read from a program; its name says the sizes of its inputs."""
        return StudyWorkload(f"{network.name}, {network.inputs}", weight, network.operators)

    @staticmethod
    def of_rollout(network: str, batch: int, prompt: int, completion: int, weight: float = 1.0) -> StudyWorkload:
        """The sampling phase of reinforcement learning; only the matrices of the blocks follow a design's format.

        Adapters, attention and the last layer stay in 16 bits, as in QeRL.

        Raises
        ------
        RolloutError
        """
        rollout = Rollout.of(network, BF16, batch, prompt=prompt, completion=completion)
        matrices = {name for name, _, _ in rollout.decoder.matrices}
        found: dict[str, int] = {}
        for step in rollout.steps:
            operator = step.operator if step.name in matrices else f"{step.operator},format=bf16"
            found[operator] = found.get(operator, 0) + step.count
        return StudyWorkload(f"{network} rollout of {batch}", weight, tuple(found.items()))


def in_format(operator: str, number_format: str) -> str:
    """The operator in a design's number format.

    A block-scaled format replaces matrix products by their block-scaled kind and leaves the rest in bf16.
    """
    entry, colon, sizes = operator.partition(":")
    if "format" in {setting.partition("=")[0].strip() for setting in sizes.split(",")}:
        return operator
    if number_format in BLOCK_SCALED:
        if entry == "gemm":
            return f"{BLOCK_SCALED[number_format]}:{sizes}"
        number_format = _REST_OF_BLOCK_SCALED
    return f"{entry}:{sizes},format={number_format}" if colon else f"{entry}:format={number_format}"
