"""Reinforcement learning on a four-bit policy with adapters and noise in its normalisation (arXiv 2510.11696)."""
