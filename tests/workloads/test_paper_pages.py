"""Tables of the pages on papers are what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from workloads.formats import BLOCK_FORMATS
from workloads.networks.registry import network_named
from workloads.rollout import NVFP4, Rollout
from workloads.rollout_table import bound_table, memory_table, step_table
from workloads.svdquant.network import product_table

PAPERS = Path(__file__).parents[2] / "docs" / "papers"


def between(page: str, name: str) -> str:
    text = (PAPERS / f"{page}.md").read_text(encoding="utf-8")
    _, _, rest = text.partition(f"<!-- begin: {name} -->\n")
    return rest.partition(f"\n<!-- end: {name} -->")[0]


TABLES = {
    ("qerl", "steps"): lambda: step_table(Rollout.of("qwen2.5_7b", NVFP4, 8)),
    ("qerl", "bound"): lambda: bound_table(4.8e12, 989e12),
    ("qerl", "memory"): lambda: memory_table(8),
    ("svdquant", "flux"): lambda: product_table(network_named("flux.1_dev"), BLOCK_FORMATS["nvfp4"]),
}


@pytest.mark.parametrize(("page", "name"), TABLES)
def test_table(page: str, name: str) -> None:
    assert between(page, name) == TABLES[page, name]()
