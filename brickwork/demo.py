"""The demonstration: two real workloads from spec to verified Verilog and a page each."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from brickwork import console
from brickwork.options import chosen_dataflow
from brickwork.steps import generate, inputs_for, load, report, save

# A ResNet-50 convolution (He et al., CVPR 2016, conv2_x), its rows in tiles that the banks hold, and a matrix product.
DESIGNS = (
    ("conv2d:oc=64,ic=64,h=56,w=56,kh=3,kw=3,padding=1", "ic=16,oc=16", "1,1", "n,oc,ic,kh,kw,oh,ow", "oh=14"),
    ("gemm:m=128,n=128,k=128", "m=16,n=16", "1,1", None, None),
)


def run_demo(folder: Path) -> list[dict[str, Any]]:
    """Generate, simulate and report each design."""
    from sim import simulate

    rows = []
    for spec, space, skew, order, tile in DESIGNS:
        given = load(spec)
        began = time.perf_counter()
        accelerator = generate(given.nest, chosen_dataflow(given, None, space, skew, order, tile))
        generated = time.perf_counter() - began
        files = save(accelerator, folder)
        with console.progress(accelerator.name) as say:
            result = simulate(accelerator, given.nest, inputs_for(given.nest, None, 0), progress=say)
        page = folder / f"{accelerator.name}.html"
        report(accelerator, given.nest, result, page)
        rows.append(
            {
                "name": accelerator.name,
                "spec": spec,
                "match": result.matches,
                "predicted_cycles": result.predicted_cycles,
                "simulated_cycles": result.simulated_cycles,
                "macs": result.macs,
                "utilization": result.utilization,
                "generate_seconds": round(generated, 2),
                "build_seconds": round(result.build_seconds, 2),
                "run_seconds": round(result.run_seconds, 2),
                "verilog": str(files.verilog),
                "manifest": str(files.manifest),
                "drawing": str(files.drawing),
                "report": str(page),
            }
        )
    return rows


def print_demo(rows: list[dict[str, Any]]) -> None:
    """A table that fits 80 columns, and where everything is."""
    title = "16 x 16 functional units, every cycle simulated"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, collapse_padding=True)
    for heading in ("design", "outputs", "cycles", "model", "in use", "generate", "build", "run"):
        table.add_column(heading, justify="left" if heading in ("design", "outputs") else "right", no_wrap=True)
    for row in rows:
        table.add_row(
            row["name"],
            "[green]match[/green]" if row["match"] else "[red]differ[/red]",
            f"{row['simulated_cycles']:,}",
            f"{row['predicted_cycles']:,}",
            f"{row['utilization']:.1%}",
            f"{row['generate_seconds']:.1f} s",
            f"{row['build_seconds']:.1f} s",
            f"{row['run_seconds']:.1f} s",
        )
    console.out.print(table)
    for row in rows:
        for key in ("verilog", "manifest", "drawing", "report"):
            console.out.print(f"  {row[key]}", markup=False)
