"""Errors of drawn layers in the schemes and variants of SVDQuant, or of the layer in an .npz file.

Run ``python benchmarks/svdquant_errors.py [FILE]``; about a minute on one core at the default size.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from workloads.svdquant import Comparison, compare
from workloads.svdquant.compare import VARIANTS
from workloads.svdquant.tensors import KINDS, drawn_layer, read_layer


def table(found: dict[str, Comparison], scheme: str) -> str:
    """Output errors, a layer a row."""
    lines = [f"| {scheme}, output error | {' | '.join(VARIANTS)} |", "|---" * (1 + len(VARIANTS)) + "|"]
    for name, comparison in found.items():
        cells = [f"{100 * comparison.row(scheme, variant).output_error:.2f} %" for variant in VARIANTS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--size", type=int, default=512, help="outputs and inputs of a drawn layer")
    parser.add_argument("--rank", type=int, default=32)
    given = parser.parse_args()
    if given.file:
        print(compare(read_layer(given.file), rank=given.rank))
        return
    found = {kind: compare(drawn_layer(kind, given.size, given.size, 256), rank=given.rank) for kind in KINDS}
    for scheme in ("nvfp4", "int4_g64"):
        print(table(found, scheme), end="\n\n")


if __name__ == "__main__":
    main()
