"""Kernels on four-bit weights and activations in NVFP4."""
