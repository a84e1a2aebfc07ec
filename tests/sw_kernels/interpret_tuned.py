"""Run hand-written kernels in Triton's interpreter on the CPU and print how each compares with its twin, as JSON.

A program of its own, because the interpreter is chosen by an environment variable before Triton is imported.
"""

from __future__ import annotations

import json
import os
from typing import Any

os.environ["TRITON_INTERPRET"] = "1"

import attention_cases
import norm_cases
import product_cases
import quantize_cases
import torch
import weight_only_cases

FAMILIES: dict[str, Any] = {
    "attention": attention_cases,
    "norm": norm_cases,
    "product": product_cases,
    "quantize": quantize_cases,
    "weight-only": weight_only_cases,
}

if __name__ == "__main__":
    # The interpreter computes wrongly with bf16.
    types = {"fp32": torch.float32, "fp16": torch.float16}
    rows = {
        f"{family}-{case.id}-{name}": cases.compared(case, dtype)
        for family, cases in FAMILIES.items()
        for case in cases.CASES
        for name, dtype in types.items()
    }
    rows["quantize-corners"] = quantize_cases.corners()
    rows["product-roundings"] = product_cases.roundings()
    print(json.dumps(rows))
