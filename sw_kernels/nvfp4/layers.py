"""Linear layers with four bits on both sides and a low-rank branch, measured beside cuBLAS in bf16."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sw_kernels.measure import Meter, measure, relative_error
from sw_kernels.measured import MeasurementError, check_errors, check_repeats, timing_entries
from sw_kernels.nvfp4.matrix import Nvfp4Matrix
from sw_kernels.nvfp4.product.digits import digits_of
from sw_kernels.nvfp4.product.launch import Branch, exact_product, wide_product
from sw_kernels.nvfp4.product.naive import product_naively
from sw_kernels.nvfp4.quantize.launch import Narrowing, largest_magnitude, quantize
from sw_kernels.nvfp4.quantize.naive import quantize_naively
from workloads.formats.packing import pack

# Linear layers of FLUX.1 (outputs, inputs), and its tokens for a picture of 1024 x 1024.
LAYERS = {"flux_up": (12288, 3072), "flux_down": (3072, 12288)}
ROWS = 4608
RANK = 32

# Rows of a product that are compared with the definition, bit for bit; its sums are done by the CPU.
CHECKED_ROWS = 64

MOST_ERRORS = (3e-3, 0.04)


@dataclass(frozen=True, slots=True)
class Case:
    """One measured step of a layer.

    Attributes
    ----------
    kind : str
        ``quantize`` (with the narrow half of the branch, beside the same without it), ``exact`` (the exact product),
        ``wide`` (the product with sums in fp32, and the branch) and ``layer`` (``quantize``, then ``wide``), all three
        beside a product in bf16.
    """

    kind: str
    layer: str

    @property
    def name(self) -> str:
        return f"w4a4-{self.kind}-{self.layer}-m{ROWS}"

    def row(self, torch: Any, meter: Meter, seconds: float) -> dict[str, Any]:
        """Its entry in the measurement file."""
        return _Measured(torch, meter, self, seconds).row()


def cases() -> tuple[Case, ...]:
    """Every case, in the order in which they run."""
    return tuple(Case(kind, layer) for layer in LAYERS for kind in ("quantize", "exact", "wide", "layer"))


class _Measured:
    """The tensors of one case, and what is measured on them."""

    def __init__(self, torch: Any, meter: Meter, case: Case, seconds: float) -> None:
        self.torch, self.meter, self.case, self.seconds = torch, meter, case, seconds
        self.generator = torch.Generator(device="cuda").manual_seed(sum(map(ord, case.name)))
        self.outputs, self.inputs = LAYERS[case.layer]
        self.x = self._normal(ROWS, self.inputs)
        self.dense = self._normal(self.outputs, self.inputs, 0.02)
        self.smooth = (1 + self._normal(1, self.inputs, 0.1).abs())[0]
        self.down, self.up = self._normal(RANK, self.inputs, 0.02), self._normal(self.outputs, RANK, 0.02)
        self.amax = torch.empty(1, device="cuda", dtype=torch.float32)
        self.left = Nvfp4Matrix.empty(ROWS, self.inputs, "cuda")
        self.right = Nvfp4Matrix.empty(self.outputs, self.inputs, "cuda")
        largest_magnitude(self.dense, self.amax)
        quantize(self.dense, self.amax, self.right)
        self.digits = digits_of(self.right.scales)
        self.narrow = torch.empty(ROWS, RANK, device="cuda", dtype=torch.bfloat16)
        self.branch = Branch(self.narrow, self.up)
        self.out = torch.empty(ROWS, self.outputs, device="cuda", dtype=torch.bfloat16)
        self.wide_room = torch.empty((ROWS + self.outputs) * self.inputs, device="cuda", dtype=torch.bfloat16)
        digits = (3 * ROWS + self.digits.count * self.outputs) * self.inputs
        self.digit_room = torch.empty(digits, device="cuda", dtype=torch.int8)

    def _normal(self, rows: int, columns: int, deviation: float = 1.0) -> Any:
        value = self.torch.randn(rows, columns, device="cuda", generator=self.generator)
        return (value * deviation).to(self.torch.bfloat16)

    def quantized(self, _copy: int = 0) -> None:
        largest_magnitude(self.x, self.amax, self.smooth)
        narrowing = Narrowing(self.down, self.narrow)
        quantize(self.x, self.amax, self.left, smooth=self.smooth, narrowing=narrowing)

    def quantized_alone(self, _copy: int = 0) -> None:
        largest_magnitude(self.x, self.amax, self.smooth)
        quantize(self.x, self.amax, self.left, smooth=self.smooth)

    def exact(self, _copy: int = 0) -> None:
        exact_product(self.left, self.right, self.out, self.digit_room, right_digits=self.digits)

    def wide(self, _copy: int = 0) -> None:
        wide_product(self.left, self.right, self.out, self.wide_room, self.branch)

    def layer(self, _copy: int = 0) -> None:
        self.quantized()
        self.wide()

    def stock(self, _copy: int = 0) -> None:
        self.torch.matmul(self.x, self.dense.t(), out=self.out)

    def check(self) -> dict[str, Any]:
        """Errors of the case, after proving that repeats agree bit for bit.

        Raises
        ------
        MeasurementError
        """
        torch, name, nan = self.torch, self.case.name, float("nan")
        self.left.codes.fill_(0x5A)
        self.left.scales.fill_(0x7F)
        self.narrow.fill_(nan)
        self.quantized()
        narrow = self.x.double() @ self.down.double().t()
        check_errors(name, relative_error(torch, self.narrow, narrow), MOST_ERRORS)
        if self.case.kind == "quantize":
            codes, scales = pack(quantize_naively(self.x, self.smooth))
            found = self.left.codes.cpu().numpy(), self.left.scales.cpu().numpy()
            if not ((found[0] == codes).all() and (found[1] == scales).all()):
                raise MeasurementError(f"case {name!r} differs from the definition; no speed is reported")
            check_repeats(torch, name, self.quantized, self.narrow)
            return {"error": 0.0}
        self.out.fill_(nan)
        run = getattr(self, self.case.kind)
        run()
        if self.case.kind == "exact":
            some = Nvfp4Matrix(
                self.left.codes[-CHECKED_ROWS:], self.left.scales[-CHECKED_ROWS:], self.left.tensor_scale
            )
            if not torch.equal(self.out[-CHECKED_ROWS:].cpu(), product_naively(some, self.right, torch.bfloat16)):
                raise MeasurementError(f"case {name!r} differs from the definition; no speed is reported")
            check_repeats(torch, name, run, self.out)
            return {"error": 0.0, "digits": [3, self.digits.count]}
        reference = self._dequantized(self.left) @ self._dequantized(self.right).t()
        errors = relative_error(torch, self.out, reference + self.narrow.double() @ self.up.double().t())
        check_errors(name, errors, MOST_ERRORS)
        check_repeats(torch, name, run, self.out)
        return {"error": errors[0], "largest_element_error": errors[1]}

    def _dequantized(self, matrix: Nvfp4Matrix) -> Any:
        tensor = matrix.block_scaled()
        elements, scales = (self.torch.from_numpy(part).cuda().double() for part in (tensor.elements, tensor.scales))
        return elements * scales.repeat_interleave(tensor.format.block, dim=1) * float(tensor.tensor_scale)

    def row(self) -> dict[str, Any]:
        """One entry of the measurement file."""
        found, case = self.check(), self.case
        ours = {"quantize": self.quantized, "exact": self.exact, "wide": self.wide, "layer": self.layer}[case.kind]
        peer, theirs = "cublas bf16", self.stock
        if case.kind == "quantize":
            peer, theirs = "the same without the branch", self.quantized_alone
        mine, stock = measure(self.torch, self.meter, [ours, theirs], [1, 1], seconds=self.seconds)
        row = {
            "name": case.name,
            "rows": ROWS,
            "outputs": self.outputs,
            "inputs": self.inputs,
            "rank": 0 if case.kind == "exact" else RANK,
            **found,
            **timing_entries(mine),
            "flop": 2 * ROWS * self.inputs * (RANK if case.kind == "quantize" else self.outputs),
            "bytes": self._bytes(),
            "peer": peer,
            **timing_entries(stock, "peer_"),
        }
        if case.kind == "quantize":
            return row | {"overhead": round(mine.time_us / stock.time_us - 1, 4)}
        return row | {
            "ratio_to_peer": round(stock.time_us / mine.time_us, 4),
            "energy_to_peer": round(mine.energy_j / stock.energy_j, 4),
        }

    def _bytes(self) -> int:
        """The least that a case moves: every input and output once."""
        left, right = (9 * rows * self.inputs // 16 for rows in (ROWS, self.outputs))
        x, out = 2 * ROWS * self.inputs, 2 * ROWS * self.outputs
        return {"quantize": x + left, "exact": left + right + out, "wide": left + right + out}.get(
            self.case.kind, x + right + out
        )
