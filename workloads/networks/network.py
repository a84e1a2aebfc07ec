"""A network as a table of layers: what is computed, how often, and how many parameters it has."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from workloads.nest import Nest
from workloads.spec import load


@dataclass(frozen=True, slots=True)
class Layer:
    """One nest of a network, with everything that learns in it.

    Attributes
    ----------
    name : str
    operator : str
        A library entry with its parameters, ``gemm:m=1,n=1000,k=2048``.
    repeat : int
        How often the network has this layer, each time with parameters of its own.
    parameters : int
        Learned numbers of one instance: weights, biases and normalisation.
    """

    name: str
    operator: str
    repeat: int = 1
    parameters: int = 0

    def nest(self, number_format: str | None = None) -> Nest:
        """The nest, in one format for all inputs; the library's default when left out."""
        return load(self.operator + (f",format={number_format}" if number_format else "")).nest


@dataclass(frozen=True)
class Network:
    """Layers of one forward pass.

    Attributes
    ----------
    inputs : str
        What one pass takes, in words.
    layers : tuple of Layer
        Matrix products, convolutions and attention products in order; anything else costs no multiplications here.
    other_parameters : tuple of (name, count)
        Learned numbers outside the layers: embeddings, normalisations between blocks.
    reference : str
        The paper, and the code whose details it follows.
    """

    name: str
    inputs: str
    layers: tuple[Layer, ...]
    other_parameters: tuple[tuple[str, int], ...]
    reference: str

    @property
    def parameters(self) -> int:
        """All learned numbers."""
        return sum(layer.repeat * layer.parameters for layer in self.layers) + sum(n for _, n in self.other_parameters)

    @cached_property
    def macs(self) -> int:
        """Iteration points of all layers."""
        return sum(times * Layer("", operator).nest().points for operator, times in self.operators)

    @property
    def operators(self) -> tuple[tuple[str, int], ...]:
        """Distinct operators in order of first use, each with how often it runs."""
        found: dict[str, int] = {}
        for layer in self.layers:
            found[layer.operator] = found.get(layer.operator, 0) + layer.repeat
        return tuple(found.items())
