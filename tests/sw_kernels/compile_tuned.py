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
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from sw_kernels.decode_attention.kernel import decode
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
    even = [i for i, name in enumerate(names) if build.types.get(name, "").startswith("*") or name in build.whole]
    binary = triton.compile(
        ASTSource(
            build.kernel,
            {name: build.types.get(name, "constexpr") for name in names},
            {(names.index(name),): value for name, value in build.constants.items()},
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
        "wide": bool(re.search(r"cp\.async\.cg\S* \[[^]]*\], \[[^]]*\], 0x10|ld\.global\S*\.v[48]", ptx)),
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
    f"decode-attention-group{group}": Build(
        decode, ATTENTION_TYPES, {"GROUP": group, "ROWS": 16, "D": 128, "PAGE": 64, "BN": 64, "STAGES": 3}
    )
    for group in (4, 7)
}
NORM_TYPES = {
    **dict.fromkeys(("x", "weight", "residual", "out"), "*bf16"),
    **dict.fromkeys(("N", "stride"), "i32"),
    **dict.fromkeys(("epsilon", "sigma"), "fp32"),
    "seed": "i64",
}
BUILDS |= {
    f"rms-norm{'-noise' if noise else ''}": Build(
        rms_norm, NORM_TYPES, {"BLOCK": 4096, "RESIDUAL": True, "NOISE": noise}, 8, frozenset(("N", "stride"))
    )
    for noise in (False, True)
}

if __name__ == "__main__":
    rows = {}
    for capability in map(int, sys.argv[1:]):
        for name, build in BUILDS.items():
            rows[f"{name}-sm{capability}"] = compiled(build, capability)
    print(json.dumps(rows))
