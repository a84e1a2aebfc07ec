"""The verb ``fuse``: one array for several dataflows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from brickwork import console
from brickwork.arguments import HERE, SIMULATORS, FolderOption, JsonOption, SeedOption, SimulatorOption
from brickwork.files import check_writable
from brickwork.fusion_steps import Fused, FusedFiles, FusedRun, fuse, save_fused, simulate_fused
from brickwork.steps import ChoiceError
from workloads.fusion_spec import load_fusion


def fuse_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a file with the nests and their dataflows")],
    folder: FolderOption = HERE,
    simulated: Annotated[
        bool, typer.Option("--simulate", help="run every dataflow in one simulation, forward and back")
    ] = False,
    simulator: SimulatorOption = "verilator",
    seed: SeedOption = 0,
    json_: JsonOption = False,
) -> None:
    """One array that serves several dataflows, chosen jointly: Verilog, manifest, drawings and a page.

    With --simulate all dataflows run in one simulation without a reset, in the order of the file and then back, each
    compared with the definition. Exit code 1 where outputs or cycles differ.

    Example: `brickwork fuse examples/fused.yaml --simulate -o out`
    """
    with console.user_errors():
        began = time.perf_counter()
        if simulator not in SIMULATORS:
            raise ChoiceError(f"--simulator: expected one of {', '.join(SIMULATORS)}, not {simulator!r}")
        if seed < 0:
            raise ChoiceError(f"--seed: expected 0 or more, not {seed}")
        spec = load_fusion(file)
        check_writable(folder / f"{spec.name}_fused.v")
        with console.progress("fuse") as say:
            say("choose links and generate", 0.0)
            fused = fuse(spec)
            generated = time.perf_counter()
            ran = simulate_fused(fused, simulator=simulator, seed=seed, progress=say) if simulated else None
            files = save_fused(fused, folder, ran)
        seconds = {"generate": generated - began, "all": time.perf_counter() - began}
        facts = _facts(fused, ran, files, seconds)
        if json_:
            console.print_json(facts)
        else:
            _print(facts)
        if ran is not None and not ran.matches:
            raise typer.Exit(1)


def _facts(fused: Fused, ran: FusedRun | None, files: FusedFiles, seconds: dict[str, float]) -> dict[str, Any]:
    from reports.fused_links import RESULT, links_of, slots_of

    plans = fused.fusion.architecture.plans
    names = {feed.slot: feed.operand for plan in plans for feed in plan.feeds} | {RESULT: plans[0].drain.operand}
    rows = []
    for number, (plan, member) in enumerate(zip(plans, fused.spec.members, strict=True)):
        links = links_of(plan)
        results = [] if ran is None else [ran.results[number], ran.again[number]]
        rows.append(
            {
                "dataflow": plan.dataflow.name,
                "nest": member.nest.name,
                "space": dict(plan.dataflow.space),
                "links": {names[slot]: sum(link.slot == slot for link in links) for slot in (*slots_of(plans), RESULT)},
                "predicted_cycles": fused.predicted_cycles[number],
                "simulated_cycles": [result.simulated_cycles for result in results],
                "match": all(result.matches for result in results) if results else None,
                "utilization": fused.utilizations[number],
                "faults": [fault for result in results for fault in result.faults],
                "register_bits_alone": fused.alone_register_bits[number],
            }
        )
    return {
        "name": fused.accelerator.name,
        "dataflows": rows,
        "cost": fused.fusion.cost,
        "heuristic_cost": fused.fusion.heuristic_cost,
        "register_bits": fused.register_bits,
        "match": None if ran is None else ran.matches,
        "simulator": None if ran is None else ran.results[0].simulator,
        "generate_seconds": round(seconds["generate"], 3),
        "build_seconds": None if ran is None else round(ran.results[0].build_seconds, 3),
        "run_seconds": None if ran is None else round(sum(r.run_seconds for r in (*ran.results, *ran.again)), 3),
        "seconds": round(seconds["all"], 3),
        "verilog": str(files.verilog),
        "manifest": str(files.manifest),
        "drawing": str(files.drawing),
        "unit": str(files.unit),
        "page": str(files.page),
    }


def _print(facts: dict[str, Any]) -> None:
    rows, simulated = facts["dataflows"], facts["simulator"] is not None
    slots = list(rows[0]["links"])
    lines = [["dataflow", "nest", "space", *(f"links {slot}" for slot in slots), "model"]]
    lines[0] += ["simulated", "outputs"] if simulated else []
    for row in rows:
        line = [row["dataflow"], row["nest"], ",".join(f"{loop}={size}" for loop, size in row["space"].items())]
        line += [f"{row['links'][slot]:,}" if row["links"][slot] else "-" for slot in slots]
        line.append(f"{row['predicted_cycles']:,}")
        if simulated:
            # Both ways, where they differ.
            line.append(" and ".join(f"{cycles:,}" for cycles in dict.fromkeys(row["simulated_cycles"])))
            line.append("match" if row["match"] else "DIFFER")
        lines.append(line)
    console.out.print(f"{facts['name']}: links by operand, cycles", markup=False)
    # Not rich's tables: they cut numbers short where the terminal is narrow.
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            f"{cell:<{width}}" if k in (0, 1, 2, len(slots) + 5) else f"{cell:>{width}}"
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        console.out.print("  " + "  ".join(cells).rstrip(), markup=False)
    for row in rows:
        for fault in row["faults"]:
            console.out.print(f"  {row['dataflow']}: {fault}", markup=False)
    cost, other = facts["cost"], facts["heuristic_cost"]
    console.out.print(
        f"links, ports and banks: {cost:,.0f} register bits' worth, chosen jointly; heuristic {other:,.0f} "
        f"({other / cost:.2f} times)",
        markup=False,
    )
    largest = max(rows, key=lambda row: row["register_bits_alone"])
    alone = largest["register_bits_alone"]
    console.out.print(
        f"registers: {facts['register_bits']:,} bits; {largest['dataflow']} alone, the largest, {alone:,} "
        f"({facts['register_bits'] / alone:.2f} times)",
        markup=False,
    )
    times = f"generated in {facts['generate_seconds']:.1f} s"
    if simulated:
        times += f"; {facts['simulator']}: built in {facts['build_seconds']:.1f} s, ran in {facts['run_seconds']:.1f} s"
    console.out.print(times, markup=False)
    for key in ("verilog", "manifest", "drawing", "unit", "page"):
        console.out.print(f"  {key:<9} {facts[key]}", markup=False)
