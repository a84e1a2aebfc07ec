"""Decode attention over a paged cache, measured beside cuDNN over a contiguous one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sw_kernels.decode_attention.launch import Workspace, decode_attention, tiles_for
from sw_kernels.measure import Meter, copies_past_cache, measure, relative_error
from sw_kernels.measured import check_errors, check_repeats, timing_entries

PAGE_TOKENS = 64

# bf16 rounds probabilities and outputs.
MOST_ERRORS = (4e-3, 0.05)


@dataclass(frozen=True, slots=True)
class Case:
    """One new token a sequence against so many cached ones."""

    sequences: int
    heads: int
    kv_heads: int
    d: int
    tokens: int

    @property
    def name(self) -> str:
        return f"attention-h{self.heads}-kv{self.kv_heads}-b{self.sequences}-n{self.tokens}"

    def row(self, torch: Any, meter: Meter, seconds: float) -> dict[str, Any]:
        """Its entry in the measurement file."""
        generator = torch.Generator(device="cuda").manual_seed(self.tokens + self.sequences)

        def drawn(*shape: int) -> Any:
            return torch.randn(shape, device="cuda", generator=generator, dtype=torch.bfloat16)

        flat = (self.sequences, self.kv_heads, self.tokens, self.d)
        bytes_each = 2 * 2 * self.sequences * self.kv_heads * self.tokens * self.d
        copies = copies_past_cache(bytes_each, torch.cuda.get_device_properties(0).L2_cache_size)
        queries = drawn(self.sequences, self.heads, self.d)
        keys, values = ([drawn(*flat) for _ in range(copies)] for _ in range(2))
        pages = self.sequences * self.tokens // PAGE_TOKENS
        # Pages lie anywhere.
        table = torch.randperm(pages, device="cuda", generator=generator, dtype=torch.int32)
        paged = [[self._paged(cache, table) for cache in caches] for caches in (keys, values)]
        table = table.view(self.sequences, -1)
        lengths = torch.full((self.sequences,), self.tokens, device="cuda", dtype=torch.int32)
        out = torch.full_like(queries, float("nan"))
        tiles = tiles_for(self.sequences, self.kv_heads, self.tokens)
        group = self.heads // self.kv_heads
        workspace = Workspace.on("cuda", self.sequences, self.kv_heads, group, self.d, tiles.split)
        workspace.partial.fill_(float("nan"))
        workspace.partial_lse.fill_(float("nan"))

        def ours(copy: int) -> None:
            decode_attention(queries, paged[0][copy], paged[1][copy], table, lengths, out, workspace, tiles=tiles)

        ours(0)
        errors = relative_error(torch, out, self._reference(torch, queries, keys[0], values[0]))
        check_errors(self.name, errors, MOST_ERRORS)
        check_repeats(torch, self.name, lambda: ours(0), out)
        row_queries = queries.unsqueeze(2)

        def theirs(copy: int) -> None:
            with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.CUDNN_ATTENTION):
                torch.nn.functional.scaled_dot_product_attention(row_queries, keys[copy], values[copy], enable_gqa=True)

        mine, stock = measure(torch, meter, [ours, theirs], [copies, copies], seconds=seconds)
        return {
            "name": self.name,
            "error": errors[0],
            "largest_element_error": errors[1],
            **timing_entries(mine),
            "bytes": bytes_each,
            "tb_per_s": round(bytes_each / mine.time_us * 1e-6, 3),
            "peer": "cudnn, contiguous cache",
            **timing_entries(stock, "peer_"),
            "ratio_to_peer": round(stock.time_us / mine.time_us, 4),
        }

    def _paged(self, cache: Any, table: Any) -> Any:
        """The cache in pages: page ``table[i]`` holds the i-th run of tokens, all sequences one after the other."""
        runs = cache.view(self.sequences, self.kv_heads, -1, PAGE_TOKENS, self.d).transpose(1, 2)
        pages = cache.new_empty(table.numel(), self.kv_heads, PAGE_TOKENS, self.d)
        pages[table.long()] = runs.reshape(pages.shape)
        return pages

    def _reference(self, torch: Any, queries: Any, keys: Any, values: Any) -> Any:
        group = self.heads // self.kv_heads
        q = queries.view(self.sequences, self.kv_heads, group, self.d).double()
        found = [
            torch.softmax(q[:, h] @ keys[:, h].double().transpose(1, 2) * self.d**-0.5, dim=-1) @ values[:, h].double()
            for h in range(self.kv_heads)
        ]
        return torch.stack(found, dim=1).view(queries.shape)


def cases() -> tuple[Case, ...]:
    """Long caches of a model with 32 query heads, and the batches of a rollout."""
    return (
        Case(1, 32, 8, 128, 1 << 16),
        Case(1, 32, 8, 128, 1 << 17),
        Case(8, 28, 4, 128, 2048),
        Case(64, 28, 4, 128, 2048),
    )
