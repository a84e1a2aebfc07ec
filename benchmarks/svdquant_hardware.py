"""What the low-rank branch of a layer costs on one array, by itself and fused into the product of the weight.

Prints a JSON list of measurements: layers of SVDQuant and of QeRL, with everything that passes the host port counted, a
row a cycle. A tile of each is simulated, bit for bit; whole layers are predicted by the same count.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dataflow import Architecture, Dataflow, build, fuse
from hw import Accelerator, generate
from hw.accelerator import design_of
from hw.design import Design
from hw.program import HasDesign, meaning, runs
from sim import Job, simulate_all
from workloads.formats import BLOCK_FORMATS, FORMATS
from workloads.formats.quantize import quantize
from workloads.nest import Nest
from workloads.spec import load

Array = npt.NDArray[np.generic]
Inputs = dict[str, Array]

RANK = 32
# Of the weight's product, what a fused branch may take.
MOST_PERCENT = 10
BLOCK = 16
# Products a byte of memory traffic are then near those of the paper's GPU: 256 here, 660 TOP/s to 1008 GB/s there.
NARROW_BYTES = 1


@dataclass(frozen=True, slots=True)
class Scheme:
    """Formats of a layer: nests of the weight's product, of the way down and of the way up.

    Attributes
    ----------
    shared : bool
        Whether the way down reads the very activations that the weight's product reads.
    beside : tuple of (input of the way up, input of the weight's product)
        What lies in the same banks, the first behind the second.
    """

    name: str
    specs: tuple[str, str, str]
    axes: tuple[str, str, str]
    shared: bool
    beside: tuple[tuple[str, str], ...]


# Weights in NVFP4, activations and adapter in bf16, sums in fp32 in the order of the dataflow.
W4A16 = Scheme(
    "W4A16",
    (
        """
name: base
loops: {{m: {m}, n: {n}, kb: {kb}, ki: 16}}
body: Y[m, n] += X[m, kb, ki] * W[n, kb, ki] * SW[n, kb]
formats: {{X: bf16, W: e2m1, SW: e4m3, Y: fp32}}
""",
        """
name: down
loops: {{m: {m}, r: {r}, kb: {kb}, ki: 16}}
body: T[m, r] += X[m, kb, ki] * D[r, kb, ki]
formats: {{X: bf16, D: bf16, T: fp32}}
""",
        """
name: up
loops: {{m: {m}, n: {n}, rb: {rb}, ri: 16}}
body: Y[m, n] += T[m, rb, ri] * U[n, rb, ri]
formats: {{T: bf16, U: bf16, Y: fp32}}
""",
    ),
    ("m n ki", "m r ki", "m n ri"),
    True,
    (("T", "X"),),
)
# Both sides of the residual in NVFP4; the branch in int8 with E4M3 scales. All sums are exact, in steps of 2^-20.
W4A4 = Scheme(
    "W4A4",
    (
        """
name: residual
loops: {{m: {m}, n: {n}, kb: {kb}, ki: 16}}
body: Y[m, n] += Q[m, kb, ki] * SQ[m, kb] * R[n, kb, ki] * SR[n, kb]
formats: {{Q: e2m1, SQ: e4m3, R: e2m1, SR: e4m3, Y: int64}}
""",
        """
name: down
loops: {{m: {m}, r: {r}, kb: {kb}, ki: 16}}
body: T[m, r] += X[m, kb, ki] * SX[m, kb] * D[r, kb, ki] * SD[r, kb]
formats: {{X: int8, SX: e4m3, D: int8, SD: e4m3, T: int64}}
""",
        """
name: up
loops: {{m: {m}, n: {n}, rb: {rb}, ri: 16}}
body: Y[m, n] += 4 * T[m, rb, ri] * ST[m, rb] * U[n, rb, ri] * SU[n, rb]
formats: {{T: int8, ST: e4m3, U: int8, SU: e4m3, Y: int64}}
""",
    ),
    ("m n ki", "m r ki", "m n ri"),
    False,
    (("T", "Q"), ("ST", "SQ")),
)


@dataclass(frozen=True, slots=True)
class Layer:
    """``M`` tokens, ``N`` outputs, ``K`` inputs.

    Attributes
    ----------
    side : int
        Rows and columns of the output that the banks hold at a time.
    square : int
        Dot products of 16 along each side of the array.
    """

    model: str
    scheme: Scheme
    m: int
    n: int
    k: int
    side: int = 64
    square: int = 4

    @property
    def tile(self) -> tuple[int, int]:
        return min(self.side, self.m), min(self.side, self.n)

    @property
    def tiles(self) -> tuple[int, int]:
        return -(-self.m // self.tile[0]), -(-self.n // self.tile[1])

    @property
    def name(self) -> str:
        return f"{self.model} {self.scheme.name} layer M={self.m} N={self.n} K={self.k}, tiles of {self.side}"

    @property
    def how(self) -> str:
        return (
            f"rank {RANK}, {self.square}x{self.square} dot products of 16, tiles of at most {self.side} x {self.side}; "
            "cycles of the array, of its registers and of rows at the host port"
        )


# Queries, keys and values, and the way back down, of FLUX.1; queries, keys and values of Qwen2.5 7B.
SIMULATED = (
    Layer("simulated", W4A4, 16, 768, 2048, side=16, square=2),
    # Floating-point units take a simulator long, so there are fewer.
    Layer("simulated", W4A16, 16, 32, 1024, side=16, square=2),
)
LAYERS = (
    Layer("FLUX.1", W4A4, 4096, 9216, 3072),
    Layer("FLUX.1", W4A4, 4096, 3072, 12288),
    Layer("FLUX.1", W4A16, 4096, 9216, 3072),
    Layer("FLUX.1", W4A16, 4096, 3072, 12288),
    Layer("FLUX.1", W4A16, 4096, 9216, 3072, side=1024),
    Layer("Qwen2.5 7B", W4A16, 64, 4608, 3584),
    Layer("Qwen2.5 7B", W4A16, 8, 4608, 3584),
)


def nests(scheme: Scheme, m: int, n: int, k: int) -> tuple[Nest, Nest, Nest]:
    """Weight's product, way down and way up of a tile."""
    sizes = {"m": m, "n": n, "r": RANK, "kb": k // BLOCK, "rb": RANK // BLOCK}
    base, down, up = (load(spec.format(**sizes)).nest for spec in scheme.specs)
    return base, down, up


def architecture_of(layer: Layer) -> Architecture:
    """An array of dot products of 16 whose banks hold a tile, and the narrow activations beside its inputs."""
    built = []
    for number, (nest, axes) in enumerate(
        zip(nests(layer.scheme, *layer.tile, layer.k), layer.scheme.axes, strict=True)
    ):
        space = dict(zip(axes.split(), (layer.square, layer.square, BLOCK), strict=True))
        flow = Dataflow.of(nest, space, skew=(1, 1, 0), order=nest.loop_names, name=nest.name)
        beside = {"kb": (layer.k + RANK) // BLOCK} if number == 0 else {}
        built.append(build(nest, flow, limits=beside, continues=number == 2))
    return fuse(built, name=f"layer_{layer.scheme.name}").architecture


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A design without its Verilog, which takes most of the time of making it."""

    design: Design


@dataclass(frozen=True, slots=True)
class Cost:
    """Cycles of one run: rows of each input, registers, the array, and rows of the result."""

    inputs: Mapping[str, int]
    registers: int
    array: int
    result: int

    @property
    def run(self) -> int:
        return self.registers + self.array


def costs(made: HasDesign, layer: Layer, port_bytes: int | None = None) -> tuple[Cost, Cost, Cost]:
    """Cycles of the three products of a tile, with a row a cycle, or so many bytes a cycle, at the host port."""
    found = []
    for nest in nests(layer.scheme, *layer.tile, layer.k):
        (run,) = runs(made, nest, nest.name)
        moved = {
            part.tensor: -(-part.rows * part.row_bytes // port_bytes) if port_bytes else part.rows
            for part in (*run.inputs, run.output)
        }
        result = moved.pop(run.output.tensor)
        found.append(Cost(moved, len(run.registers), run.predicted_cycles, result))
    base, down, up = found
    return base, down, up


def totals(layer: Layer, parts: tuple[Cost, Cost, Cost]) -> tuple[int, int, int]:
    """Cycles of a layer, tile by tile: the weight's product alone, with a branch by itself, and with it fused.

    Activations stay in their banks from one column of tiles to the next. A branch by itself reads them again, and its
    result is one more output; adding the two is not counted. Fused, what the way up adds to is in the output's banks.
    """
    base, down, up = parts
    tiles_m, tiles_n = layer.tiles
    activations = {name: rows for name, rows in base.inputs.items() if name in ("X", "Q", "SQ")}
    narrow = {name: rows for name, rows in up.inputs.items() if name in ("T", "ST")}
    weights = sum(base.inputs.values()) - sum(activations.values())
    upwards = sum(up.inputs.values()) - sum(narrow.values())
    alone = tiles_m * (sum(activations.values()) + tiles_n * (weights + base.run + base.result))
    downwards = sum(down.inputs.values()) + down.run + down.result
    by_itself = tiles_m * (downwards + sum(narrow.values()) + tiles_n * (upwards + up.run + up.result))
    shared = sum(activations.values()) if layer.scheme.shared else 0
    fused = tiles_m * (downwards - shared + sum(narrow.values()) + tiles_n * (upwards + up.run))
    return alone, alone + by_itself, alone + fused


def eight_bits(values: npt.NDArray[np.float64]) -> tuple[Array, Array]:
    """Blocks of 16 along the rows in int8, and their E4M3 scales."""
    blocks = values.reshape(len(values), -1, BLOCK)
    scales = FORMATS["e4m3"].rounded(np.abs(blocks).max(axis=2) / 127).astype(np.float64)
    held = np.clip(np.rint(blocks / np.where(scales, scales, 1)[..., None]), -127, 127)
    return held.astype(np.int8), scales.astype(np.float32)


def four_bits(values: npt.NDArray[np.float64]) -> tuple[Array, Array, float]:
    """NVFP4 elements in blocks, block scales, and the tensor's scale."""
    tensor = quantize(values, BLOCK_FORMATS["nvfp4"])
    elements = tensor.elements.reshape(len(values), -1, BLOCK).astype(np.float32)
    scales = tensor.scales.reshape(len(values), -1).astype(np.float32)
    return elements, scales, float(tensor.tensor_scale)


def jobs(accelerator: Accelerator, layer: Layer, *, fused: bool) -> list[Job]:
    """A layer of tiles side by side, with a branch by itself or fused; activations and weights are drawn."""
    m, n = layer.tile
    base, down, up = nests(layer.scheme, m, n, layer.k)
    rng = np.random.default_rng(1)
    x, d = rng.standard_normal((m, layer.k)), rng.standard_normal((RANK, layer.k)) / layer.k**0.5
    columns = [(rng.standard_normal((n, layer.k)), rng.standard_normal((n, RANK))) for _ in range(layer.tiles[1])]
    bf16 = FORMATS["bf16"]
    if layer.scheme is W4A16:
        wide: Inputs = {"X": bf16.rounded(x).reshape(m, -1, BLOCK)}
        below: Inputs = {**wide, "D": bf16.rounded(d).reshape(RANK, -1, BLOCK)}
        narrow: Inputs = {"T": bf16.rounded(meaning(accelerator, down, below, "down")).reshape(m, -1, BLOCK)}
        sides = []
        for w, u in columns:
            elements, scales, _ = four_bits(w)
            sides.append(({"W": elements, "SW": scales}, {"U": bf16.rounded(u).reshape(n, -1, BLOCK)}))
    else:
        elements, scales, _ = four_bits(x)
        wide = {"Q": elements, "SQ": scales}
        below = dict(zip(("X", "SX", "D", "SD"), (*eight_bits(64 * x), *eight_bits(64 * d)), strict=True))
        found = meaning(accelerator, down, below, "down").astype(np.float64)
        narrow = dict(zip(("T", "ST"), eight_bits(found * (4096 / np.abs(found).max())), strict=True))
        sides = []
        for w, u in columns:
            elements, scales, _ = four_bits(w)
            sides.append(({"R": elements, "SR": scales}, dict(zip(("U", "SU"), eight_bits(64 * u), strict=True))))
    (run,) = runs(accelerator, base, base.name)
    rows = {part.tensor: part.rows for part in run.inputs}
    behind = {name: rows[other] for name, other in layer.scheme.beside} if fused else None
    first = [Job(down, below, "down")]
    weights = [Job(base, {**wide, **w}, base.name, reads=not fused) for w, _ in sides]
    ups = [Job(up, {**narrow, **u}, "up", continues=fused, placed=behind) for _, u in sides]
    if fused:
        return [*first, *(job for pair in zip(weights, ups, strict=True) for job in pair)]
    # The way up overwrites the activations in their banks, so that the weight's product loads them again.
    return [*first, *ups, *weights]


def simulated(accelerator: Accelerator, layer: Layer, simulator: str = "verilator") -> tuple[int, int, int]:
    """Cycles of the same by simulation, outputs compared bit for bit."""
    sums = []
    for fused in (False, True):
        given = jobs(accelerator, layer, fused=fused)
        results = simulate_all(accelerator, given, simulator=simulator, remember=True)
        for job, result in zip(given, results, strict=True):
            if not result.matches:
                raise SystemExit(f"{job.dataflow}: {result.first_mismatch}")
        words = [len(runs(accelerator, job.nest, job.dataflow)[0].registers) for job in given]
        each = [r.rows_written + r.simulated_cycles + r.rows_read + w for r, w in zip(results, words, strict=True)]
        sums.append(sum(each))
        if not fused:
            alone = sum(each[-layer.tiles[1] :])
    return alone, sums[0], sums[1]


def rows_of(name: str, cycles: tuple[int, int, int], how: str, target: float | None) -> Iterator[dict[str, Any]]:
    """Measurements as ``results.json`` has them; ``target`` is that of the fused branch."""
    alone, by_itself, fused = cycles
    values = (
        ("alone", alone, "cycles", None),
        ("branch by itself", round(100 * (by_itself / alone - 1), 2), "%", None),
        ("branch fused", round(100 * (fused / alone - 1), 2), "%", target),
    )
    for what, value, unit, target in values:
        yield {"name": f"{name}: {what}", "value": value, "unit": unit, "target": target, "better": "lower", "how": how}


def main() -> None:
    rows: list[dict[str, Any]] = []
    for layer in (*SIMULATED, *LAYERS):
        made = Unwritten(design_of(architecture_of(layer)))
        cycles = totals(layer, costs(made, layer))
        if layer in SIMULATED:
            found = simulated(generate(architecture_of(layer)), layer)
            if found != cycles:
                raise SystemExit(f"{layer.name}: simulated {found}, predicted {cycles}")
            rows += rows_of(layer.name, found, f"simulated, bit for bit, cycles as predicted; {layer.how}", None)
        else:
            rows += rows_of(layer.name, cycles, f"predicted, as simulated ones are; {layer.how}", MOST_PERCENT)
            narrow = totals(layer, costs(made, layer, NARROW_BYTES))
            how = f"predicted, {NARROW_BYTES} byte a cycle at the host port; {layer.how}"
            rows += rows_of(f"{layer.name}, narrow port", narrow, how, MOST_PERCENT)
        print(*rows[-6:], sep="\n", file=sys.stderr, flush=True)
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
