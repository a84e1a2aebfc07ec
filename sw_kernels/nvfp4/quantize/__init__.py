"""Quantization of activations to NVFP4, with the narrow half of a low-rank branch from the same pass."""
