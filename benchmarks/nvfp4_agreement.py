"""How far implementations of NVFP4 agree: their orders of fp32 operations, written again in numpy and compared.

Run ``python benchmarks/nvfp4_agreement.py``; ``--write`` puts the table into docs/formats.md, ``--packages`` compares
two of the orders with torchao and compressed-tensors themselves, where they are installed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workloads.formats import BLOCK_FORMATS
from workloads.formats.encoding import BF16, E2M1, E4M3
from workloads.formats.packing import unpack_nibbles
from workloads.formats.quantize import encode_multiplier, quantize

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]

NVFP4 = BLOCK_FORMATS["nvfp4"]
PAGE = Path(__file__).parent.parent / "docs" / "formats.md"
BEGIN, END = "<!-- begin: python benchmarks/nvfp4_agreement.py --write -->", "<!-- end -->"
ONE, SIX, LARGEST = np.float32(1), np.float32(6), np.float32(448)
# Below fp32's smallest normal number a tensor's largest magnitude makes libraries overflow in ways of their own.
TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class Order:
    """An implementation's order of operations: blocks -> (codes of the scales, codes of the elements)."""

    name: str
    run: Callable[[Floats], tuple[Codes, Codes]]


def _amax(blocks: Floats) -> tuple[Floats, np.float32]:
    return np.abs(blocks).max(axis=-1), np.abs(blocks).max()


def _codes(scales: Floats, elements: Floats) -> tuple[Codes, Codes]:
    return E4M3.encode(scales).astype(np.uint8), E2M1.encode(np.clip(elements, -SIX, SIX)).astype(np.uint8)


def _e4m3(values: Floats) -> Floats:
    return E4M3.rounded(np.minimum(values, LARGEST)).astype(np.float32)


def transformer_engine(blocks: Floats) -> tuple[Codes, Codes]:
    """Ours."""
    tensor = quantize(blocks.reshape(-1, 16), NVFP4)
    return tensor.scale_codes.astype(np.uint8).ravel(), tensor.codes.reshape(-1, 16)


def vllm_reference(blocks: Floats) -> tuple[Codes, Codes]:
    """The scale times ``amax * (1 / 6)``, then a reciprocal that is 0 for 0."""
    amax, most = _amax(blocks)
    multiplier = encode_multiplier(most)
    scales = _e4m3(multiplier * (amax * (ONE / SIX)))
    decoded = scales * (ONE / multiplier)
    inverse = np.where(decoded == 0, np.float32(0), ONE / np.where(decoded == 0, ONE, decoded))
    return _codes(scales, blocks * inverse[:, np.newaxis])


def torchao(blocks: Floats) -> tuple[Codes, Codes]:
    """Divides by the tensor scale; scales are at least 2**-6; multiplies elements by ``(1 / tensor scale) / scale``."""
    amax, most = _amax(blocks)
    tensor_scale = most / np.float32(2688)
    scales = _e4m3(np.maximum(amax / SIX / tensor_scale, np.float32(2.0**-6)))
    return _codes(scales, blocks * (ONE / tensor_scale / scales)[:, np.newaxis])


def compressed_tensors(blocks: Floats) -> tuple[Codes, Codes]:
    """A scale of 0 becomes 0.125; divides elements; a zero loses its sign.

    torch divides a Python number by a tensor as a reciprocal and a product.
    """
    amax, most = _amax(blocks)
    multiplier = ONE / max(most, TINY) * np.float32(2688)
    scales = _e4m3(multiplier * (amax / SIX))
    scales[scales == 0] = 0.125
    scaled = blocks / (scales / multiplier)[:, np.newaxis]
    scales, codes = _codes(scales, np.where(scaled == 0, np.float32(0), scaled))
    return scales, codes


def modelopt(blocks: Floats) -> tuple[Codes, Codes]:
    """``amax / (6 * tensor scale)``; 0 becomes 1, less than 2**-9 that; divides elements; a zero loses its sign."""
    amax, most = _amax(blocks)
    tensor_scale = most / np.float32(2688)
    wanted = amax / (SIX * tensor_scale)
    wanted[wanted == 0] = 1
    scales = _e4m3(np.maximum(wanted, np.float32(2.0**-9)))
    scaled = blocks / (scales * tensor_scale)[:, np.newaxis]
    return _codes(scales, np.where(scaled == 0, np.float32(0), scaled))


ORDERS = (
    Order("Transformer Engine (ours)", transformer_engine),
    Order("vLLM reference", vllm_reference),
    Order("torchao 0.18", torchao),
    Order("compressed-tensors 0.20", compressed_tensors),
    Order("ModelOpt 0.47", modelopt),
)


