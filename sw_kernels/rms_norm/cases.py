"""Normalisation with a residual sum and noise, measured beside the library's normalisation alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sw_kernels.measure import Meter, copies_past_cache, measure, relative_error
from sw_kernels.measured import check_errors, check_repeats, timing_entries
from sw_kernels.rms_norm.launch import rms_norm
from sw_kernels.rms_norm.naive import rms_norm_naively
from sw_kernels.rms_norm.noise import Noise

NOISE = Noise(1e-2, 1)
MOST_ERRORS = (3e-3, 0.04)


@dataclass(frozen=True, slots=True)
class Case:
    """So many rows of so many channels."""

    rows: int
    channels: int

    @property
    def name(self) -> str:
        return f"rms-norm-c{self.channels}-m{self.rows}"

    def row(self, torch: Any, meter: Meter, seconds: float) -> dict[str, Any]:
        """Its entry in the measurement file."""
        generator = torch.Generator(device="cuda").manual_seed(self.rows)

        def drawn(*shape: int) -> Any:
            return torch.randn(shape, device="cuda", generator=generator).to(torch.bfloat16)

        bytes_each = 8 * self.rows * self.channels
        count = copies_past_cache(bytes_each, torch.cuda.get_device_properties(0).L2_cache_size)
        xs = [drawn(self.rows, self.channels) for _ in range(count)]
        sums = [drawn(self.rows, self.channels) for _ in range(count)]
        weight, out = drawn(self.channels), torch.full_like(xs[0], float("nan"))
        # Residuals grow with every call; only the first checks use copy 0 of both.
        before = sums[0].clone()

        def first() -> None:
            sums[0].copy_(before)
            rms_norm(xs[0], weight, out, residual=sums[0], noise=NOISE)

        first()
        _, reference = rms_norm_naively(xs[0], weight, before, 1e-6, NOISE)
        errors = relative_error(torch, out, reference)
        check_errors(self.name, errors, MOST_ERRORS)
        check_repeats(torch, self.name, first, out)

        def ours(copy: int) -> None:
            rms_norm(xs[copy], weight, out, residual=sums[copy], noise=NOISE)

        def theirs(copy: int) -> None:
            sums[copy].add_(xs[copy])
            torch.nn.functional.rms_norm(sums[copy], (self.channels,), weight, 1e-6)

        mine, stock = measure(torch, meter, [ours, theirs], [count, count], seconds=seconds)
        return {
            "name": self.name,
            "error": errors[0],
            "largest_element_error": errors[1],
            **timing_entries(mine),
            "bytes": bytes_each,
            "peer": "torch sum and rms_norm, no noise",
            **timing_entries(stock, "peer_"),
            "ratio_to_peer": round(stock.time_us / mine.time_us, 4),
        }


def cases() -> tuple[Case, ...]:
    """One token, a batch of a rollout, and a prefill of Qwen2.5-7B."""
    return (Case(1, 3584), Case(64, 3584), Case(4096, 3584))
