from __future__ import annotations

import attention_cases
import pytest
import torch
from attention_cases import CASES, Case
from programs import interpreted

from sw_kernels.decode_attention.launch import AttentionError, Tiles, Workspace, decode_attention, tiles_for
from sw_kernels.decode_attention.naive import decode_attention_naively

MOST_ERROR = {"fp32": 1e-6, "fp16": 5e-4}


@pytest.mark.parametrize("dtype", MOST_ERROR)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_attention_is_the_definition(case: Case, dtype: str) -> None:
    row = interpreted()[f"attention-{case.id}-{dtype}"]
    assert row["error"] <= MOST_ERROR[dtype]
    assert row["clean"]


def test_definition_is_softmax_attention() -> None:
    torch.manual_seed(2)
    queries, keys, values = torch.randn(1, 6, 8), torch.randn(3, 2, 4, 8), torch.randn(3, 2, 4, 8)
    table = torch.tensor([[2, 0, 1]], dtype=torch.int32)
    ours = decode_attention_naively(queries, keys, values, table, torch.tensor([11]), 0.25)
    k, v = (cache[table[0].long()].transpose(0, 1).flatten(1, 2)[:, :11] for cache in (keys, values))
    theirs = torch.nn.functional.scaled_dot_product_attention(
        queries[0, :, None].double(), k.repeat_interleave(3, 0).double(), v.repeat_interleave(3, 0).double(), scale=0.25
    )
    torch.testing.assert_close(ours[0], theirs[:, 0])


@pytest.mark.parametrize(
    ("sequences", "kv_heads", "tokens", "split"),
    [(1, 8, 65536, 16), (1, 4, 65536, 33), (64, 8, 65536, 1), (1, 8, 100, 1), (1, 8, 1024, 4), (8, 4, 2048, 8)],
)
def test_slices_fill_a_large_gpu(sequences: int, kv_heads: int, tokens: int, split: int) -> None:
    assert tiles_for(sequences, kv_heads, tokens).split == split


def test_attention_lists_every_fault() -> None:
    case = CASES[0]
    tensors = attention_cases.inputs(case, torch.float32)
    tensors["values"] = tensors["values"].half()
    tensors["lengths"] = tensors["lengths"].long()
    tensors["table"] = tensors["table"][:2]
    out = torch.empty(4, 14, 32)
    with pytest.raises(AttentionError) as caught:
        decode_attention(**tensors, out=out, workspace=Workspace.on("cpu", 4, 2, 7, 64, 3))
    assert str(caught.value) == (
        "decode attention: values has shape [44, 2, 16, 64] and type float16; "
        "expected [44, 2, 16, 64] and float32, contiguous\n"
        "decode attention: the output has shape [4, 14, 32] and type float32; "
        "expected [4, 14, 64] and float32, contiguous\n"
        "decode attention: the table has shape [2, 11] and type int32; expected [4, 11] and int32, contiguous\n"
        "decode attention: lengths has shape [4] and type int64; expected [4] and int32, contiguous"
    )


@pytest.mark.parametrize(
    ("queries", "keys", "says"),
    [
        ((2, 64), (1, 1, 16, 64), "queries has shape [2, 64]; expected [sequences, heads, d]"),
        ((4, 6, 48), (8, 2, 16, 48), "the head dimension is 48; expected one of 32, 64, 128, 256"),
        ((4, 6, 64), (8, 4, 16, 64), "6 query heads cannot share 4 heads of keys; expected a multiple"),
        (
            (4, 6, 64),
            (8, 2, 24, 64),
            "keys has pages of shape [24, 64]; expected a power of two of tokens and head dimension 64",
        ),
    ],
    ids=["axes", "head-dimension", "group", "page"],
)
def test_attention_rejects(queries: tuple[int, ...], keys: tuple[int, ...], says: str) -> None:
    with pytest.raises(AttentionError) as caught:
        decode_attention(
            torch.zeros(queries),
            torch.zeros(keys),
            torch.zeros(keys),
            torch.zeros(4, 2, dtype=torch.int32),
            torch.zeros(4, dtype=torch.int32),
            torch.zeros(queries),
            Workspace.on("cpu", 4, 2, 3, 64, 1),
        )
    assert str(caught.value) == f"decode attention: {says}"


def test_attention_needs_room_for_its_slices() -> None:
    case = CASES[0]
    tensors = attention_cases.inputs(case, torch.float32)
    out = torch.empty_like(tensors["queries"])
    with pytest.raises(AttentionError) as caught:
        decode_attention(**tensors, out=out, workspace=Workspace.on("cpu", 4, 2, 7, 64, 3), tiles=Tiles(split=9))
    assert str(caught.value) == "decode attention: 9 slices of 4 sequences and 2 heads do not fit the workspace"
