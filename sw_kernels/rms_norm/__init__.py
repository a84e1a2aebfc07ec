"""Root-mean-square normalisation, with the residual sum before it and adaptive noise on its weights."""
