"""Run hand-written kernels in Triton's interpreter on the CPU and print how each compares with its twin, as JSON.

A program of its own, because the interpreter is chosen by an environment variable before Triton is imported.
"""

from __future__ import annotations

import json
import os

os.environ["TRITON_INTERPRET"] = "1"

import attention_cases
import torch

if __name__ == "__main__":
    # The interpreter computes wrongly with bf16.
    types = {"fp32": torch.float32, "fp16": torch.float16}
    print(
        json.dumps(
            {
                f"attention-{case.id}-{name}": attention_cases.compared(case, dtype)
                for case in attention_cases.CASES
                for name, dtype in types.items()
            }
        )
    )
