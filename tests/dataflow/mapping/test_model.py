"""The closed form against walking every tile."""

from __future__ import annotations

import pytest
from mappings import random_mapping

from dataflow.mapping import count, walk

FEW, MANY = range(300), range(300, 1300)


def check(seed: int) -> None:
    mapping, machine = random_mapping(seed)
    assert count(mapping, machine) == walk(mapping, machine)


@pytest.mark.parametrize("seed", FEW)
def test_counts_equal_a_walk(seed: int) -> None:
    check(seed)


@pytest.mark.full
@pytest.mark.parametrize("seed", MANY)
def test_counts_equal_a_walk_in_many_cases(seed: int) -> None:
    check(seed)


def test_the_random_mappings_reach_every_part_of_the_model() -> None:
    counts = []
    for seed in FEW:
        mapping, machine = random_mapping(seed)
        found = count(mapping, machine)
        output = found.operands[-1]
        counts.append(
            {
                "uneven": any(cut.last != cut.size for _, cut in mapping.cuts),
                "several tiles": found.runs > 1,
                "sums come back": output.fetched > 0 and mapping.nest.dense,
                "fetched again": any(
                    o.fetched > mapping.nest.tensor(o.name.split("_again")[0]).elements for o in found.operands[:-1]
                ),
                "padding": any(t.padded for t in mapping.nest.tensors),
            }
        )
    for part in counts[0]:
        assert sum(c[part] for c in counts) >= 5, part
