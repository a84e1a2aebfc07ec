"""What an exploration found, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from brickwork import console
from brickwork.explore_files import CSV, PAGE, RESULTS
from reports.exploration.brief import brief_names
from reports.exploration.outcome import PointOutcome
from reports.exploration.results import Results

_ROWS = 20


def results_table(results: Results, folder: Path, seconds: float) -> Mapping[str, Any]:
    """What ``--json`` prints; everything else is in the results file."""
    return {
        "points": len(results.outcomes),
        "failed": _failed(results),
        "best": results.ranked[0].point.key if results.ranked else None,
        "pareto": [
            {
                "key": outcome.point.key,
                "design": str(outcome.point),
                "time_s": outcome.time_s,
                "energy_j": outcome.energy_j,
                "area_mm2": outcome.area_mm2,
                "utilization": outcome.utilization,
            }
            for outcome in results.front
        ],
        "verified": [
            {"design": outcome.point.key, "nest": check.nest, "passed": check.passed}
            for outcome in results.outcomes
            for check in outcome.verifications
        ],
        "store": str(folder / "store"),
        "results": str(folder / RESULTS),
        "report": str(folder / PAGE),
        "seconds": round(seconds, 3),
    }


def _failed(results: Results) -> int:
    return sum(outcome.failure is not None for outcome in results.outcomes)


def print_results(results: Results, folder: Path) -> None:
    """The front, the best against each baseline, what was simulated, and where everything is."""
    say, study = console.out.print, results.study
    failed = _failed(results)
    excluded = len(results.outcomes) - len(results.ranked) - failed
    say(
        f"{study.name}: {len(results.outcomes)} points, {failed} failed, {excluded} excluded by constraints; "
        f"{len(results.front)} on the Pareto front",
        markup=False,
    )
    if study.question:
        say(study.question, markup=False, style="italic")
    if not results.ranked:
        for outcome in results.outcomes[:_ROWS]:
            say(f"  {outcome.point}: {'; '.join(study.broken(outcome))}", markup=False)
    else:
        say(_table(results))
        best = results.ranked[0]
        say(f"best by {study.objective}: {best.point}", markup=False)
        for name, each in results.comparisons:
            say(
                f"  against {name}: {each.speed:.2f} times the speed, {each.energy:.2f} times less energy "
                "(geometric means over the workloads)",
                markup=False,
            )
        for end in results.stability:
            moved = f"{len(end.stays)} of {len(results.front)} stay, {len(end.enters)} join"
            say(f"  front with every energy at the {end.band} end of its band: {moved}", markup=False)
        for outcome in results.ranked:
            for check in outcome.verifications:
                verdict = "[green]match[/green]" if check.passed else "[red]MISMATCH[/red]"
                say(f"  simulated {check.nest} on {check.dataflow}: {verdict}, {check.simulated_cycles:,} cycles")
    say(f"written to {folder / RESULTS}, {CSV} and {PAGE}: open the page in a browser", markup=False)


def _table(results: Results) -> Table:
    shown = results.front[:_ROWS]
    names, shared = brief_names([outcome.point for outcome in shown])
    title = f"Pareto front, fastest first{f'; all {shared}' if shared else ''}"
    table = Table(box=None, title=title, title_justify="left")
    for heading in ("design", "time ms", "energy mJ", "power W", "area mm2", "use", "rank"):
        table.add_column(heading, justify="left" if heading == "design" else "right", overflow="fold")
    ranks = {outcome.point: rank for rank, outcome in enumerate(results.ranked, 1)}
    for name, outcome in zip(names, shown, strict=True):
        table.add_row(name, *_cells(outcome), str(ranks[outcome.point]))
    return table


def _cells(outcome: PointOutcome) -> tuple[str, ...]:
    return (
        f"{outcome.time_s * 1e3:,.3f}",
        f"{outcome.energy_j * 1e3:,.3f}",
        f"{outcome.energy_j / outcome.time_s:.3f}",
        "" if outcome.area_mm2 is None else f"{outcome.area_mm2:.3f}",
        f"{outcome.utilization:.1%}",
    )
