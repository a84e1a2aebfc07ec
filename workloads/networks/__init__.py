"""Networks as tables of layers, with published totals in their tests."""

from workloads.networks.network import Layer, Network, OtherOperator, Unsupported
from workloads.networks.registry import NetworkError, network_named, network_names, network_parameters

__all__ = [
    "Layer",
    "Network",
    "NetworkError",
    "OtherOperator",
    "Unsupported",
    "network_named",
    "network_names",
    "network_parameters",
]
