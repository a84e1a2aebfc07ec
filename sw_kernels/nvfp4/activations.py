"""Four-bit activations, measured: quantization, products of two NVFP4 matrices, and normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sw_kernels.measure import Call, Meter, measure, relative_error
from sw_kernels.measured import MeasurementError, check_errors, check_repeats, timing_entries
from sw_kernels.nvfp4.matrix import Nvfp4Matrix
from sw_kernels.nvfp4.product.digits import digits_of
from sw_kernels.nvfp4.product.launch import Branch, exact_product, wide_product
from sw_kernels.nvfp4.product.naive import product_naively
from sw_kernels.nvfp4.quantize.launch import Narrowing, largest_magnitude, quantize
from sw_kernels.nvfp4.quantize.naive import narrow_naively, quantize_naively
from sw_kernels.rms_norm.launch import rms_norm
from sw_kernels.rms_norm.naive import rms_norm_naively
from sw_kernels.rms_norm.noise import Noise

RANK = 32
MOST_ERRORS = (3e-3, 0.04)
# Rows and columns of a product that are compared with numpy's exact one.
CORNER = 96


@dataclass(frozen=True, slots=True)
class Quantization:
    """Rows of bf16 to NVFP4, beside a copy of the rows."""

    rows: int
    columns: int
    narrowing: bool = False

    @property
    def name(self) -> str:
        return f"quantize{'_down' if self.narrowing else ''}-m{self.rows}-k{self.columns}"

    def row(self, torch: Any, meter: Meter, seconds: float) -> dict[str, Any]:
        """Its entry in the measurement file."""
        torch.manual_seed(1)
        inputs = [_normal(torch, self.rows, self.columns) for _ in range(8)]
        out = Nvfp4Matrix.empty(self.rows, self.columns, "cuda")
        amax = torch.empty(1, device="cuda")
        narrow = torch.full((self.rows, RANK), float("nan"), device="cuda", dtype=torch.bfloat16)
        narrowing = Narrowing(_normal(torch, RANK, self.columns), narrow) if self.narrowing else None
        copy = torch.empty_like(inputs[0])

        def ours(index: int) -> None:
            largest_magnitude(inputs[index], amax)
            quantize(inputs[index], amax, out, narrowing=narrowing)

        ours(0)
        _check_same(self.name, out, quantize_naively(inputs[0], None))
        check_repeats(torch, self.name, lambda: ours(0), out.codes, poison=0xFF)
        if narrowing:
            check_errors(
                self.name, relative_error(torch, narrow, narrow_naively(inputs[0], narrowing.down)), MOST_ERRORS
            )
            check_repeats(torch, self.name, lambda: ours(0), narrow)
        mine, stock = measure(torch, meter, [ours, lambda i: copy.copy_(inputs[i])], [8, 8], seconds=seconds)
        return {
            "name": self.name,
            "error": 0.0,
            "bits_equal_numpy": True,
            **timing_entries(mine),
            "bytes": self.rows * self.columns * 2 + self.rows * self.columns * 9 // 16,
            "peer": "copy of the rows in bf16",
            **timing_entries(stock, "peer_"),
            "ratio_to_peer": round(stock.time_us / mine.time_us, 4),
        }


@dataclass(frozen=True, slots=True)
class Product:
    """A product of two NVFP4 matrices, exact or with sums in fp32, beside cuBLAS in bf16."""

    kind: str
    rows: int
    outputs: int
    columns: int
    branch: bool = False

    @property
    def name(self) -> str:
        return f"w4a4_{self.kind}{'_up' if self.branch else ''}-m{self.rows}-n{self.outputs}-k{self.columns}"

    def row(self, torch: Any, meter: Meter, seconds: float) -> dict[str, Any]:
        """Its entry in the measurement file."""
        torch.manual_seed(2)
        x, w = _normal(torch, self.rows, self.columns), _normal(torch, self.outputs, self.columns)
        left, right = _quantized(torch, x), _quantized(torch, w)
        out = torch.full((self.rows, self.outputs), float("nan"), device="cuda", dtype=torch.bfloat16)
        branch = None
        if self.branch:
            branch = Branch(_normal(torch, self.rows, RANK), _normal(torch, self.outputs, RANK))
        ours = self._call(torch, left, right, out, branch)
        ours(0)
        entry: dict[str, Any] = {"name": self.name, "rank": RANK if self.branch else 0}
        corner = [Nvfp4Matrix(m.codes[:CORNER], m.scales[:CORNER], m.tensor_scale) for m in (left, right)]
        exact = product_naively(corner[0], corner[1], torch.bfloat16).to("cuda")
        found = out[:CORNER, :CORNER]
        if self.kind == "exact" and not self.branch:
            if not torch.equal(exact, found):
                raise MeasurementError(f"case {self.name!r} differs from the exact product; no speed is reported")
            entry["bits_equal_numpy"] = True
        reference = exact.double()
        if branch:
            reference = reference + branch.narrow[:CORNER].double() @ branch.up[:CORNER].double().T
        errors = relative_error(torch, found, reference)
        check_errors(self.name, errors, MOST_ERRORS)
        check_repeats(torch, self.name, lambda: ours(0), out)
        result = torch.empty_like(out)

        def stock(_: int) -> None:
            torch.matmul(x, w.t(), out=result)

        mine, theirs = measure(torch, meter, [ours, stock], [1, 1], seconds=seconds)
        return entry | {
            "error": errors[0],
            "largest_element_error": errors[1],
            **timing_entries(mine),
            "flop": 2 * self.rows * self.outputs * self.columns,
            "peer": "cublas bf16",
            **timing_entries(theirs, "peer_"),
            "ratio_to_peer": round(theirs.time_us / mine.time_us, 4),
        }

    def _call(self, torch: Any, left: Nvfp4Matrix, right: Nvfp4Matrix, out: Any, branch: Branch | None) -> Call:
        if self.kind == "wide":
            room = torch.empty((self.rows + self.outputs) * self.columns, device="cuda", dtype=out.dtype)
            return lambda _: wide_product(left, right, out, room, branch)
        # Weights stay, so that their digits are counted once; activations may need all.
        digits = digits_of(right.scales)
        most = (3 * self.rows + digits.count * self.outputs) * self.columns
        room = torch.empty(most, device="cuda", dtype=torch.int8)
        return lambda _: exact_product(left, right, out, room, branch, right_digits=digits)


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Residual sum, RMS norm and noise in one kernel, beside torch's operators."""

    rows: int
    channels: int

    @property
    def name(self) -> str:
        return f"rms_norm-m{self.rows}-c{self.channels}"

    def row(self, torch: Any, meter: Meter, seconds: float) -> dict[str, Any]:
        """Its entry in the measurement file."""
        torch.manual_seed(3)
        x = _normal(torch, self.rows, self.channels)
        weight = _normal(torch, 1, self.channels)[0]
        residual, zero = torch.zeros_like(x), torch.zeros_like(x)
        out, noise = torch.full_like(x, float("nan")), Noise(0.01, 5)

        def ours(_: int) -> None:
            rms_norm(x, weight, out, residual=residual, noise=noise)

        ours(0)
        _, reference = rms_norm_naively(x.cpu(), weight.cpu(), zero.cpu(), 1e-6, noise)
        errors = relative_error(torch, out, reference.to("cuda"))
        check_errors(self.name, errors, MOST_ERRORS)
        added = torch.randn(self.channels, device="cuda").to(torch.bfloat16)

        def stock(_: int) -> None:
            zero.add_(x)
            torch.nn.functional.rms_norm(zero, (self.channels,), weight + added, 1e-6)

        mine, theirs = measure(torch, meter, [ours, stock], [1, 1], seconds=seconds)
        return {
            "name": self.name,
            "error": errors[0],
            "largest_element_error": errors[1],
            **timing_entries(mine),
            "peer": "torch: add, add, rms_norm",
            **timing_entries(theirs, "peer_"),
            "ratio_to_peer": round(theirs.time_us / mine.time_us, 4),
        }


