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
        """The nest, in one format for all inputs; the operator's own when left out."""
        if not number_format:
            return load(self.operator).nest
        return load(f"{self.operator.partition(',format=')[0]},format={number_format}").nest


@dataclass(frozen=True, slots=True)
class OtherOperator:
    """An operator without multiply-accumulates: elementwise, a norm, a softmax, pooling, data movement.

    Attributes
    ----------
    count : int
        How often it runs in one pass.
    elements : int
        The larger of what each run reads and writes, over all runs.
    traffic_bytes : int
        Read and written by all runs, where nothing is fused.
    """

    operator: str
    count: int
    elements: int
    traffic_bytes: int


@dataclass(frozen=True, slots=True)
class Unsupported:
    """An operator that the table leaves out.

    Attributes
    ----------
    where : tuple of str
        Modules that use it, each once.
    multiplies : bool
        It may have multiply-accumulates, so that totals without it are too small.
    """

    operator: str
    count: int
    where: tuple[str, ...]
    multiplies: bool


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
    other_operators : tuple of OtherOperator
        Known for networks read from a program only.
    unsupported : tuple of Unsupported
        Operators of a program that are in no layer.
    """

    name: str
    inputs: str
    layers: tuple[Layer, ...]
    other_parameters: tuple[tuple[str, int], ...]
    reference: str
    other_operators: tuple[OtherOperator, ...] = ()
    unsupported: tuple[Unsupported, ...] = ()

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
