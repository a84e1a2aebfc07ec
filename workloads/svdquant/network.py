"""What SVDQuant makes of a diffusion transformer: its products with their branches, and its size."""

from __future__ import annotations

from dataclasses import dataclass

from workloads.formats import BLOCK_FORMATS
from workloads.formats.block_format import BlockFormat
from workloads.networks.network import Layer, Network

# In FLUX.1, what is before and behind the blocks stays in 16 bits.
FLUX_BLOCKS = ("double.", "single.")
# One row at a time, so four-bit activations would save nothing: weights alone, without a branch.
MODULATION = ".modulation"
MODULATION_FORMAT = BLOCK_FORMATS["int4_g64"]


@dataclass(frozen=True, slots=True)
class Product:
    """A linear layer of a network, run once a step and instance.

    Attributes
    ----------
    rank : int
        Of the branch beside it; 0 for none.
    number_format : BlockFormat or None
        Of the weight; None for 16 bits.
    other_parameters : int
        Biases and the like of an instance, in 16 bits.
    """

    name: str
    repeat: int
    rows: int
    outputs: int
    inputs: int
    rank: int
    number_format: BlockFormat | None
    other_parameters: int

    @property
    def macs(self) -> int:
        """Multiplications of one instance, without the branch."""
        return self.rows * self.outputs * self.inputs

    @property
    def branch_macs(self) -> int:
        """Multiplications of the branch of one instance."""
        return self.rows * self.rank * (self.outputs + self.inputs)

    @property
    def unfused_bytes(self) -> int:
        """What a branch run by itself moves in 16 bits: its input, its output read and written, narrow values twice."""
        return 2 * self.rows * (self.inputs + 2 * self.outputs + 2 * self.rank) if self.rank else 0

    @property
    def bytes(self) -> int:
        """Storage of one instance."""
        elements = self.outputs * self.inputs
        others = 2 * (self.other_parameters + self.rank * (self.outputs + self.inputs))
        if self.number_format is None:
            return 2 * elements + others
        f = self.number_format
        return elements * f.element.bits // 8 + elements // f.block * f.scale.bits // 8 + others


def products(network: Network, number_format: BlockFormat, rank: int = 32) -> tuple[Product, ...]:
    """Linear layers as SVDQuant stores them; names tell those of blocks, and modulations, as in `flux_1_dev`."""
    return tuple(_product(layer, number_format, rank) for layer in network.layers if layer.operator.startswith("gemm:"))


def _product(layer: Layer, number_format: BlockFormat, rank: int) -> Product:
    extent = {loop.name: loop.extent for loop in layer.nest().loops}
    outputs, inputs = extent["n"], extent["k"]
    stored: BlockFormat | None = number_format
    if not layer.name.startswith(FLUX_BLOCKS):
        stored, rank = None, 0
    elif layer.name.endswith(MODULATION):
        stored, rank = MODULATION_FORMAT, 0
    others = layer.parameters - outputs * inputs
    return Product(layer.name, layer.repeat, extent["m"], outputs, inputs, rank, stored, others)


def network_bytes(network: Network, number_format: BlockFormat, rank: int = 32) -> int:
    """Storage of all linear layers and of other parameters, which stay in 16 bits."""
    linear = sum(p.repeat * p.bytes for p in products(network, number_format, rank))
    return linear + 2 * sum(count for _, count in network.other_parameters)


def product_table(network: Network, number_format: BlockFormat, rank: int = 32) -> str:
    """Layers with a branch in Markdown."""
    lines = [
        "| layer | instances | M | N | K | branch MACs | MB of a branch by itself |",
        "|---|---|---|---|---|---|---|",
    ]
    for p in products(network, number_format, rank):
        if p.rank:
            share, moved = 100 * p.branch_macs / p.macs, p.unfused_bytes / 1e6
            sizes = f"{p.repeat} | {p.rows} | {p.outputs} | {p.inputs}"
            lines.append(f"| {p.name} | {sizes} | {share:.2f} % | {moved:.0f} |")
    return "\n".join(lines)
