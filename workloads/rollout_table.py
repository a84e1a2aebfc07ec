"""Rollouts as tables in Markdown: what runs, how fast it could run at best, and what stays in memory."""

from __future__ import annotations

from workloads.rollout import BATCHES, BF16, NVFP4, SIZES, Rollout
from workloads.rollout_memory import CARD_80_GB_BYTES, rollout_memory, training_memory


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = (f"| {' | '.join(cells)} |" for cells in (head, *rows))
    first, *others = lines
    return "\n".join([first, "|---" * len(head) + "|", *others])


def step_table(rollout: Rollout) -> str:
    """Every operation of a rollout; adapters together."""
    rows: list[tuple[str, ...]] = []
    for phase in ("prefill", "decode"):
        steps = [s for s in rollout.steps if s.phase == phase]
        adapters = [s for s in steps if s.name.startswith("adapter.")]
        for s in [s for s in steps if s not in adapters]:
            rows.append((phase, s.name, f"`{s.operator}`", f"{s.count:,}", _tera(s.flops), _tera(s.bytes)))
        if adapters:
            what = f"{len(adapters)} products of rank {rollout.rank}"
            flops, traffic = sum(s.flops for s in adapters), sum(s.bytes for s in adapters)
            rows.append((phase, "adapters", what, f"{sum(s.count for s in adapters):,}", _tera(flops), _tera(traffic)))
    return _table(("phase", "step", "nest", "runs", "TFLOP", "TB"), rows)


def bound_table(bytes_per_s: float, flops_per_s: float, *, rank: int = 32) -> str:
    """Tokens a second that traffic and arithmetic allow, bf16 to NVFP4, by size and batch."""
    rows = []
    for size in SIZES:
        cells = [f"Qwen2.5 {size.upper()}"]
        for batch in BATCHES:
            wide, narrow = (
                Rollout.of(f"qwen2.5_{size}", weights, batch, rank=rank).most_tokens_per_s(bytes_per_s, flops_per_s)
                for weights in (BF16, NVFP4)
            )
            cells.append(f"{wide:,.0f} to {narrow:,.0f} ({narrow / wide:.2f})")
        rows.append(tuple(cells))
    return _table(("batch", *map(str, BATCHES)), rows)


def memory_table(batch: int) -> str:
    """GiB of sampling, of both with one copy of the weights, and of both with two, by size and format."""
    rows = []
    for size in SIZES:
        for weights in (BF16, NVFP4):
            r = Rollout.of(f"qwen2.5_{size}", weights, batch)
            needs = (rollout_memory(r), training_memory(r, shared_weights=True), training_memory(r))
            cells = (f"{m.bytes / 2**30:.1f}" + ("" if m.fits(CARD_80_GB_BYTES) else ", too much") for m in needs)
            stored = f"{r.decoder.checkpoint_bytes(weights) / 1e9:.1f}"
            rows.append((size.upper(), weights.name, stored, *cells))
    head = ("model", "weights", "checkpoint, GB", "sampling, GiB", "and training, one copy", "and training, two copies")
    return _table(head, rows)


def _tera(count: int) -> str:
    return f"{count / 1e12:.3g}"
