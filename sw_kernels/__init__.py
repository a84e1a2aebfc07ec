"""GPU kernels from nests; torch and triton are needed only to run them."""

from sw_kernels.contraction import KernelError, generate
from sw_kernels.launch import LaunchError, contract, explain

__all__ = ["KernelError", "LaunchError", "contract", "explain", "generate"]
