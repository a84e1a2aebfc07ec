from __future__ import annotations

import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
SOURCES = sorted(p for room in (*ROOMS, "tests", "scripts", "benchmarks") for p in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, "split it by concept"


def test_every_dependency_is_pinned() -> None:
    project = PROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values(), PROJECT["build-system"]["requires"]]
    assert [text for group in groups for text in group if "==" not in text] == []


@pytest.mark.parametrize("room", ["workloads", "dataflow"])
def test_ideas_import_without_tools(room: str) -> None:
    (contract,) = (c for c in PROJECT["tool"]["importlinter"]["contracts"] if room in c.get("source_modules", ()))
    program = (
        "import importlib, pkgutil, sys\n"
        f"import {room}\n"
        f"for m in pkgutil.walk_packages({room}.__path__, '{room}.'): importlib.import_module(m.name)\n"
        f"print(sorted(set(sys.modules) & set({contract['forbidden_modules']!r})))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@dataclass(frozen=True)
class Document:
    id: str
    text: str
    status: int
    out: str
    err: str = ""


DOCUMENTS = [
    Document(
        "blocks-run-in-order", "a\n```sh\necho one\n```\n\n```sh\necho two\n```\n", 0, "echo one\none\necho two\ntwo\n"
    ),
    Document("reason-given", "```sh\necho a\n```\n<!-- not in ci: slow -->\n```sh\nexit 9\n```\n", 0, "echo a\na\n"),
    Document("other-language", "```sh\necho a\n```\n```python\nraise\n```\n", 0, "echo a\na\n"),
    Document(
        "failure-stops",
        "```sh\nfalse | true\necho no\n```\n```sh\necho never\n```\n",
        1,
        "false | true\necho no\n",
        "doc.md: exit status 1 from:\nfalse | true\necho no\n\n",
    ),
    Document(
        "clone-and-tests-are-done",
        "```sh\ngit clone no://where it\ncd it\nmake test\n```\n```sh\ncd it\necho make test\n```\n",
        0,
        "echo make test\nmake test\n",
    ),
    Document("nothing-to-run", "words\n", 1, "", "doc.md: no block that starts with ```sh\n"),
]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.id)
def test_readme_commands(document: Document, tmp_path: Path) -> None:
    (tmp_path / "doc.md").write_text(document.text, encoding="utf-8")
    command = [sys.executable, str(ROOT / "scripts" / "readme_commands.py"), "doc.md"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    # What `bash -x` echoes starts with a plus sign.
    said = "".join(line for line in done.stderr.splitlines(keepends=True) if not line.startswith("+"))
    assert (done.returncode, done.stdout, said) == (document.status, document.out, document.err)
