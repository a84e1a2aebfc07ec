"""Compile kernels for GPUs that need not be there and print what the code uses, as JSON.

A program of its own, because it needs Triton without its interpreter.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import triton
from kernel_cases import nest_of
from programs import builds
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from sw_kernels.cases import cases
from sw_kernels.contraction import generate
from sw_kernels.launch import TYPES, load_kernel
from sw_kernels.source import Source
from workloads.nest import Nest

POINTERS = {"float16": "*fp16", "bfloat16": "*bf16", "float32": "*fp32", "int8": "*i8"}
DISASSEMBLER = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
FAMILIES = {
    "mttkrp-fp16": ("mttkrp:i=512,j=256,k=8,l=128", "float16"),
    "causal-scores-fp16": ("attention_scores:h=8,q=512,k=512,d=128,causal=1", "float16"),
    "conv-nchw-fp16": ("conv2d:n=4,oc=128,ic=128,h=32,w=32", "float16"),
    "gemv-fp16": ("gemv:m=4096,k=4096", "float16"),
    "gemm-fp32": ("gemm:m=512,n=512,k=512", "float32"),
}


def compiled(nest: Nest, dtype: str, capability: int) -> dict[str, object]:
    integer = dtype.startswith("int")
    source: Source = generate(nest, TYPES[dtype], integer=integer)
    pointer = POINTERS[dtype]
    signature = {f"x{i}": pointer for i in range(len(nest.inputs))} | {"out": "*i32" if integer else pointer}
    binary = triton.compile(
        ASTSource(
            load_kernel(source.text),
            signature,
            {},
            # Tensors of torch start at multiples of 16 bytes.
            {(i,): [["tt.divisibility", 16]] for i in range(len(signature))},
        ),
        target=GPUTarget("cuda", capability, 32),
        options={"num_warps": source.tiles.warps, "num_stages": source.tiles.stages},
    )
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(binary.asm["cubin"])
        file.flush()
        usage = subprocess.run(
            [str(DISASSEMBLER), "-res-usage", file.name], capture_output=True, text=True, check=True
        ).stdout
    ptx = binary.asm["ptx"]
    return {
        "form": source.form,
        "wgmma": "wgmma.mma_async" in ptx,
        "tcgen05": "tcgen05.mma" in ptx,
        "wide": bool(re.search(r"cp\.async\.cg|ld\.global\S*\.v[248]", ptx)),
        "local_bytes": int(re.findall(r"LOCAL:(\d+)", usage)[-1]),
        "shared_bytes": binary.metadata.shared,
    }


if __name__ == "__main__":
    nests = {case.name: (case.nest, case.dtype) for case in cases()}
    nests |= {name: (nest_of(text), dtype) for name, (text, dtype) in FAMILIES.items()}
    rows = {
        f"{name}-sm{capability}": compiled(*nests[name], capability)
        for name, capability in builds(nests, later=sys.argv[1] == "later")
    }
    print(json.dumps(rows))
