"""GPU kernels from nests; torch and triton are needed only to run them."""

from sw_kernels.contraction import generate
from sw_kernels.launch import LaunchError, contract, explain

__all__ = ["LaunchError", "contract", "explain", "generate"]
