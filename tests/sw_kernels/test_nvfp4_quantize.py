from __future__ import annotations

import pytest
import torch
from programs import interpreted
from quantize_cases import CASES, Case

from sw_kernels.nvfp4.matrix import MatrixError, Nvfp4Matrix
from sw_kernels.nvfp4.quantize.launch import Narrowing, QuantizeError, largest_magnitude, quantize

MOST_ERROR = {"fp32": 1e-6, "fp16": 5e-4}


@pytest.mark.parametrize("dtype", MOST_ERROR)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_quantization_is_the_definition_bit_for_bit(case: Case, dtype: str) -> None:
    row = interpreted()[f"quantize-{case.id}-{dtype}"]
    assert (row["codes"], row["scales"], row["tensor_scale"]) == (0, 0, True)
    assert ("narrow" in row) == bool(case.rank)
    assert row.get("narrow", 0) <= MOST_ERROR[dtype]


def test_wide_case_is_wide() -> None:
    assert interpreted()["quantize-wide-fp32"]["scale_codes"] > 60


def test_every_rounding_of_scales_and_elements() -> None:
    row = interpreted()["quantize-corners"]
    assert row == {"tried": row["tried"], "scale_codes": 0, "scale_values": 0, "element_codes": 0}
    assert row["tried"] > 1500


def test_quantization_lists_every_fault() -> None:
    x = torch.zeros(4, 32)
    out = Nvfp4Matrix.empty(4, 48, "cpu")
    with pytest.raises(QuantizeError) as caught:
        quantize(
            x,
            torch.zeros(1),
            out,
            smooth=torch.ones(16),
            narrowing=Narrowing(torch.zeros(8, 32), torch.zeros(4, 8)),
        )
    assert str(caught.value) == (
        "nvfp4 quantization: the low-rank branch has rank 8; expected one of 16, 32, 64, 128\n"
        "nvfp4 quantization: smooth has shape [16] and type float32; expected [32] and float32, contiguous\n"
        "nvfp4 quantization: the output's codes has shape [4, 24] and type uint8; "
        "expected [4, 16] and uint8, contiguous\n"
        "nvfp4 quantization: the output's scales has shape [4, 3] and type uint8; "
        "expected [4, 2] and uint8, contiguous"
    )


def test_quantization_needs_whole_blocks() -> None:
    with pytest.raises(QuantizeError) as caught:
        largest_magnitude(torch.zeros(2, 24), torch.zeros(1))
    assert str(caught.value) == (
        "nvfp4 quantization: x has shape [2, 24]; expected [rows, columns], a multiple of 16 columns"
    )
    with pytest.raises(MatrixError) as refused:
        Nvfp4Matrix.empty(0, 24, "cpu")
    assert str(refused.value) == ("an NVFP4 matrix needs rows and a multiple of 16 columns, not 0 rows and 24 columns")
