"""One decoded token of a whole model, four-bit weights beside bf16, every kernel of it in one graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sw_kernels.decode_attention.launch import Workspace as AttentionWorkspace
from sw_kernels.decode_attention.launch import decode_attention, tiles_for
from sw_kernels.measure import Meter, measure
from sw_kernels.measured import check_repeats, timing_entries
from sw_kernels.nvfp4.weight import packed
from sw_kernels.nvfp4.weight_only.launch import Lora, Workspace, linear
from sw_kernels.rms_norm.launch import rms_norm

PAGE_TOKENS = 64
RANK = 32


@dataclass(frozen=True, slots=True)
class Model:
    """Shape of a decoder-only transformer."""

    layers: int
    channels: int
    heads: int
    kv_heads: int
    hidden: int
    vocabulary: int
    d: int = 128

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """Outputs and inputs of the linear layers of a block."""
        return {
            "qkv": ((self.heads + 2 * self.kv_heads) * self.d, self.channels),
            "out": (self.channels, self.heads * self.d),
            "gate_up": (2 * self.hidden, self.channels),
            "down": (self.channels, self.hidden),
        }

    @property
    def block_weights(self) -> int:
        return self.layers * sum(outputs * inputs for outputs, inputs in self.linears.values())


# Qwen2.5 technical report, arXiv:2412.15115, table 1, and the models' published configurations.
MODELS = {
    "qwen2.5-7b": Model(28, 3584, 28, 4, 18944, 152064),
    "qwen2.5-32b": Model(64, 5120, 40, 8, 27648, 152064),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A token of each sequence of a batch, after so many cached ones.

    The vocabulary's matrix stays in bf16 on both sides, and all kernels but the products of the blocks are the same.
    ``lora`` adds a branch of rank 32 to every product of the four-bit side; the peer has it merged into its weights.
    """

    model: str
    batch: int
    tokens: int = 1280
    lora: bool = False
    peer: bool = True

    @property
    def name(self) -> str:
        return f"token-{self.model}{'-lora' if self.lora else ''}-b{self.batch}"

    def row(self, torch: Any, meter: Meter, seconds: float) -> dict[str, Any]:
        """Its entry in the measurement file."""
        model = MODELS[self.model]
        ours = _Decoder(torch, self, four_bit=True)
        # What packing needed does not count.
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        ours.step()
        four_bit_bytes = torch.cuda.max_memory_allocated()
        check_repeats(torch, self.name, ours.step, ours.logits)
        entry: dict[str, Any] = {
            "name": self.name,
            "batch": self.batch,
            "cached_tokens": self.tokens,
            "rank": RANK if self.lora else 0,
            "memory_bytes": four_bit_bytes,
            "weight_bytes": ours.weight_bytes,
            "bf16_weight_bytes": 2 * (model.block_weights + 2 * model.vocabulary * model.channels),
        }
        calls = [lambda _: ours.step()]
        if self.peer:
            stock = _Decoder(torch, self, four_bit=False, cache=ours)
            calls.append(lambda _: stock.step())
        mine, *theirs = measure(torch, meter, calls, [1] * len(calls), seconds=seconds)
        entry |= timing_entries(mine)
        entry["tokens_per_s"] = round(self.batch / mine.time_us * 1e6, 1)
        for timing in theirs:
            entry |= {"peer": "bf16, cublas", **timing_entries(timing, "peer_")}
            entry["ratio_to_peer"] = round(timing.time_us / mine.time_us, 4)
            entry["energy_to_peer"] = round(mine.energy_j / timing.energy_j, 4)
        return entry


