"""Products of 16-bit activations with four-bit weights, and the low-rank branch beside them."""
