"""The tiler of Gemmini's library: against a literal reading of its C source, within its memories, never the best."""

from __future__ import annotations

import random
from math import sqrt

import pytest

from dataflow.mapping import Machine, MappingError, best_mapping, every_dataflow, gemmini_mapping
from dataflow.mapping.gemmini import GemminiMemory, Window, convolution_tiles, product_tiles
from dataflow.mapping.objective import OBJECTIVES, score
from dataflow.mapping.space import all_cuts
from workloads.spec import load


def literal_matmul(dim_i: int, dim_j: int, dim_k: int, memory: GemminiMemory) -> tuple[int, int, int]:
    """``tiled_matmul_auto`` for weight-stationary products, statement by statement."""
    dim, bank_rows, acc_rows = memory.dim, memory.scratchpad_rows, memory.accumulator_rows
    padded_i, padded_j, padded_k = ((size // dim + (size % dim != 0)) * dim for size in (dim_i, dim_j, dim_k))
    db_mats_in_partition = (bank_rows // 2 // 2) // dim
    db_mats_in_acc = (acc_rows // 2) // dim
    db_max_tile_i_j = int(sqrt(db_mats_in_acc))
    if db_max_tile_i_j == 0:
        # The source divides by it.
        return 0, 0, 0
    db_max_tile_k = db_mats_in_partition // db_max_tile_i_j
    max_spad_rows, max_acc_rows = bank_rows // 2, acc_rows // 2
    tile_i = padded_i // dim if padded_i // dim < db_max_tile_i_j else db_max_tile_i_j
    tile_j = padded_j // dim if padded_j // dim < db_max_tile_i_j else db_max_tile_i_j
    tile_k = padded_k // dim if padded_k // dim < db_max_tile_k else db_max_tile_k

    def spad(i: int, j: int, k: int) -> int:
        return (i * k + k * j) * dim

    def acc(i: int, j: int) -> int:
        return (i * j) * dim

    while True:
        increased = False
        if (
            spad(tile_i, tile_j + 1, tile_k) <= max_spad_rows
            and acc(tile_i, tile_j + 1) <= max_acc_rows
            and (tile_j + 1) * dim <= padded_j
        ):
            tile_j += 1
            increased = True
        if (
            spad(tile_i + 1, tile_j, tile_k) <= max_spad_rows
            and acc(tile_i + 1, tile_j) <= max_acc_rows
            and (tile_i + 1) * dim <= padded_i
        ):
            tile_i += 1
            increased = True
        if spad(tile_i, tile_j, tile_k + 1) <= max_spad_rows and (tile_k + 1) * dim <= padded_k:
            tile_k += 1
            increased = True
        if not increased:
            return tile_i, tile_j, tile_k


def literal_rows(acc: bool, window: Window, dim: int, args: list[int]) -> int:
    """``tiled_conv_total_spad_rows`` without transposition, pooling and input dilation."""
    batches, orows, ocols, ochs, krows, kcols, kchs = args
    krows_dilated = krows + (window.dilation - 1) * (krows - 1)
    kcols_dilated = kcols + (window.dilation - 1) * (kcols - 1)
    irows = orows * window.stride + krows_dilated - 1
    icols = ocols * window.stride + kcols_dilated - 1
    ichs = kchs
    in_channels_per_bank = ichs // dim + (ichs % dim != 0)
    out_channels_per_bank = ochs // dim + (ochs % dim != 0)
    downsample = int(window.downsamples)
    a_rows = in_channels_per_bank * batches * (irows >> downsample) * (icols >> downsample)
    b_rows = out_channels_per_bank * kcols * krows * kchs
    c_rows = out_channels_per_bank * batches * orows * ocols
    return c_rows if acc else a_rows + b_rows


def literal_conv(sizes: dict[str, int], window: Window, memory: GemminiMemory) -> list[int]:
    """``tiled_conv_auto``, statement by statement; all 0 where the source would go on for ever."""
    args = [sizes[loop] for loop in ("n", "oh", "ow", "oc", "kh", "kw", "ic")]
    max_args = list(args)
    orows_idx, ocols_idx, out_channels_idx, in_channels_idx = 1, 2, 3, 6
    dim = memory.dim
    max_spad_rows, max_acc_rows = memory.scratchpad_rows // 2, memory.accumulator_rows // 2

    def rows(candidate: list[int]) -> tuple[int, int]:
        return literal_rows(False, window, dim, candidate), literal_rows(True, window, dim, candidate)

    spad_rows, acc_rows = rows(args)
    while spad_rows > max_spad_rows or acc_rows > max_acc_rows:
        max_val = max_idx = -1
        for i in range(len(args)):
            if not (i == ocols_idx and args[i] <= dim and args[orows_idx] > 1) and args[i] > max_val:
                max_val, max_idx = args[i], i
        if max_val == 1:
            return [0] * len(args)
        if max_idx in (out_channels_idx, in_channels_idx):
            if args[max_idx] % dim != 0:
                args[max_idx] = (args[max_idx] // dim) * dim
            else:
                args[max_idx] -= dim
            args[max_idx] = 1 if args[max_idx] == 0 else args[max_idx]
        else:
            args[max_idx] -= 1
        spad_rows, acc_rows = rows(args)
    not_increased = False
    while not not_increased:
        not_increased = True
        candidate = list(args)
        candidate[ocols_idx] += 1
        if candidate[ocols_idx] > max_args[ocols_idx]:
            continue
        spad_rows, acc_rows = rows(candidate)
        if spad_rows <= max_spad_rows and acc_rows <= max_acc_rows:
            args[ocols_idx] = candidate[ocols_idx]
            not_increased = False
    nothing_increased = False
    while not nothing_increased:
        nothing_increased = True
        for i in range(len(args)):
            candidate = list(args)
            candidate[i] += 1
            if candidate[i] > max_args[i]:
                continue
            spad_rows, acc_rows = rows(candidate)
            if spad_rows <= max_spad_rows and acc_rows <= max_acc_rows:
                args[i] = candidate[i]
                nothing_increased = False
    return args


def random_memory(r: random.Random) -> GemminiMemory:
    return GemminiMemory.of(r.randint(200, 400_000), r.choice((2, 4, 5, 16)), r.choice((8, 16)), 32)


def test_product_tiles_are_those_of_the_source() -> None:
    r = random.Random(1)
    found = set()
    for _ in range(1500):
        sizes = [r.choice((1, 7, 16, 17, 100, 128, 1000, 4096, r.randint(1, 3000))) for _ in range(3)]
        memory = random_memory(r)
        tiles = product_tiles(sizes[0], sizes[1], sizes[2], memory)
        assert tiles == literal_matmul(*sizes, memory)
        found.add(tiles)
    assert len(found) > 300


def test_convolution_tiles_are_those_of_the_source() -> None:
    r = random.Random(2)
    found = set()
    for _ in range(1500):
        kernel = r.choice((1, 3, 5, 7))
        sizes = {"n": r.choice((1, 2, 5)), "oh": r.randint(1, 60), "ow": r.randint(1, 60), "kh": kernel, "kw": kernel}
        sizes |= {"oc": r.choice((1, 3, 16, 24, 100, 256)), "ic": r.choice((1, 3, 16, 24, 100, 256))}
        window = Window(r.choice((1, 2, 4)), r.choice((1, 2)), r.random() < 0.2)
        memory = random_memory(r)
        tiles = convolution_tiles(sizes, window, memory)
        assert list(tiles.values()) == literal_conv(sizes, window, memory)
        found.add(tuple(tiles.values()))
    assert len(found) > 500


def test_the_default_configuration() -> None:
    """16 x 16 units of int8: 256 KB of scratchpad and 64 KB of accumulator are 16384 and 1024 rows."""
    memory = GemminiMemory.of(320 << 10, 16, 8, 32)
    assert memory == GemminiMemory(16, 16384, 1024)
    # Five by five blocks of sums in 32, and 8192 rows of operands hold 51 blocks of the reduction for them.
    assert product_tiles(1024, 1024, 1024, memory) == (5, 5, 51)


SPECS = (
    "gemm:m=9,n=10,k=11",
    "gemm:m=1,n=12,k=9",
    "batched_gemm:b=2,m=5,n=7,k=6",
    "attention_scores:h=2,q=6,k=5,d=7",
    "attention_output:h=1,q=6,k=9,d=5",
    "conv2d:n=1,oc=6,ic=5,h=6,w=7,kh=3,kw=3,padding=1",
    "conv2d:n=1,oc=4,ic=7,h=8,w=8,kh=1,kw=1,padding=0,stride=2",
    "depthwise:n=1,c=3,h=7,w=6,kh=3,kw=3,padding=1,stride=2",
)


@pytest.mark.parametrize("spec", SPECS)
def test_it_fits_and_is_never_better_than_the_optimum(spec: str) -> None:
    nest = load(spec).nest
    tried, cut = 0, False
    too_small: list[int] = []
    for buffer_bytes in (120, 200, 400, 1000, 5000):
        machine = Machine(buffer_bytes, 2.0, 5)
        try:
            found = gemmini_mapping(nest, machine, (3, 3))
        except MappingError:
            too_small.append(buffer_bytes)
            continue
        tried += 1
        cut |= found.mapping.runs > 1
        assert 2 * found.counts.tile_bits <= 8 * buffer_bytes
        assert found.mapping.double_buffered
        space = tuple(loop for loop, _ in found.mapping.plan.dataflow.space)
        for objective in OBJECTIVES:
            best = best_mapping(
                nest, machine, every_dataflow(nest, (3, 3), (space,)), objective=objective, cuts=all_cuts
            )
            assert best.certificate.proven
            value = score(objective, found.cost.cycles, found.cost.energy_pj)[0]
            assert value >= best.certificate.value * (1 - 1e-9)
            assert gemmini_mapping(nest, machine, (3, 3), objective=objective).certificate.value == value
    assert tried >= 2 and cut
    for buffer_bytes in too_small:
        with pytest.raises(MappingError) as caught:
            gemmini_mapping(nest, Machine(buffer_bytes, 2.0, 5), (3, 3))
        says = f"nest {nest.name!r}: the buffer of {buffer_bytes} bytes is too small for the gemmini tiler"
        assert str(caught.value) == says


def test_weights_stay_and_reduction_is_innermost() -> None:
    nest = load("gemm:m=640,n=640,k=640").nest
    found = gemmini_mapping(nest, Machine(256 << 10, 16.0), (16, 16))
    # 6553 rows of operands and 409 of sums: 5 x 5 blocks of sums, 40 of the reduction.
    assert str(found.mapping) == (
        "off-chip memory, transfers overlap with the array\n"
        "  for m in 8 tiles of 80\n"
        "    for n in 8 tiles of 80\n"
        "    buffer\n"
        "      for n in 5 step 16\n"
        "        for k in 40 step 16\n"
        "          for m in 80\n"
        "            parallel k over 16, n over 16: O[m, n] += A[m, k], B[k, n]"
    )
    assert str(found.certificate) == "not proven: chosen by the gemmini tiler"
    assert not found.certificate.proven
    conv = load("conv2d:n=1,oc=64,ic=64,h=56,w=56,kh=3,kw=3,padding=1").nest
    assert gemmini_mapping(conv, Machine(256 << 10, 16.0), (16, 16)).mapping.order == (
        *("n", "oh", "ow", "oc", "kh", "kw", "ic"),
    )


def test_a_depthwise_convolution_runs_one_channel_at_a_time() -> None:
    nest = load("depthwise:n=1,c=24,h=20,w=20,kh=3,kw=3,padding=1").nest
    # A pixel of one channel takes a whole row of either memory: 400 of the 409 rows for sums.
    for spaces, units in ((None, 3), ((("kh", "kw"),), 9)):
        found = gemmini_mapping(nest, Machine(256 << 10, 16.0), (16, 16), spaces)
        assert found.mapping.cut["c"].size == 1
        assert found.mapping.runs == 24
        assert len(found.mapping.plan.dataflow.units) == units


@pytest.mark.parametrize(
    ("spec", "shape", "spaces", "says"),
    [
        ("gemm:m=8,n=8,k=8", (8, 32), None, "the gemmini tiler is for square arrays, not 8x32"),
        ("mttkrp:i=4,j=4,k=4,l=4", (4, 4), None, "the gemmini tiler knows nests of 2 inputs, not of 3"),
        (
            "gemm:m=8,n=8,k=8",
            (4, 4),
            (("m", "n"), ("m", "k")),
            "no dataflow of m-n, m-k has only loops of the weights B[k, n] on its axes, which the gemmini tiler keeps",
        ),
        (
            "conv3d:n=1,oc=2,ic=2,d=4,h=4,w=4,kd=3,kh=3,kw=3",
            (4, 4),
            None,
            "the gemmini tiler knows products, batches of products, convolutions of two dimensions and depthwise ones",
        ),
    ],
)
def test_what_it_does_not_know(
    spec: str, shape: tuple[int, ...], spaces: tuple[tuple[str, ...], ...] | None, says: str
) -> None:
    nest = load(spec).nest
    with pytest.raises(MappingError) as caught:
        gemmini_mapping(nest, Machine(1 << 16, 4.0), shape, spaces)
    assert str(caught.value) == f"nest {nest.name!r}: {says}"