def data_sets(blocks: int, seed: int) -> dict[str, Floats]:
    """Seeded blocks of 16."""
    rng = np.random.default_rng(seed)

    def bf16(values: npt.NDArray[np.float64]) -> Floats:
        return BF16.rounded(values).astype(np.float32)

    shape = (blocks, 16)
    return {
        "Gaussian bf16, sd 0.02": bf16(rng.normal(0, 0.02, shape)),
        "Student-t(3) bf16": bf16(rng.standard_t(3, shape)),
        "Laplace fp32": rng.laplace(size=shape).astype(np.float32),
        "Gaussian fp32, one outlier of 1e4": np.concatenate(
            [np.full((1, 16), 1e4), rng.standard_normal((blocks - 1, 16))]
        ).astype(np.float32),
        "integers -8..8": rng.integers(-8, 8, shape, endpoint=True).astype(np.float32),
    }


def disagreements(blocks: int, tensors: int) -> dict[str, dict[str, tuple[int, int]]]:
    """Scale bytes and elements in which each order differs from ours, by kind of data, over some tensors.

    Each tensor has another largest magnitude, which decides where exact ties lie.
    """
    first, *others = ORDERS
    counts: dict[str, dict[str, tuple[int, int]]] = {}
    for seed in range(tensors):
        for name, values in data_sets(blocks, seed).items():
            ours = first.run(values)
            row = counts.setdefault(name, {order.name: (0, 0) for order in others})
            for order in others:
                scales, codes = order.run(values)
                before = row[order.name]
                row[order.name] = (
                    before[0] + int((scales != ours[0]).sum()),
                    before[1] + int((codes != ours[1]).sum()),
                )
    return counts


def table(blocks: int, tensors: int) -> str:
    """`disagreements` in Markdown."""
    counts = disagreements(blocks, tensors)
    names = list(next(iter(counts.values())))
    lines = [f"| {tensors} tensors of {blocks:,} blocks | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    for name, row in counts.items():
        lines.append(f"| {name} | {' | '.join(f'{scales:,} / {codes:,}' for scales, codes in row.values())} |")
    return "\n".join(lines)


def zero_block_scales() -> dict[str, int]:
    """The scale byte that each order gives to a block of zeros in a tensor that has other numbers."""
    blocks = np.zeros((2, 16), np.float32)
    blocks[1] = 1
    return {order.name: int(order.run(blocks)[0][0]) for order in ORDERS}


def compare_packages(blocks: int, tensors: int) -> None:
    """Print in how many places the numpy forms differ from the packages themselves: scale bytes / elements."""
    import torch
    from compressed_tensors.quantization import QuantizationArgs
    from compressed_tensors.quantization.lifecycle.forward_helpers import _quantize
    from compressed_tensors.quantization.utils import calculate_qparams, calculate_range, generate_gparam
    from torchao.prototype.mx_formats.nvfp4_tensor import nvfp4_quantize, per_tensor_amax_to_scale

    e4m3 = torch.float8_e4m3fn
    args = QuantizationArgs(
        num_bits=4, type="float", symmetric=True, strategy="tensor_group", group_size=16, scale_dtype=e4m3
    )
    low, high = calculate_range(args, torch.device("cpu"))

    def from_torchao(x: torch.Tensor) -> tuple[Codes, Codes]:
        scales, packed = nvfp4_quantize(x, per_tensor_scale=per_tensor_amax_to_scale(x.abs().max()))
        return scales.view(torch.uint8).numpy().ravel(), unpack_nibbles(packed.numpy())

    def from_compressed_tensors(x: torch.Tensor) -> tuple[Codes, Codes]:
        whole = generate_gparam(x.min(), x.max())
        scale, _ = calculate_qparams(x.amin(-1, True), x.amax(-1, True), args, whole)
        elements = _quantize(x.clone(), scale.float(), None, low, high, args, global_scale=whole)
        return scale.to(e4m3).view(torch.uint8).numpy().ravel(), E2M1.encode(elements.numpy()).astype(np.uint8)

    pairs = (("torchao", torchao, from_torchao), ("compressed-tensors", compressed_tensors, from_compressed_tensors))
    for package, ours, theirs in pairs:
        counts = np.zeros(2, np.int64)
        for seed in range(tensors):
            for values in data_sets(blocks, seed).values():
                found, expected = ours(values), theirs(torch.from_numpy(values))
                counts += [int((a != b).sum()) for a, b in zip(found, expected, strict=True)]
        print(f"{package}: {counts[0]} / {counts[1]}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=1 << 13)
    parser.add_argument("--tensors", type=int, default=64)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--packages", action="store_true")
    given = parser.parse_args()
    if given.packages:
        compare_packages(given.blocks, given.tensors)
        return
    text = table(given.blocks, given.tensors)
    print(text)
    if given.write:
        page = PAGE.read_text(encoding="utf-8")
        start, stop = page.index(BEGIN) + len(BEGIN), page.index(END)
        PAGE.write_text(f"{page[:start]}\n{text}\n{page[stop:]}", encoding="utf-8")


if __name__ == "__main__":
    main()
