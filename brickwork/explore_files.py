"""The files that an exploration leaves: results as JSON and CSV, and the page."""

from __future__ import annotations

import json
from pathlib import Path

from brickwork.files import check_writable, write_all
from reports.compare_gpu import GpuMeasurements
from reports.exploration.results import Results

RESULTS, CSV, PAGE = "results.json", "results.csv", "study.html"


def check_places(folder: Path) -> None:
    """Refuse a folder that cannot hold the files, before any work is done for them.

    Raises
    ------
    OutputError
    """
    for name in (RESULTS, CSV, PAGE):
        check_writable(folder / name)


def write_results(results: Results, folder: Path, gpu: GpuMeasurements | None) -> None:
    """Write results.json, results.csv and study.html, all or none.

    Raises
    ------
    OutputError
    """
    from reports.study_page import study_page
    from reports.study_page.results import stored_results

    facts = results.facts
    stored = stored_results(facts)
    write_all(
        {
            folder / RESULTS: (json.dumps(facts, indent=1) + "\n").encode(),
            folder / CSV: results.csv.encode(),
            folder / PAGE: study_page(stored.header, stored.outcomes, gpu).encode(),
        }
    )
