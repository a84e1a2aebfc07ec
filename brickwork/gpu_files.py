"""The GPU measurements of a command: files that the user gives, else those that come with Brickwork."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.compare_gpu import GpuMeasurements, read_gpu, shipped_files


@dataclass(frozen=True, slots=True)
class ChosenGpu:
    """Measurements, and in words where they come from."""

    measurements: GpuMeasurements
    names: list[str]
    note: str


def gpu_of(given: Sequence[Path] | None) -> ChosenGpu:
    """Read the files of ``--gpu``; those that come with Brickwork where there are none.

    Raises
    ------
    GpuFileError
    """
    paths = tuple(given or ()) or shipped_files()
    measured = read_gpu(*paths)
    names = [str(path) if given else path.name for path in paths]
    whose = "from" if given else "that come with Brickwork, as --gpu names none:"
    return ChosenGpu(measured, names, f"GPU measurements {whose} {', '.join(names)} ({measured.gpu})")
