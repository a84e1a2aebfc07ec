"""Run every benchmark, print the table beside the targets, write benchmarks/results.json."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
BENCHMARKS = (
    "generation_time",
    "generation_scale",
    "simulation_speed",
    "gpu_contraction",
    "gpu_four_bit",
    "fused_area",
    "four_bit_hardware",
    "four_bit_hardware large",
    "svdquant_hardware",
    "output_quantizers",
    "energy_calibration",
    "ablation",
    "broadcasts",
    "mapper",
    "exploration",
    "studies",
)


def main() -> None:
    found = []
    for name in sys.argv[1:] or BENCHMARKS:
        print(f"running {name}", file=sys.stderr, flush=True)
        done = subprocess.run(
            [sys.executable, "-m", *f"benchmarks.{name}".split()],
            cwd=HERE.parent,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        found += json.loads(done.stdout)
    if not sys.argv[1:]:
        (HERE / "results.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    table = Table()
    for heading in ("name", "value", "unit", "target", "met"):
        table.add_column(heading)
    for row in found:
        target = row["target"]
        met = "" if target is None else "yes" if _met(row) else "no"
        table.add_row(row["name"], f"{row['value']:,}", row["unit"], "" if target is None else f"{target:,}", met)
    Console(width=150).print(table)


def _met(row: dict) -> bool:
    return row["value"] >= row["target"] if row["better"] == "higher" else row["value"] <= row["target"]


if __name__ == "__main__":
    main()
