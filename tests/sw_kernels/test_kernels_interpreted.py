from __future__ import annotations

from collections import Counter

import pytest
from kernel_cases import RANDOM, RANDOM_FULL, every_nest
from programs import printed

NAMES = every_nest()


@pytest.mark.parametrize("name", NAMES)
def test_kernel_computes_the_nest(name: str) -> None:
    check("now", name, NAMES[name][2])


@pytest.mark.full
@pytest.mark.parametrize("seed", RANDOM_FULL)
def test_random_kernel_computes_its_nest(seed: int) -> None:
    check("later", f"random-{seed}", None)


def check(when: str, name: str, form: str | None) -> None:
    row = printed("interpret_kernels.py", when)[name]
    assert row == {
        "form": form or row["form"],
        "int8": True,
        "naive": True,
        "float32": True,
        "float16": True,
    }


def test_random_nests_reach_the_tensor_cores() -> None:
    forms = Counter(printed("interpret_kernels.py", "now")[f"random-{seed}"]["form"] for seed in RANDOM)
    assert forms["dot"] >= len(RANDOM) // 4
