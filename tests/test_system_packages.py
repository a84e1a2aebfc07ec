"""The script that installs system packages: what it says where it may not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "system-packages"


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script where there is no compiler, no browser, no sudo, and the user is not root."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    for tool in ("bash", "env"):
        if not (folder / tool).exists():
            (folder / tool).symlink_to(shutil.which(tool) or tool)
    (folder / "id").write_text("#!/bin/sh\necho 1000\n")
    (folder / "id").chmod(0o755)
    environment = {"PATH": str(folder), "PYTHON": sys.executable, "HOME": os.environ.get("HOME", "/")}
    return subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True, timeout=60)


def missing(done: subprocess.CompletedProcess[str]) -> list[str]:
    first, second = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert first == "brickwork: these system packages are missing and only root can install them; please run:"
    start = "  sudo apt-get update && sudo apt-get install -y "
    assert second.startswith(start)
    return second.removeprefix(start).split()


def test_tests_need_a_browser_too(tmp_path: Path) -> None:
    without = missing(run(tmp_path))
    assert without[:2] == ["g++", "make"]
    assert missing(run(tmp_path, "test")) == [*without, "chromium"]


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_any_browser_will_do(tmp_path: Path, name: str) -> None:
    without = missing(run(tmp_path))
    (tmp_path / "bin" / name).symlink_to("bash")
    assert missing(run(tmp_path, "test")) == without


def test_another_word_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "tests")
    says = "brickwork: expected scripts/system-packages or scripts/system-packages test, not 'tests'\n"
    assert (done.returncode, done.stderr) == (1, says)
