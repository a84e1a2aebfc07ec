"""Products with four-bit weights, measured beside cuBLAS in bf16."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sw_kernels.measure import Meter, copies_past_cache, measure, relative_error
from sw_kernels.measured import check_errors, check_repeats, timing_entries
from sw_kernels.nvfp4.weight import Nvfp4Weight, packed
from sw_kernels.nvfp4.weight_only.launch import Lora, Workspace, linear, prefill
from sw_kernels.nvfp4.weight_only.naive import linear_naively

# Linear layers of Qwen2.5-7B (outputs, inputs), and one of FLUX.1.
LAYERS = {"qkv": (3584, 3584), "gate_up": (18944, 3584), "down": (3584, 18944), "flux": (12288, 3072)}
DECODE_ROWS = (1, 8, 16, 32, 64, 128)
RANK = 32

# Above these a result is wrong: relative L2, and largest element over the root mean square. Against an fp64 product of
# the dequantised weights a right kernel has 1.7e-3 and 0.02; one that reads overwritten registers has 2.7e-3 and 0.3.
MOST_ERRORS = (3e-3, 0.04)


@dataclass(frozen=True, slots=True)
class Case:
    """One measured product.

    Attributes
    ----------
    kind : str
        ``decode`` (beside cuBLAS bf16), ``prefill`` (likewise, through decoded weights), or ``lora`` and
        ``prefill_lora`` (beside the same product without the low-rank branch).
    """

    kind: str
    layer: str
    rows: int

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.layer}-m{self.rows}"

    def row(self, torch: Any, meter: Meter, seconds: float) -> dict[str, Any]:
        """Its entry in the measurement file."""
        return _Measured(torch, meter, self, seconds).row()


def cases() -> tuple[Case, ...]:
    """Every case, in the order in which they run."""
    layers = ("qkv", "gate_up", "down")
    return (
        *(Case("decode", layer, rows) for layer in layers for rows in DECODE_ROWS),
        *(Case("lora", layer, rows) for layer in layers for rows in DECODE_ROWS),
        *(Case("prefill", layer, 4096) for layer in layers),
        Case("prefill_lora", "gate_up", 4608),
        Case("prefill_lora", "flux", 4608),
    )


class _Measured:
    """The tensors of one case, and what is measured on them."""

    def __init__(self, torch: Any, meter: Meter, case: Case, seconds: float) -> None:
        self.torch, self.meter, self.case, self.seconds = torch, meter, case, seconds
        self.generator = torch.Generator(device="cuda").manual_seed(sum(map(ord, case.name)))
        outputs, inputs = LAYERS[case.layer]
        self.outputs, self.inputs = outputs, inputs
        cache = torch.cuda.get_device_properties(0).L2_cache_size
        self.weights = [self._weight() for _ in range(copies_past_cache(outputs * inputs * 9 // 16, cache))]
        self.many = case.kind.startswith("prefill")
        self.lora = None
        if case.kind.endswith("lora"):
            self.lora = Lora(self._normal(RANK, inputs, 0.02), self._normal(outputs, RANK, 0.05))
        columns = inputs + (RANK if self.lora and self.many else 0)
        self.x = self._normal(case.rows, columns, 1.0)
        self.plain_x = self.x[:, :inputs].contiguous() if self.many else self.x
        self.out = torch.empty(case.rows, outputs, device="cuda", dtype=torch.bfloat16)
        self.room = torch.empty(outputs, columns if self.many else 1, device="cuda", dtype=torch.bfloat16)
        self.workspace = Workspace.on("cuda", torch.bfloat16)

    def _normal(self, rows: int, columns: int, deviation: float) -> Any:
        value = self.torch.randn(rows, columns, device="cuda", generator=self.generator)
        return (value * deviation).to(self.torch.bfloat16)

    def _weight(self) -> Nvfp4Weight:
        """Codes of every value, scales over the whole range in a few blocks and near one another in the rest."""
        torch = self.torch

        def drawn(least: int, most: int, *shape: int) -> Any:
            return torch.randint(least, most, shape, device="cuda", generator=self.generator)

        codes = drawn(0, 16, self.outputs, self.inputs).to(torch.uint8)
        scales = drawn(44, 68, self.outputs, self.inputs // 16)
        rare = drawn(0, 64, self.outputs, self.inputs // 16) == 0
        small = drawn(0, 9, self.outputs, self.inputs // 16)
        return packed(codes, torch.where(rare, small, scales).to(torch.uint8), 0.01)

    def ours(self, copy: int) -> None:
        weight = self.weights[copy]
        if self.many:
            prefill(self.x, weight, self.out, self.room, self.lora)
        else:
            linear(self.x, weight, self.out, self.workspace, self.lora)

    def without_branch(self, copy: int) -> None:
        weight = self.weights[copy]
        if self.many:
            prefill(self.plain_x, weight, self.out, self.room[:, : self.inputs])
        else:
            linear(self.x, weight, self.out, self.workspace)

    def check(self) -> tuple[float, float]:
        """Errors, after proving that repeats agree bit for bit.

        Raises
        ------
        MeasurementError
        """
        torch = self.torch
        nan = float("nan")
        self.workspace.partial.fill_(nan)
        self.workspace.narrow.fill_(nan)
        self.workspace.narrow_partial.fill_(nan)
        self.out.fill_(nan)
        self.room.fill_(nan)
        self.ours(0)
        branch = (self.lora.down, self.lora.up) if self.lora else None
        errors = relative_error(torch, self.out, linear_naively(self.plain_x, self.weights[0], branch))
        check_errors(self.case.name, errors, MOST_ERRORS)
        check_repeats(torch, self.case.name, lambda: self.ours(0), self.out)
        return errors

    def row(self) -> dict[str, Any]:
        """One entry of the measurement file."""
        relative, element = self.check()
        torch, case = self.torch, self.case
        if case.kind.endswith("lora"):
            peer, call, count = "the same product without the branch", self.without_branch, len(self.weights)
        else:
            peer, count = "cublas bf16", copies_past_cache(self.outputs * self.inputs * 2, 60 << 20)
            stock = [self._normal(self.outputs, self.inputs, 0.05) for _ in range(count)]

            def call(copy: int) -> None:
                torch.matmul(self.plain_x, stock[copy].t(), out=self.out)

        ours, theirs = measure(torch, self.meter, [self.ours, call], [len(self.weights), count], seconds=self.seconds)
        moved = self.weights[0].bytes + 2 * case.rows * (self.inputs + self.outputs)
        row = {
            "name": case.name,
            "rows": case.rows,
            "outputs": self.outputs,
            "inputs": self.inputs,
            "rank": RANK if self.lora else 0,
            "error": relative,
            "largest_element_error": element,
            **timing_entries(ours),
            "flop": 2 * case.rows * self.inputs * self.outputs,
            "bytes": moved,
            "peer": peer,
            **timing_entries(theirs, "peer_"),
        }
        if case.kind.endswith("lora"):
            return row | {"overhead": round(ours.time_us / theirs.time_us - 1, 4)}
        return row | {
            "ratio_to_peer": round(theirs.time_us / ours.time_us, 4),
            "energy_to_peer": round(ours.energy_j / theirs.energy_j, 4),
        }
