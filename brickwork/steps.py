"""The steps from a spec to a report, as functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brickwork.files import write_all
from dataflow import Architecture, Dataflow, build
from hw.accelerator import Accelerator
from hw.accelerator import generate as generate_accelerator
from workloads.dataflow_spec import DataflowSpec
from workloads.errors import BrickworkError
from workloads.nest import Nest
from workloads.spec import Spec
from workloads.spec import load as load_spec

Array = npt.NDArray[np.generic]


class ChoiceError(BrickworkError):
    """An option that does not fit the spec."""


@dataclass(frozen=True)
class Generated:
    """A design with the files that hold it."""

    accelerator: Accelerator
    verilog: Path
    manifest: Path
    drawing: Path


def load(spec: str | Path) -> Spec:
    """Read a library name (``gemm:m=64``) or a spec file.

    Raises
    ------
    SpecError
        Lists every fault of the spec.
    """
    return load_spec(spec)


def choose_dataflow(spec: Spec, name: str | None = None) -> Dataflow:
    """The spec's dataflow of this name, or its first one.

    Raises
    ------
    ChoiceError
        The spec has no dataflow, or none of this name.
    DataflowError
        The dataflow does not fit the nest; lists every fault.
    """
    if not spec.dataflows:
        raise ChoiceError(
            f"spec {spec.nest.name!r} has no dataflow; give one under 'dataflow:' or with --space, "
            f"for example --space {spec.nest.loop_names[0]}=16"
        )
    names = [d.name for d in spec.dataflows]
    if name is not None and name not in names:
        raise ChoiceError(f"spec {spec.nest.name!r} has no dataflow {name!r}; expected one of {', '.join(names)}")
    return dataflow_of(spec.nest, spec.dataflows[names.index(name) if name else 0])


def dataflow_of(nest: Nest, given: DataflowSpec) -> Dataflow:
    """The dataflow that a spec describes, checked against its nest."""
    return Dataflow.of(
        nest, dict(given.space), skew=given.skew, order=given.order, tile=dict(given.tile), name=given.name
    )


def architecture(nest: Nest, dataflow: Dataflow, limits: Mapping[str, int] | None = None) -> Architecture:
    """Derive links, ports and banks.

    Parameters
    ----------
    limits
        Largest extents that the design must be able to run; the nest's own when left out.
    """
    return build(nest, dataflow, limits=limits)


def generate(
    nest: Nest, dataflow: Dataflow, *, limits: Mapping[str, int] | None = None, folder: Path | None = None
) -> Accelerator:
    """Generate Verilog and manifest; written into ``folder`` when given."""
    accelerator = generate_accelerator(architecture(nest, dataflow, limits))
    if folder is not None:
        save(accelerator, folder)
    return accelerator


def save(accelerator: Accelerator, folder: Path) -> Generated:
    """Write Verilog, manifest and drawing; all of them or none."""
    from reports.drawing import draw_array

    verilog, manifest, drawing = (folder / f"{accelerator.name}.{suffix}" for suffix in ("v", "json", "svg"))
    write_all(
        {
            verilog: accelerator.verilog.encode(),
            manifest: (json.dumps(accelerator.manifest, indent=1) + "\n").encode(),
            drawing: draw_array(accelerator.architecture.plans[0]).encode(),
        }
    )
    return Generated(accelerator, verilog, manifest, drawing)


def inputs_for(nest: Nest, path: Path | None, seed: int) -> dict[str, Array]:
    """Tensors from an .npz file, or seeded random ones over the formats' full range.

    Raises
    ------
    ChoiceError
        The file cannot be read.
    """
    from workloads.interpreter import random_inputs

    if path is None:
        return {name: np.asarray(value) for name, value in random_inputs(nest, seed).items()}
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise ChoiceError(f"--inputs {path}: there is no such file") from None
    except (OSError, ValueError, AttributeError):
        raise ChoiceError(f"--inputs {path}: expected an .npz archive of arrays, as numpy.savez writes it") from None
