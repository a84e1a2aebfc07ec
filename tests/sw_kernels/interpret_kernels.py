"""Run kernels in Triton's interpreter on the CPU and print how each compares with the nest interpreter, as JSON.

A program of its own, because the interpreter is chosen by an environment variable before Triton is imported.
"""

from __future__ import annotations

import json
import os
import sys

os.environ["TRITON_INTERPRET"] = "1"

import numpy as np
import torch
from kernel_cases import RANDOM_FULL, every_nest, random_nests

from sw_kernels.contraction import generate
from sw_kernels.launch import contract
from sw_kernels.naive import contract_naively
from workloads.interpreter import random_inputs, run
from workloads.nest import Nest

POISON = -7777777


def compared(nest: Nest, form: str | None) -> dict[str, object]:
    inputs = random_inputs(nest, seed=1)
    expected = torch.from_numpy(np.asarray(run(nest, inputs)))
    tensors = {name: torch.from_numpy(np.asarray(value)) for name, value in inputs.items()}
    output = torch.full(expected.shape, POISON, dtype=torch.int32)
    contract(nest, tensors, output, form=form)
    naive = contract_naively(nest, tensors)
    row: dict[str, object] = {
        "form": generate(nest, 1, integer=True, form=form).form,
        "int8": bool((output == expected).all()),
        "naive": bool((naive == expected).all()),
    }
    # Small whole numbers are exact in half precision, also their products of three.
    for dtype in (torch.float32, torch.float16):
        small = {name: (value % 8 - 4).to(dtype) for name, value in tensors.items()}
        output = torch.full(expected.shape, float("nan"))
        contract(nest, small, output, form=form)
        reference = contract_naively(nest, small)
        difference = (output.double() - reference).norm() / max(1.0, float(reference.norm()))
        row[str(dtype).removeprefix("torch.")] = float(difference) < 1e-6
    return row


if __name__ == "__main__":
    nests = random_nests(RANDOM_FULL) if sys.argv[1] == "later" else every_nest()
    print(json.dumps({name: compared(nest, form) for name, (nest, form, _) in nests.items()}))
