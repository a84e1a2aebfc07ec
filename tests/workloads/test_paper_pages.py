"""Tables of the pages on papers are what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from workloads.rollout import NVFP4, Rollout
from workloads.rollout_table import bound_table, memory_table, step_table

PAPERS = Path(__file__).parents[2] / "docs" / "papers"


def between(page: str, name: str) -> str:
    text = (PAPERS / f"{page}.md").read_text(encoding="utf-8")
    _, _, rest = text.partition(f"<!-- begin: {name} -->\n")
    return rest.partition(f"\n<!-- end: {name} -->")[0]


TABLES = {
    "steps": step_table(Rollout.of("qwen2.5_7b", NVFP4, 8)),
    "bound": bound_table(4.8e12, 989e12),
    "memory": memory_table(8),
}


@pytest.mark.parametrize("name", TABLES)
def test_qerl(name: str) -> None:
    assert between("qerl", name) == TABLES[name]
