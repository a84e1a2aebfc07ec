"""Run the shell commands of a document, so that what it shows is true.

A block that starts with ```sh runs, in order, unless the line above it is ``<!-- not in ci: reason -->``.
Lines that fetch or enter a clone, or run the tests, are left out: continuous integration has done both by then.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(r"^(?P<above>[^\n]*)\n```sh\n(?P<body>.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
ALREADY_DONE = re.compile(r"^(?:git clone .*|cd .*|make test)\n", re.MULTILINE)


def shell_blocks(text: str) -> tuple[str, ...]:
    """Bodies of the blocks to run."""
    found = BLOCK.finditer("\n" + text)
    bodies = (match["body"] for match in found if not match["above"].startswith("<!-- not in ci:"))
    return tuple(left for body in bodies if (left := ALREADY_DONE.sub("", body)))


def main(path: str) -> int:
    """Run every block of the document at ``path``; 1 when there is none, its exit status when one fails."""
    blocks = shell_blocks(Path(path).read_text(encoding="utf-8"))
    if not blocks:
        print(f"{path}: no block that starts with ```sh", file=sys.stderr)
        return 1
    bin_folder = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    for body in blocks:
        print(body, end="", flush=True)
        status = subprocess.run(["bash", "-euxo", "pipefail", "-c", body], env=environment, check=False).returncode
        if status:
            print(f"{path}: exit status {status} from:\n{body}", file=sys.stderr)
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
