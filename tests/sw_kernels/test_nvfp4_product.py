from __future__ import annotations

import pytest
import torch
from product_cases import CASES, Case
from programs import interpreted

from sw_kernels.nvfp4.matrix import Nvfp4Matrix
from sw_kernels.nvfp4.product.digits import LARGEST, Digits, digits_of
from sw_kernels.nvfp4.product.launch import Branch, ProductError, exact_product, native_product, wide_product

MOST_ERROR = {"fp32": 1e-6, "fp16": 5e-4}


@pytest.mark.parametrize("dtype", MOST_ERROR)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_product_is_the_definition_bit_for_bit(case: Case, dtype: str) -> None:
    row = interpreted()[f"product-{case.id}-{dtype}"]
    if case.rank:
        assert row["error"] <= MOST_ERROR[dtype]
    else:
        assert row["different"] == 0
    assert row["wide"] <= MOST_ERROR[dtype]


def test_every_sum_is_rounded_once() -> None:
    row = interpreted()["product-roundings"]
    assert len(row) == 13
    assert not any(row.values()), row


@pytest.mark.parametrize(
    ("scales", "digits"),
    [
        ((0, 0), Digits(1, 0)),
        ((7, 0), Digits(1, 0)),
        ((8, 15), Digits(2, 0)),
        ((0x38, 0x38), Digits(1, 6)),
        ((0x58, 0x78), Digits(2, 10)),
        ((1, 0x7E), Digits(3, 0)),
        ((0x7E, 0x7E), Digits(2, 14)),
    ],
)
def test_digits_of_scales(scales: tuple[int, int], digits: Digits) -> None:
    assert digits_of(torch.tensor(scales, dtype=torch.uint8)) == digits


def test_three_digits_hold_every_number() -> None:
    assert LARGEST == 2752512
    assert LARGEST <= (127 * 256 + 127) * 256 + 127


def _matrices(m: int, n: int, k: int) -> tuple[Nvfp4Matrix, Nvfp4Matrix]:
    return Nvfp4Matrix.empty(m, k, "cpu"), Nvfp4Matrix.empty(n, k, "cpu")


def test_product_lists_every_fault() -> None:
    left, _ = _matrices(2, 3, 32)
    _, right = _matrices(2, 3, 64)
    branch = Branch(torch.zeros(2, 8), torch.zeros(4, 8))
    with pytest.raises(ProductError) as caught:
        exact_product(left, right, torch.zeros(3, 2, dtype=torch.float64), torch.zeros(9), branch)
    assert str(caught.value) == (
        "nvfp4 product: the matrices have 32 and 64 columns; expected the same\n"
        "nvfp4 product: the output has type float64; expected bfloat16 or float16 or float32\n"
        "nvfp4 product: the output has shape [3, 2]; expected [2, 3], contiguous\n"
        "nvfp4 product: the low-rank branch has rank 8; expected one of 16, 32, 64, 128\n"
        "nvfp4 product: narrow has shape [2, 8] and type float32; expected [2, 8] and float64, contiguous\n"
        "nvfp4 product: up has shape [4, 8] and type float32; expected [3, 8] and float64, contiguous"
    )


def test_product_needs_room() -> None:
    left, right = _matrices(2, 3, 32)
    with pytest.raises(ProductError) as caught:
        exact_product(left, right, torch.zeros(2, 3), torch.zeros(100, dtype=torch.int8), right_digits=Digits(2))
    assert str(caught.value) == (
        "nvfp4 product: the room has 100 elements of int8 on cpu; expected 384 of int8 on cpu, contiguous"
    )
    with pytest.raises(ProductError) as caught:
        wide_product(left, right, torch.zeros(2, 3), torch.zeros(160, dtype=torch.int8))
    assert str(caught.value) == (
        "nvfp4 product: the room has 160 elements of int8 on cpu; expected 160 of float32 on cpu, contiguous"
    )
    with pytest.raises(ProductError) as caught:
        wide_product(left, right, torch.zeros(2, 3), torch.zeros(200)[1:])
    assert str(caught.value) == "nvfp4 product: the room starts 4 bytes past a multiple of 16; expected none"


def test_product_is_exact_up_to_a_length() -> None:
    left, right = _matrices(1, 1, 32784)
    with pytest.raises(ProductError) as caught:
        exact_product(left, right, torch.zeros(1, 1), torch.zeros(1, dtype=torch.int8))
    assert str(caught.value) == "nvfp4 product: the matrices have 32784 columns; sums are exact for at most 32768"


def test_block_scaled_instructions_need_their_gpu() -> None:
    left, right = _matrices(2, 3, 32)
    with pytest.raises(ProductError) as caught:
        native_product(left, right, torch.zeros(2, 3))
    assert str(caught.value) == "nvfp4 product: block-scaled instructions need sm_100 or later, not cpu"
