"""Fusion files: what is read, that it is printed as it was read, and every mistake with its whole message."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from workloads.dataflow_spec import DataflowSpec
from workloads.errors import SpecError
from workloads.fusion_spec import load_fusion, parse_fusion
from workloads.spec import load

GEMM = "name: g\nloops: {m: 4, n: 4, k: 4}\nbody: O[m, n] += A[m, k] * B[k, n]\n"
PAIR = """\
name: pair
members:
  - nest: gemm:m=8,n=8,k=8
    dataflow: {name: os, space: {m: 4, n: 4}, skew: [1, 1]}
  - nest: nests/own.yaml
    dataflow: {name: ws, space: {k: 2, n: 2}, skew: [0, 1], order: [n, k, m], tile: {m: 2}}
"""


def test_members_are_read(tmp_path: Path) -> None:
    (tmp_path / "nests").mkdir()
    (tmp_path / "nests" / "own.yaml").write_text(GEMM)
    (tmp_path / "pair.yaml").write_text(PAIR)
    spec = load_fusion(tmp_path / "pair.yaml")
    assert spec.name == "pair"
    assert [m.nest for m in spec.members] == [load("gemm:m=8,n=8,k=8").nest, load(GEMM).nest]
    assert spec.members[1].dataflow == DataflowSpec("ws", (("k", 2), ("n", 2)), (0, 1), ("n", "k", "m"), (("m", 2),))
    assert str(spec) == PAIR
    assert parse_fusion(str(spec), folder=tmp_path) == spec


@pytest.mark.parametrize("name", ["gemm", "a b.yaml", "it's: #1.yaml", "m-1.yaml", "x:.yaml", "größe.yaml", "- a.yaml"])
def test_text_round_trip_of_any_path(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(GEMM)
    first = parse_fusion(
        f"name: a\nmembers:\n  - nest: '{name.replace(chr(39), 2 * chr(39))}'\n{FLOW}", folder=tmp_path
    )
    assert first.members[0].written == name
    assert first.members[0].nest.name == ("gemm" if name == "gemm" else "g")
    assert parse_fusion(str(first), folder=tmp_path) == first


FLOW = "    dataflow: {name: os, space: {m: 2, n: 2}}\n"


def test_a_nest_may_stand_in_the_file() -> None:
    inside = "".join(f"      {line}\n" for line in GEMM.splitlines())
    spec = parse_fusion(f"name: a\nmembers:\n  - nest: |\n{inside}{FLOW}")
    assert spec.members[0].nest == load(GEMM).nest
    assert parse_fusion(str(spec)) == spec


@dataclass(frozen=True)
class Case:
    id: str
    text: str
    says: tuple[str, ...]


HEAD = "name: a\nmembers:\n"
CASES = (
    Case("empty", "# nothing\n", ("1:1: the fusion file is empty; expected a mapping with 'name' and 'members'",)),
    Case("no-mapping", "x\n", ("1:1: the fusion file must be a mapping of keys to values, not 'x'",)),
    Case(
        "keys",
        "nam: a\n",
        (
            "1:1: the fusion file: 'nam' is not a key; did you mean 'name'?",
            "1:1: the fusion file: key 'name' is missing; expected for example 'name: lego'",
            "1:1: the fusion file: key 'members' is missing; expected for example "
            "'members: [{nest: gemm:m=32, dataflow: {name: os, space: {m: 16, n: 16}}}]'",
        ),
    ),
    Case(
        "no-member",
        "name: 2d\nmembers: []\n",
        (
            "1:7: 'name' must be letters, digits and '_', starting with a letter, not '2d'",
            "2:10: 'members' is empty; expected at least one nest with its dataflow",
        ),
    ),
    Case("members-no-list", "name: a\nmembers: 3\n", ("2:10: 'members' must be a list, not '3'",)),
    Case(
        "member-keys",
        HEAD + "  - nests: gemm\n  - 3\n",
        (
            "3:5: a member: 'nests' is not a key; did you mean 'nest'?",
            "3:5: a member: key 'nest' is missing; expected for example 'nest: gemm:m=32,n=32,k=32'",
            "3:5: a member: key 'dataflow' is missing; expected for example "
            "'dataflow: {name: os, space: {m: 16, n: 16}}'",
            "4:5: a member must be a mapping of keys to values, not '3'",
        ),
    ),
    Case(
        "all-at-once",
        HEAD
        + "  - nest: gem:m=3\n    dataflow: {name: x, space: {any: 3}}\n"
        + "  - nest: gemm:q=4,m=0\n    dataflow: {space: {m: 3}}\n"
        + "  - nest: none.yaml\n    dataflow: {name: y, space: {m: 0}}\n"
        + "  - nest: gemm\n    dataflow: {name: x, space: {mm: 3}}\n"
        + "  - nest: [gemm]\n    dataflow: 3\n",
        (
            "3:11: 'gem' is neither a spec file nor in the library; did you mean 'gemm'?",
            "5:11: gemm: 'q' is not a parameter; expected one of m, n, k, format",
            "5:11: gemm: parameter 'm' must be an integer of at least 1, not '0'",
            "6:15: dataflow: key 'name' is missing; expected for example 'name: ws'",
            "7:11: FOLDER/none.yaml: cannot read the file: no such file or directory",
            "8:36: dataflow: the size of 'm' in 'space' must be an integer of at least 1, not '0'",
            "10:22: 'members': two dataflows are called 'x'; give each a name of its own",
            "10:33: dataflow: 'mm' in 'space' is not a loop; did you mean 'm'?",
            "11:11: a member: 'nest' must be text, not a list",
            "12:15: dataflow must be a mapping of keys to values, not '3'",
        ),
    ),
    Case(
        "faults-of-a-member's-file",
        HEAD + "  - nest: broken.yaml\n" + FLOW,
        (
            "3:11: FOLDER/broken.yaml:1:7: 'name' must be letters, digits and '_', starting with a letter, not '1'",
            "3:11: FOLDER/broken.yaml:2:12: loop 'm': the extent must be an integer of at least 1, not '0'",
        ),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_a_mistake_is_told(case: Case, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("name: 1\nloops: {m: 0, n: 4, k: 4}\nbody: O[m, n] += A[m, k] * B[k, n]\n")
    with pytest.raises(SpecError) as caught:
        parse_fusion(case.text, source="f.yaml", folder=tmp_path)
    assert [fault.replace(str(tmp_path), "FOLDER") for fault in caught.value.faults] == [
        f"f.yaml:{fault}" for fault in case.says
    ]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for path, why in (
        (tmp_path / "none.yaml", "cannot read the file: no such file or directory"),
        (tmp_path, "cannot read the file: is a directory"),
        (tmp_path / "bytes.yaml", "the file is not text; expected YAML in UTF-8"),
    ):
        with pytest.raises(SpecError) as caught:
            load_fusion(path)
        assert str(caught.value) == f"{path}: {why}"
