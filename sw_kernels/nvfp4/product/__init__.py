"""Products of two NVFP4 matrices: exact and rounded once, or by the block-scaled instructions of sm_100."""
