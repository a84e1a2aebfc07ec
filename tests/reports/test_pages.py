"""The pages of a design and of a fused array, in a real browser; the browser's own absence."""

from __future__ import annotations

import json
from pathlib import Path

import browser
import pytest
from browser import LOOKS, faults_in
from typer.testing import CliRunner

from brickwork.cli import app

FUSED = """\
name: small
members:
  - nest: gemm:m=5,n=4,k=3
    dataflow: {name: outputs, space: {m: 2, n: 2}, skew: [1, 1]}
  - nest: gemm:m=5,n=4,k=3
    dataflow: {name: weights, space: {k: 2, n: 2}, skew: [1, 1], order: [n, k, m]}
"""


def run(*arguments: str) -> dict[str, str]:
    ran = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert ran.exit_code == 0, ran.stderr
    facts: dict[str, str] = json.loads(ran.stdout)
    return facts


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """HTML of a simulated design and of a fused array."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "small.yaml").write_text(FUSED)
    facts = run("report", "gemm:m=6,n=6,k=3", "--space", "m=4,n=4", "--simulator", "icarus", "-o", str(folder))
    run("fuse", str(folder / "small.yaml"), "-o", str(folder))
    return {"design": Path(facts["report"]).read_text(), "fused": (folder / "small_fused.html").read_text()}


@pytest.mark.parametrize("name", ["design", "fused"])
@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_in_a_browser(pages: dict[str, str], tmp_path: Path, name: str, width: int, scheme: str) -> None:
    assert faults_in(pages[name], tmp_path, width, scheme) == []


BAD = """<!doctype html><html><body style="background: #fff; color: #aaa"><main style="width: 2000px">
<section class="card"><h2 style="color: #000">Panel</h2></section><p>pale</p>
<section class="card" style="width: 200px"><svg class="chart" width="200" height="40">
<text y="20">here</text><text x="5" y="22">there</text><text x="190" y="20">beyond</text></svg></section>
</main><script>console.error("broken")</script></body></html>
"""


def test_faults_are_seen(tmp_path: Path) -> None:
    found = faults_in(BAD, tmp_path, 390, "light")
    assert found[:5] == [
        "scrolls sideways",
        "contrast 2.32: pale",
        "overlap: here and there",
        "clipped: beyond",
        "empty: Panel",
    ]
    assert len(found) == 6 and "broken" in found[5]


def test_without_a_browser_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    with pytest.raises(pytest.fail.Exception) as caught:
        browser.browser()
    assert str(caught.value) == (
        "tests of pages need a browser, one of chromium, chromium-browser, google-chrome; install Debian's package "
        "'chromium' with 'scripts/system-packages test' or 'make setup-dev'"
    )
