"""Every mistake in a library name or its parameters, with the whole message that a person reads."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from workloads.errors import SpecError
from workloads.spec import load


@dataclass(frozen=True)
class Case:
    id: str
    text: str
    says: tuple[str, ...]


CASES = [
    Case("gem:m=3", "gem:m=3", ("'gem' is neither a spec file nor in the library; did you mean 'gemm'?",)),
    Case("gemm.yaml", "gemm.yaml", ("gemm.yaml: cannot read the file: no such file or directory",)),
    Case(
        "absent.yaml", "nowhere/absent.yaml", ("nowhere/absent.yaml: cannot read the file: no such file or directory",)
    ),
    Case(
        "no such thing!",
        "no such thing!",
        ("'no such thing!' is neither a spec file nor in the library; expected a file or 'gemm:m=64'",),
    ),
    Case("gemm:mm=3", "gemm:mm=3", ("gemm: 'mm' is not a parameter; did you mean 'm'?",)),
    Case("gemm:m", "gemm:m", ("gemm: 'm' is not a setting; expected 'parameter=value'",)),
    Case("gemm:m=0", "gemm:m=0", ("gemm: parameter 'm' must be an integer of at least 1, not '0'",)),
    Case("gemm:m=a", "gemm:m=a", ("gemm: parameter 'm' must be an integer of at least 1, not 'a'",)),
    Case("gemm:m=1,m=2", "gemm:m=1,m=2", ("gemm: parameter 'm' is given twice",)),
    Case("gemm:format=int9", "gemm:format=int9", ("gemm: format 'int9' is not known; did you mean 'int4'?",)),
    Case(
        "conv2d:padding=-1",
        "conv2d:padding=-1",
        ("conv2d: parameter 'padding' must be an integer of at least 0, not '-1'",),
    ),
    Case(
        "conv2d:groups=3",
        "conv2d:groups=3",
        (
            "conv2d: 'groups' is 3, which does not divide 'oc', 64",
            "conv2d: 'groups' is 3, which does not divide 'ic', 64",
        ),
    ),
    Case(
        "conv2d:h=2,padding=0",
        "conv2d:h=2,padding=0",
        ("conv2d: the kernel reaches 3 elements along 'h', but the padded input has 2",),
    ),
    Case(
        "attention_scores:causal=2",
        "attention_scores:causal=2",
        ("attention_scores: parameter 'causal' must be 0 or 1, not '2'",),
    ),
    Case(
        "depthwise:groups=2",
        "depthwise:groups=2",
        (
            (
                "depthwise: 'groups' is not a parameter; expected one of n, c, h, w, kh, kw, stride, dilation, "
                "padding, format"
            ),
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_library_faults(case: Case) -> None:
    with pytest.raises(SpecError) as caught:
        load(case.text)
    assert caught.value.faults == case.says
