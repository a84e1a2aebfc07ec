"""A real browser for the tests of pages: without a network, at the width of a phone or a screen, in light or dark."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

LOOKS = [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]
_NAMES = ("chromium", "chromium-browser", "google-chrome")

# What holds of every page: nothing scrolls sideways, text stands out from what is behind it, and labels and panels are
# readable. Text with a contrast of 4.5 is what WCAG 2.2 (1.4.3) asks for.
_LOOKS = """
const faults = [], see = (what, holds) => { if (!holds) faults.push(what); };
const rgb = text => {
  const parts = text.match(/[\\d.]+(?:e-?\\d+)?/g).map(Number), unit = text.startsWith("color(srgb") ? 255 : 1;
  return [...parts.slice(0, 3).map(part => part * unit), parts.length > 3 ? parts[3] : 1];
};
const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
const behind = element => {
  for (let at = element; at; at = at.parentElement) {
    const found = rgb(getComputedStyle(at).backgroundColor);
    if (found[3] === 1) return found;
  }
  return rgb("rgb(255, 255, 255)");
};
function looks() {
  see("scrolls sideways", document.documentElement.scrollWidth <= innerWidth);
  for (const element of document.querySelectorAll("main *")) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())) continue;
    if (element.closest(".plot, script, template, style, option") || !element.getClientRects().length) continue;
    const style = getComputedStyle(element), svg = element instanceof SVGElement;
    const [a, b] = [light(rgb(svg ? style.fill : style.color)), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    see(`contrast ${contrast.toFixed(2)}: ${element.textContent.trim().slice(0, 40)}`, contrast >= 4.5);
  }
  for (const chart of document.querySelectorAll("svg.chart")) {
    const texts = [...chart.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
    const frame = chart.closest(".card").getBoundingClientRect();
    texts.forEach(([text, box], n) => {
      see(`clipped: ${text}`, box.left >= frame.left && box.right <= frame.right);
      for (const [other, its] of texts.slice(n + 1)) {
        const across = Math.min(box.right, its.right) - Math.max(box.left, its.left);
        const down = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top);
        see(`overlap: ${text} and ${other}`, across < 1 || down < 3);
      }
    });
  }
  for (const card of document.querySelectorAll(".card")) {
    const text = card.textContent.trim();
    see(`empty: ${text}`, card.querySelector("svg") || text !== card.querySelector("h2")?.textContent.trim());
  }
}
"""


def browser() -> str:
    """The browser's command; without one the test fails and says what to install."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.fail(
            f"tests of pages need a browser, one of {', '.join(_NAMES)}; install Debian's package 'chromium' with "
            "'scripts/system-packages test' or 'make setup-dev'",
            pytrace=False,
        )
    return found


def faults_in(html: str, folder: Path, width: int, scheme: str, steps: str = "") -> list[str]:
    """What is wrong with a page as a browser shows it, messages on its console included.

    Parameters
    ----------
    width
        Of the window, in pixels.
    scheme
        ``light`` or ``dark``.
    steps
        JavaScript that acts as a person would and calls ``see(what, holds)``.
    """
    script = f"<script>{_LOOKS}\ntry {{ looks();\n{steps}\nlooks(); }} catch (error) {{ faults.push(String(error)); }}"
    ending = "document.title = JSON.stringify({ faults: [...new Set(faults)], width: innerWidth });</script></body>"
    page, frame = folder / "page.html", folder / "frame.html"
    page.write_text(html.replace("</body>", script + ending), encoding="utf-8")
    # A headless window is at least 500 wide; a frame is as narrow as it is told.
    frame.write_text(
        f'<iframe src="page.html" width="{width}" height="900"></iframe><pre></pre><script>onload = () => '
        'document.querySelector("pre").textContent = "found " + document.querySelector("iframe").contentDocument.title'
        "</script>"
    )
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr"]
    offline = ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}"]
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    options = ["--dump-dom", "--allow-file-access-from-files", "--window-size=1400,1000"]
    command = [browser(), *flags, *offline, *dark, *options, frame.as_uri()]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r"found (\{.*?\})</pre>", seen.stdout, re.DOTALL)
    assert found is not None, seen.stdout[-500:]
    told: dict[str, Any] = json.loads(found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert told["width"] == width
    return [*told["faults"], *(line for line in seen.stderr.splitlines() if "CONSOLE" in line)]
