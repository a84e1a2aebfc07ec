"""The steps from a fusion file to one simulated array for all its dataflows, as functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from brickwork.files import write_all
from brickwork.steps import ChoiceError, architecture, check_banks, checked_dataflow, inputs_for
from dataflow import Architecture, Fusion
from dataflow import fuse as fuse_architectures
from hw.accelerator import Accelerator, design_of
from hw.accelerator import generate as generate_accelerator
from hw.program import runs
from sim import Job, Result, simulate_all
from sim.runner import Progress
from workloads.errors import BrickworkError
from workloads.fusion_spec import FusionSpec, load_fusion


@dataclass(frozen=True)
class Fused:
    """One design for several dataflows.

    Attributes
    ----------
    predicted_cycles : tuple of int
        By dataflow, of all runs of its nest, as the model counts them.
    alone_register_bits : tuple of int
        By dataflow, registers of a design for it alone, counted on the netlist as the last pass leaves it.
    """

    spec: FusionSpec
    fusion: Fusion
    accelerator: Accelerator
    predicted_cycles: tuple[int, ...]
    alone_register_bits: tuple[int, ...]

    @property
    def utilizations(self) -> tuple[float, ...]:
        """By dataflow, points of its nest over cycles times functional units."""
        units = self.accelerator.manifest["units"]
        members = zip(self.spec.members, self.predicted_cycles, strict=True)
        return tuple(member.nest.points / (cycles * units) for member, cycles in members)

    @property
    def register_bits(self) -> int:
        """Registers of the design, counted in the same way."""
        return self.accelerator.design.netlist.statistics[-1].register_bits


@dataclass(frozen=True)
class FusedRun:
    """What a simulation of every dataflow gave.

    Attributes
    ----------
    results, again : tuple of Result
        By dataflow in the order of the file: of the way forward, and of the way back, from the last dataflow to the
        first, which follows in the same simulation without a reset.
    """

    results: tuple[Result, ...]
    again: tuple[Result, ...]

    @property
    def matches(self) -> bool:
        """Outputs agree bit for bit and cycles exactly, both times."""
        return all(result.matches for result in (*self.results, *self.again))


@dataclass(frozen=True)
class FusedFiles:
    """Where a fused design was written."""

    verilog: Path
    manifest: Path
    drawing: Path
    unit: Path
    page: Path


def fuse(spec: FusionSpec | str | Path) -> Fused:
    """Generate one design that serves every dataflow of a fusion file.

    Raises
    ------
    SpecError
        Lists every fault of the file.
    ChoiceError
        Lists every dataflow that does not fit its nest, and every array or bank that is too large.
    DataflowError
        The dataflows cannot share an array.
    """
    given = spec if isinstance(spec, FusionSpec) else load_fusion(spec)
    parts = _architectures(given)
    # With a word behind it, no name is one that Verilog keeps for itself, such as small.
    fusion = fuse_architectures(parts, name=f"{given.name}_fused")
    alone = tuple(design_of(part).netlist.statistics[-1].register_bits for part in parts)
    accelerator = generate_accelerator(fusion.architecture)
    cycles = tuple(
        sum(run.predicted_cycles for run in runs(accelerator, m.nest, m.dataflow.name)) for m in given.members
    )
    return Fused(given, fusion, accelerator, cycles, alone)


def _architectures(spec: FusionSpec) -> list[Architecture]:
    parts: list[Architecture] = []
    faults: list[str] = []
    for member in spec.members:
        try:
            part = architecture(member.nest, checked_dataflow(member.nest, member.dataflow))
            check_banks(part)
            parts.append(part)
        except BrickworkError as error:
            faults += str(error).splitlines()
    if faults:
        raise ChoiceError("\n".join(faults))
    return parts


def simulate_fused(
    fused: Fused,
    *,
    simulator: str = "verilator",
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> FusedRun:
    """Run every dataflow, then every one again from the last to the first, in one simulation without a reset.

    Parameters
    ----------
    seed
        Of the random inputs; every run has a seed of its own, counted up from this one.

    Raises
    ------
    ChoiceError
        The seed is negative.
    SimulationError
        The simulator rejects the design or stops.
    """
    jobs = _jobs(fused.spec, seed)
    done = simulate_all(fused.accelerator, jobs, simulator=simulator, cache=cache, progress=progress)
    count = len(fused.spec.members)
    return FusedRun(done[:count], done[count:][::-1])


def _jobs(spec: FusionSpec, seed: int) -> Sequence[Job]:
    way = (*spec.members, *reversed(spec.members))
    return [Job(m.nest, inputs_for(m.nest, None, seed + k), m.dataflow.name) for k, m in enumerate(way)]


def save_fused(fused: Fused, folder: Path, ran: FusedRun | None = None) -> FusedFiles:
    """Write Verilog, manifest, drawings and a page, with what a simulation gave; all of them or none."""
    from reports.fused_drawing import draw_fused
    from reports.fused_page import fused_page
    from reports.unit_drawing import draw_unit

    accelerator, fusion = fused.accelerator, fused.fusion
    suffixes = (".v", ".json", ".svg", "_unit.svg", ".html")
    files = FusedFiles(*(folder / f"{accelerator.name}{suffix}" for suffix in suffixes))
    rounds = () if ran is None else (ran.results, ran.again)
    write_all(
        {
            files.verilog: accelerator.verilog.encode(),
            files.manifest: (json.dumps(accelerator.manifest, indent=1) + "\n").encode(),
            files.drawing: draw_fused(fusion.architecture).encode(),
            files.unit: draw_unit(accelerator.design).encode(),
            files.page: fused_page(accelerator, fusion, fused.alone_register_bits, rounds).encode(),
        }
    )
    return files