class _Decoder:
    """Random weights, a cache, and one step through all blocks."""

    def __init__(self, torch: Any, case: Case, *, four_bit: bool, cache: _Decoder | None = None) -> None:
        self.torch, self.case, self.four_bit, self.model = torch, case, four_bit, MODELS[case.model]
        model = self.model
        self.generator = torch.Generator(device="cuda").manual_seed(7)
        drawn = {name: self._weight(*shape) for name, shape in model.linears.items()}
        copied = "cloned" if four_bit else "clone"
        self.blocks = [{name: getattr(value, copied)() for name, value in drawn.items()} for _ in range(model.layers)]
        self.loras = {name: self._lora(*shape) for name, shape in model.linears.items()} if case.lora else {}
        self.workspace = Workspace.on("cuda", torch.bfloat16)
        self.norm = torch.ones(model.channels, device="cuda", dtype=torch.bfloat16)
        self.vocabulary: Any = cache.vocabulary if cache else self._normal(model.vocabulary, model.channels)
        self.embedding = self._normal(case.batch, model.channels, 1.0)
        self._make_cache(cache)
        self._make_outputs()

    def _normal(self, rows: int, columns: int, deviation: float = 0.02) -> Any:
        torch = self.torch
        return torch.randn(rows, columns, device="cuda", generator=self.generator, dtype=torch.bfloat16) * deviation

    def _weight(self, outputs: int, inputs: int) -> Any:
        torch = self.torch
        if not self.four_bit:
            return self._normal(outputs, inputs)
        codes = torch.randint(0, 16, (outputs, inputs), device="cuda", generator=self.generator, dtype=torch.uint8)
        scales = torch.randint(48, 64, (outputs, inputs // 16), device="cuda", generator=self.generator)
        return packed(codes, scales.to(torch.uint8), 0.005)

    def _lora(self, outputs: int, inputs: int) -> Lora:
        return Lora(self._normal(RANK, inputs), self._normal(outputs, RANK))

    def _make_cache(self, cache: _Decoder | None) -> None:
        torch, case, model = self.torch, self.case, self.model
        pages = -(-(case.tokens + 1) // PAGE_TOKENS)
        if cache:
            self.keys: Any = cache.keys
            self.values: Any = cache.values
            self.table: Any = cache.table
            self.lengths: Any = cache.lengths
        else:
            shape = (model.layers, case.batch * pages, model.kv_heads, PAGE_TOKENS, model.d)
            self.keys, self.values = (torch.randn(shape, device="cuda", dtype=torch.bfloat16) for _ in range(2))
            self.table = torch.arange(case.batch * pages, device="cuda", dtype=torch.int32).view(case.batch, pages)
            self.lengths = torch.full((case.batch,), case.tokens + 1, device="cuda", dtype=torch.int32)
        # Where the new token goes: its page and its place there.
        self.page = self.table[:, case.tokens // PAGE_TOKENS].long()
        self.place = case.tokens % PAGE_TOKENS
        angle = case.tokens / 1e6 ** (torch.arange(0, model.d, 2, device="cuda").float() / model.d)
        self.cosine, self.sine = (f(angle).repeat(2).to(torch.bfloat16) for f in (torch.cos, torch.sin))

    def _make_outputs(self) -> None:
        torch, case, model = self.torch, self.case, self.model

        def empty(*shape: int) -> Any:
            return torch.empty(shape, device="cuda", dtype=torch.bfloat16)

        self.outputs = {name: empty(case.batch, outputs) for name, (outputs, _) in model.linears.items()}
        self.normal = empty(case.batch, model.channels)
        self.attended = empty(case.batch, model.heads, model.d)
        self.logits = empty(case.batch, model.vocabulary)
        self.tiles = tiles_for(case.batch, model.kv_heads, self.table.shape[1] * PAGE_TOKENS)
        self.attention = AttentionWorkspace.on(
            "cuda", case.batch, model.kv_heads, model.heads // model.kv_heads, model.d, self.tiles.split
        )

    @property
    def weight_bytes(self) -> int:
        """Weights as stored, embedding and vocabulary in bf16."""
        blocks = sum(weight.bytes for block in self.blocks for weight in block.values())
        return blocks + 2 * 2 * self.model.vocabulary * self.model.channels

    def _linear(self, layer: int, name: str, x: Any) -> Any:
        out, weight = self.outputs[name], self.blocks[layer][name]
        if self.four_bit:
            linear(x, weight, out, self.workspace, self.loras.get(name))
        else:
            self.torch.matmul(x, weight.t(), out=out)
        return out

    def _turned(self, x: Any) -> Any:
        """Rotary position embedding (Su et al., arXiv:2104.09864)."""
        low, high = x.chunk(2, dim=-1)
        return x * self.cosine + self.torch.cat((-high, low), dim=-1) * self.sine

    def step(self) -> None:
        """All kernels of one token: blocks, last normalisation, logits."""
        torch, model = self.torch, self.model
        residual = torch.zeros_like(self.embedding)
        hidden = self.embedding
        for layer in range(model.layers):
            rms_norm(hidden, self.norm, self.normal, residual=residual)
            qkv = self._linear(layer, "qkv", self.normal).view(self.case.batch, -1, model.d)
            queries = self._turned(qkv[:, : model.heads])
            self.keys[layer, :, :, self.place][self.page] = self._turned(qkv[:, model.heads : -model.kv_heads])
            self.values[layer, :, :, self.place][self.page] = qkv[:, -model.kv_heads :]
            decode_attention(
                queries, self.keys[layer], self.values[layer], self.table, self.lengths, self.attended, self.attention,
                tiles=self.tiles,
            )  # fmt: skip
            hidden = self._linear(layer, "out", self.attended.view(self.case.batch, -1))
            rms_norm(hidden, self.norm, self.normal, residual=residual)
            gate, up = self._linear(layer, "gate_up", self.normal).chunk(2, dim=-1)
            hidden = self._linear(layer, "down", torch.nn.functional.silu(gate) * up)
        rms_norm(hidden, self.norm, self.normal, residual=residual)
        torch.matmul(self.normal, self.vocabulary.t(), out=self.logits)


def cases() -> tuple[Case, ...]:
    """Batches of a rollout; the large model also where bf16 weights and what training needs would not fit 80 GB."""
    return (
        *(Case("qwen2.5-7b", batch) for batch in (1, 2, 4, 8)),
        *(Case("qwen2.5-7b", batch, lora=True) for batch in (1, 8)),
        Case("qwen2.5-32b", 1, lora=True, peer=False),
        Case("qwen2.5-32b", 8, lora=True, peer=False),
    )
