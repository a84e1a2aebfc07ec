"""The definition, in fp64, one sequence and head after the other."""

from __future__ import annotations

from typing import Any


def decode_attention_naively(queries: Any, keys: Any, values: Any, table: Any, lengths: Any, scale: float) -> Any:
    """Softmax of the scaled scores of every cached token, times the values; a sequence of no tokens gives zeros.

    Parameters
    ----------
    queries : tensor, shape (sequences, heads, d)
    keys, values : tensors, shape (pages, kv heads, tokens of a page, d)
    table : integer tensor, shape (sequences, most pages)
        Pages of each sequence, in order.
    lengths : integer tensor, shape (sequences,)
        Tokens of each sequence.
    """
    import torch

    _, kv_heads, page, _ = keys.shape
    group = queries.shape[1] // kv_heads
    out = torch.zeros(queries.shape, dtype=torch.float64, device=queries.device)
    for sequence, length in enumerate(lengths.tolist()):
        if not length:
            continue
        pages = table[sequence, : -(-length // page)].long()
        for head in range(queries.shape[1]):
            k, v = (cache[pages, head // group].flatten(0, 1)[:length].double() for cache in (keys, values))
            scores = (k @ queries[sequence, head].double()) * scale
            out[sequence, head] = torch.softmax(scores, 0) @ v
    return out
