"""Compile hand-written kernels for GPUs that need not be there and print what the code uses, as JSON.

A program of its own, because it needs Triton without its interpreter.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any

import sass
import triton
from programs import builds
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from sw_kernels.decode_attention.kernel import decode
from sw_kernels.nvfp4.product.kernel import expand, multiply
from sw_kernels.nvfp4.product.launch import Tiles
from sw_kernels.nvfp4.product.native_kernel import multiply_scaled
from sw_kernels.nvfp4.product.wide_kernel import multiply_wide, widen
from sw_kernels.nvfp4.quantize.kernel import largest, quantize
from sw_kernels.nvfp4.weight_only.even_kernel import linear_evenly
from sw_kernels.nvfp4.weight_only.kernel import dequantize, linear, narrow_rows
from sw_kernels.nvfp4.weight_only.tiles import MOST_PARTS, PARTS_OF_SHARES, tiles_for
from sw_kernels.nvfp4.weight_only.tiles import Tiles as WeightTiles
from sw_kernels.rms_norm.kernel import rms_norm


@dataclass(frozen=True)
class Build:
    """A kernel with the constants of one use.

    Attributes
    ----------
    types : dict
        Triton's type of each argument that is no constant.
    whole : frozenset
        Integer arguments that are multiples of 16, as pointers always are.
    """

    kernel: Any
    types: dict[str, str]
    constants: dict[str, Any]
    warps: int = 4
    whole: frozenset[str] = frozenset()


def compiled(build: Build, capability: int) -> dict[str, Any]:
    names = build.kernel.arg_names
    assert set(names) == build.types.keys() | build.constants.keys()
    constants = dict(build.constants)
    if "GUARD" in constants:
        # The launch asks for it on Hopper only.
        constants["GUARD"] &= capability == 90
    even = [i for i, name in enumerate(names) if build.types.get(name, "").startswith("*") or name in build.whole]
    binary = triton.compile(
        ASTSource(
            build.kernel,
            {name: build.types.get(name, "constexpr") for name in names},
            {(names.index(name),): value for name, value in constants.items()},
            {(i,): [["tt.divisibility", 16]] for i in even},
        ),
        target=GPUTarget("cuda", capability, 32),
        options={"num_warps": build.warps},
    )
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(binary.asm["cubin"])
        file.flush()
        usage = subprocess.run(
            [str(sass.DISASSEMBLER), "-res-usage", file.name], capture_output=True, text=True, check=True
        ).stdout
    ptx = binary.asm["ptx"]
    products, hazards = sass.hazards(sass.disassembled(binary.asm["cubin"]))
    return {
        "registers": int(re.findall(r"REG:(\d+)", usage)[-1]),
        "local_bytes": int(re.findall(r"LOCAL:(\d+)", usage)[-1]),
        "shared_bytes": binary.metadata.shared,
        "mma": "mma.sync" in ptx,
        "wgmma": "wgmma.mma_async" in ptx,
        "tcgen05": "tcgen05.mma" in ptx,
        "block_scaled": "kind::mxf4nvf4" in ptx,
        # Arithmetic that is not that of IEEE 754.
        "inexact": sorted(set(re.findall(r"(?:div|rcp|mul|add|sub|fma)\S*(?:approx|full|ftz)\S*f32", ptx))),
        "wide": bool(
            re.search(r"cp\.async\.cg\S* \[[^]]*\], \[[^]]*\], 0x10|cp\.async\.bulk\.tensor|ld\.global\S*\.v[48]", ptx)
        ),
        "register_products": products,
        "hazards": [str(hazard) for hazard in hazards],
    }


ATTENTION_TYPES = {
    **dict.fromkeys(("q", "keys", "values", "out"), "*bf16"),
    **dict.fromkeys(("table", "lengths", "counters"), "*i32"),
    **dict.fromkeys(("partial", "partial_lse"), "*fp32"),
    "scale_log2": "fp32",
    **dict.fromkeys(("HEADS", "most_pages", "SPLIT"), "i32"),
}

BUILDS = {
    "decode-attention": Build(
        decode, ATTENTION_TYPES, {"GROUP": 7, "ROWS": 16, "D": 128, "PAGE": 64, "BN": 64, "STAGES": 3}
    )
}
NORM_TYPES = {
    **dict.fromkeys(("x", "weight", "residual", "out"), "*bf16"),
    **dict.fromkeys(("rows", "N", "stride"), "i32"),
    **dict.fromkeys(("epsilon", "sigma"), "fp32"),
    "seed": "i64",
}
BUILDS |= {
    "rms-norm": Build(
        rms_norm, NORM_TYPES, {"BLOCK": 4096, "RESIDUAL": True, "NOISE": True}, 8, frozenset(("N", "stride"))
    )
}
QUANTIZE_TYPES = {
    **dict.fromkeys(("x", "smooth", "down", "narrow"), "*bf16"),
    **dict.fromkeys(("amax", "tensor_scale"), "*fp32"),
    **dict.fromkeys(("codes", "scales"), "*u8"),
    **dict.fromkeys(("M", "K", "ldx", "COLUMNS"), "i32"),
}
WIDE = frozenset(("K", "ldx", "COLUMNS"))
BUILDS |= {
    f"quantize{f'-narrow{rank}' if rank else ''}": Build(
        quantize, QUANTIZE_TYPES, {"BM": 16, "BK": 256, "RANK": rank, "SMOOTH": True}, whole=WIDE
    )
    for rank in (0, 32)
}
BUILDS["largest-magnitude"] = Build(
    largest,
    {name: QUANTIZE_TYPES[name] for name in ("x", "smooth", "amax", "M", "K", "ldx")},
    {"BM": 4, "BK": 1024, "SMOOTH": True},
    whole=WIDE,
)

LINEAR_TYPES = {
    **dict.fromkeys(("x", "out", "down", "up", "narrow"), "*bf16"),
    "codes": "*i16",
    **dict.fromkeys(("scales", "counters"), "*i32"),
    **dict.fromkeys(("narrow_partial", "partial"), "*fp32"),
    "factor": "fp32",
    **dict.fromkeys(("M", "N", "K", "ldx", "slabs"), "i32"),
}
LINEAR_WHOLE = frozenset(("N", "K", "ldx"))


def linear_build(rows: int, outputs: int, inputs: int, rank: int, tiles: WeightTiles | None = None) -> Build:
    """The kernel as it is launched for a layer."""
    tiles = tiles or tiles_for(rows, outputs, inputs // 256, branch=rank > 0)
    parts = min(PARTS_OF_SHARES if tiles.shares else MOST_PARTS, inputs // 256) if rank else 0
    constants = {
        "BN": tiles.n, "BM": tiles.m, "G": tiles.g, "STAGES": tiles.stages, "GUARD": tiles.guard, "PLAIN": False,
        "EVEN": True, "DEPENDENT": False, "RANK": rank, "PARTS": parts,
    }  # fmt: skip
    if tiles.shares:
        return Build(linear_evenly, LINEAR_TYPES | {"SHARES": "i32"}, constants, tiles.warps, LINEAR_WHOLE)
    constants |= {"SPLIT": tiles.split, "EARLY": rank > 0 and tiles.early}
    return Build(linear, LINEAR_TYPES | {"short": "i32"}, constants, tiles.warps, LINEAR_WHOLE)


BUILDS |= {
    f"weight-only-m{rows}{f'-lora{rank}' if rank else ''}": linear_build(rows, 3584, 18944, rank)
    for rows in (8, 16, 32, 64, 128)
    for rank in (0, 32)
}
BUILDS |= {
    f"weight-only-small-m8{f'-lora{rank}' if rank else ''}": linear_build(8, 3584, 3584, rank) for rank in (0, 32)
}
BUILDS["weight-only-even-m128"] = linear_build(128, 18944, 3584, 0)
BUILDS["weight-only-even-m64-lora32"] = linear_build(64, 18944, 3584, 32)
DECODE_TYPES = {
    "codes": "*i16",
    "scales": "*i32",
    **dict.fromkeys(("out", "up"), "*bf16"),
    **dict.fromkeys(("N", "K", "ldo", "slabs"), "i32"),
}
BUILDS["decode-weights"] = Build(
    dequantize, DECODE_TYPES, {"BN": 16, "PLAIN": False, "RANK": 32}, whole=frozenset(("N", "K", "ldo"))
)
BUILDS["narrow-rows"] = Build(
    narrow_rows,
    {**dict.fromkeys(("x", "down"), "*bf16"), "factor": "fp32", **dict.fromkeys(("M", "K", "ldx"), "i32")},
    {"BM": 32, "BK": 128, "RANK": 32},
    whole=frozenset(("K", "ldx")),
)
PRODUCT_TYPES = {
    **dict.fromkeys(("out", "narrow", "up"), "*bf16"),
    **dict.fromkeys(("a_scale", "b_scale"), "*fp32"),
    **dict.fromkeys(("M", "N"), "i32"),
}
WHOLE = frozenset(("M", "N", "K", "CODES", "SCALES", "rows", "plane"))
TILES = Tiles()
EXACT_TYPES = {"a": f"tensordesc<i8[{TILES.m},{TILES.k}]>", "b": f"tensordesc<i8[{TILES.n},{TILES.k}]>", "K": "i32"}
EXACT = {"BM": TILES.m, "BN": TILES.n, "BK": TILES.k, "STAGES": TILES.stages}
BUILDS |= {
    f"exact-product-{left}x{right}{'-branch' if rank else ''}": Build(
        multiply,
        PRODUCT_TYPES | EXACT_TYPES,
        EXACT | {"DA": left, "DB": right, "SHIFT": 0, "RANK": rank},
        TILES.warps,
        WHOLE,
    )
    for left, right, rank in ((3, 3, 0), (3, 2, 32))
}
ROW_TYPES = {"codes": "*u8", "scales": "*u8", "rows": "i32", "CODES": "i32", "SCALES": "i32"}
BUILDS["expand"] = Build(
    expand,
    ROW_TYPES | {"digits": "*i8", "plane": "i32"},
    {"SHIFT": 0, "COUNT": 3, "BM": 16, "BK": 256},
    whole=WHOLE,
)
BUILDS["widen"] = Build(widen, ROW_TYPES | {"out": "*bf16"}, {"BM": 16, "BK": 256}, whole=WHOLE)
BUILDS["wide-product-branch"] = Build(
    multiply_wide,
    PRODUCT_TYPES | {"a": "tensordesc<bf16[128,64]>", "b": "tensordesc<bf16[256,64]>", "K": "i32"},
    {"BM": 128, "BN": 256, "BK": 64, "STAGES": 3, "RANK": 32},
    8,
    WHOLE,
)
NATIVE_TYPES = {
    **dict.fromkeys(("a", "b"), "*u8"),
    **dict.fromkeys(("a_scales", "b_scales"), "*fp8e4nv"),
    **dict.fromkeys(("CODES", "SCALES"), "i32"),
}
NATIVE = {
    f"native-product{'-branch' if rank else ''}": Build(
        multiply_scaled,
        PRODUCT_TYPES | NATIVE_TYPES,
        {"BM": 128, "BN": 128, "BK": 256, "STAGES": 3, "RANK": rank},
        whole=WHOLE,
    )
    for rank in (0, 32)
}

if __name__ == "__main__":
    later = sys.argv[1] == "later"
    rows = {
        f"{name}-sm{capability}": compiled((BUILDS | NATIVE)[name], capability)
        for name, capability in [*builds(BUILDS, later=later), *(() if later else ((name, 100) for name in NATIVE))]
    }
    print(json.dumps(rows))
