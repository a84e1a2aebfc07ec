"""Verification: what is simulated is the point's own array at sizes that fill it, and a fault is seen."""

from dataclasses import replace

import numpy as np
import pytest

from dataflow import Dataflow
from reports.exploration import verify as module
from reports.exploration.design_point import DesignPoint
from reports.exploration.evaluate import evaluate
from reports.exploration.verify import VerificationError, reduced_operator, verify
from reports.exploration.workload import StudyWorkload
from workloads.spec import load

POINT = DesignPoint((3, 2), (("k", "n"), ("ic", "oc"), ("oh", "ow")), "int8", 4096, 8.0, 0.0, 1.0, "7nm", "hbm2")
WORKLOADS = (
    StudyWorkload(
        "both",
        1.0,
        (("gemm:m=5,n=70,k=90", 2), ("gemm:m=5,n=7,k=9", 2), ("conv2d:n=1,oc=40,ic=8,h=5,w=5,kh=3,kw=3,stride=1", 1)),
    ),
)


def test_the_costliest_layer_of_each_kind_is_simulated():
    found = verify(evaluate(POINT, WORKLOADS), "energy-delay", simulator="icarus")
    assert [each.nest.partition(":")[0] for each in found] == ["conv2d", "gemm"]
    assert found[1].nest == "gemm:m=3,n=3,k=4,format=int8"
    for each in found:
        assert each.passed
        assert each.simulated_cycles > 0
        assert each.simulator == "icarus"


CASES = [
    ("gemm:m=512,n=512,k=512,format=int8", {"k": 16, "n": 8}, "gemm:m=3,n=9,k=17,format=int8"),
    ("gemm:m=2,n=5,k=16,format=int8", {"k": 16, "n": 8}, "gemm:m=2,n=5,k=16,format=int8"),
    (
        "conv2d:n=1,oc=64,ic=3,h=224,w=224,kh=11,kw=11,stride=4,padding=2",
        {"oh": 16, "ow": 4},
        "conv2d:n=1,oc=3,ic=3,h=78,w=30,kh=11,kw=11,stride=4,padding=2",
    ),
    ("nvfp4_gemm:m=64,n=64,k=640", {"m": 4, "n": 4}, "nvfp4_gemm:m=5,n=5,k=32"),
    ("nvfp4_gemm:m=64,n=64,k=640", {"kb": 3, "n": 4}, "nvfp4_gemm:m=3,n=5,k=64"),
    ("attention_scores:h=8,q=128,k=128,d=64,causal=0", {"q": 4, "k": 4}, "attention_scores:h=3,q=5,k=5,d=3,causal=0"),
]


@pytest.mark.parametrize(("operator", "space", "reduced"), CASES)
def test_layers_shrink_to_what_fills_the_array(operator, space, reduced):
    assert reduced_operator(operator, Dataflow.of(load(operator).nest, space)) == reduced
    small = load(reduced).nest
    assert all(small.extents[loop] >= min(size, load(operator).nest.extents[loop]) for loop, size in space.items())


def test_a_wrong_bit_or_a_wrong_cycle_is_no_pass(monkeypatch):
    outcome = evaluate(replace(POINT, spaces=(("k", "n"),)), (StudyWorkload("w", 1.0, (("gemm:m=5,n=7,k=9", 1),)),))
    real = module.simulate

    def wrong_bit(*arguments, **options):
        result = real(*arguments, **options)
        outputs = np.array(result.outputs)
        outputs.flat[0] ^= 1
        return replace(result, outputs=outputs)

    def wrong_cycle(*arguments, **options):
        result = real(*arguments, **options)
        return replace(result, runs=tuple(each._replace(counted=each.counted + 1) for each in result.runs))

    for fault in (wrong_bit, wrong_cycle):
        monkeypatch.setattr(module, "simulate", fault)
        assert [each.passed for each in verify(outcome, "energy-delay", simulator="icarus")] == [False]


def test_a_layer_that_cannot_be_simulated_is_named():
    outcome = evaluate(replace(POINT, spaces=(("k", "n"),)), (StudyWorkload("w", 1.0, (("gemm:m=5,n=7,k=9", 1),)),))
    with pytest.raises(VerificationError) as caught:
        verify(outcome, "energy-delay", simulator="none")
    assert str(caught.value) == (
        "3x2, k-n, int8, 4 KB, 8 GB/s, 1 GHz, 7nm: gemm:m=5,n=7,k=9,format=int8 cannot be verified: "
        "design 'gemm_k_n_keeps_O': simulator 'none' is not known; expected one of verilator, icarus"
    )