def cases() -> tuple[Quantization | Product | Normalisation, ...]:
    """Layers of FLUX.1 at 4608 tokens, and the normalisation of Qwen2.5-7B."""
    return (
        Quantization(4608, 3072),
        Quantization(4608, 3072, narrowing=True),
        *(Product(kind, 4608, 12288, 3072, branch) for kind in ("exact", "wide") for branch in (False, True)),
        Normalisation(8, 3584),
        Normalisation(4096, 3584),
    )


def _normal(torch: Any, rows: int, columns: int) -> Any:
    return torch.randn(rows, columns, device="cuda", dtype=torch.bfloat16)


def _quantized(torch: Any, x: Any) -> Nvfp4Matrix:
    out = Nvfp4Matrix.empty(x.shape[0], x.shape[1], "cuda")
    amax = torch.empty(1, device="cuda")
    largest_magnitude(x, amax)
    quantize(x, amax, out)
    return out


def _check_same(name: str, found: Nvfp4Matrix, expected: Any) -> None:
    """Refuse a matrix that differs from the definition in any bit."""
    held = found.block_scaled()
    equal = (
        np.array_equal(held.codes, expected.codes)
        and np.array_equal(held.scale_codes, expected.scale_codes)
        and held.tensor_scale == expected.tensor_scale
    )
    if not equal:
        raise MeasurementError(f"case {name!r} differs from the format's definition; no speed is reported")
