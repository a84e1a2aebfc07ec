"""The steps from a spec to a report, as functions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from brickwork.files import write_all
from dataflow import Architecture, Dataflow, build
from hw.accelerator import Accelerator, passes_with
from hw.accelerator import generate as generate_accelerator
from hw.generators import generator
from hw.host import HOST_ADDRESS_BITS
from hw.passes.broadcasts import FAN_OUT_LIMIT
from hw.post.stage import quantize_to
from sim import Result
from workloads.dataflow_spec import DataflowSpec
from workloads.errors import BrickworkError
from workloads.nest import MOST_EXTENT, Nest
from workloads.spec import Spec
from workloads.spec import load as load_spec

Array = npt.NDArray[np.generic]

# Beyond these, generating takes hours or all memory; the user is told before it begins.
MOST_UNITS = 1 << 14
MOST_BANK_WORDS = 1 << HOST_ADDRESS_BITS


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


def dataflow_of(spec: Spec, name: str | None = None) -> Dataflow:
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
    return checked_dataflow(spec.nest, spec.dataflows[names.index(name) if name else 0])


def checked_dataflow(nest: Nest, given: DataflowSpec) -> Dataflow:
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

    Raises
    ------
    ChoiceError
        The array, or a bank, is larger than can be built.
    """
    units = prod(dataflow.shape)
    if units > MOST_UNITS:
        raise ChoiceError(
            f"dataflow {dataflow.name!r}: an array of {' x '.join(map(str, dataflow.shape))} has {units} functional "
            f"units; at most {MOST_UNITS} are allowed"
        )
    for loop, extent in (limits or {}).items():
        if not 1 <= extent <= MOST_EXTENT:
            raise ChoiceError(f"limit of loop {loop!r}: expected 1 to {MOST_EXTENT}, not {extent}")
    return build(nest, dataflow, limits=limits)


def check_banks(built: Architecture) -> None:
    """Refuse banks that hold more words than the host port can address.

    Raises
    ------
    ChoiceError
        Names every tensor whose banks are too large.
    """
    plan = built.plans[0]
    faults = []
    for banking, access in ((plan.drain.banking, plan.drain.access), *((f.banking, f.access) for f in plan.feeds)):
        words = generator(access.tensor, 0, plan, access, banking, ranged=()).depth
        if words > MOST_BANK_WORDS:
            faults.append(
                f"dataflow {plan.dataflow.name!r}: tensor {access.tensor!r} needs {words} words in each of its banks; "
                f"at most {MOST_BANK_WORDS} are allowed; hold less of it at a time with 'tile' (--tile)"
            )
    if faults:
        raise ChoiceError("\n".join(dict.fromkeys(faults)))


def generate(
    nest: Nest,
    dataflow: Dataflow,
    *,
    limits: Mapping[str, int] | None = None,
    fan_out_limit: int = FAN_OUT_LIMIT,
    output_format: str | None = None,
    quantizers: int | None = None,
    folder: Path | None = None,
) -> Accelerator:
    """Generate Verilog and manifest; written into ``folder`` when given.

    Parameters
    ----------
    output_format
        Block format, such as nvfp4, that results are quantized to before the host reads them.
    quantizers
        How many work at the same time; one for each group of output banks when left out.

    Raises
    ------
    PostError
        No quantizer makes the format, or not of this output.
    ChoiceError
        There are quantizers but no format.
    """
    if output_format is None and quantizers is not None:
        raise ChoiceError("quantizers: expected an output format (--output-format) that they make")
    stage = None if output_format is None else quantize_to(output_format, quantizers)
    passes = passes_with(fan_out_limit=fan_out_limit)
    built = architecture(nest, dataflow, limits)
    check_banks(built)
    accelerator = generate_accelerator(built, passes=passes, stage=stage)
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
        if seed < 0:
            raise ChoiceError(f"--seed: expected 0 or more, not {seed}")
        return {name: np.asarray(value) for name, value in random_inputs(nest, seed).items()}
    form = ChoiceError(f"--inputs {path}: expected an .npz archive of arrays, as numpy.savez writes it")
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise form
        with archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise ChoiceError(f"--inputs {path}: there is no such file") from None
    except PermissionError:
        raise ChoiceError(f"--inputs {path}: the file may not be read") from None
    except (OSError, ValueError, AttributeError, EOFError, BadZipFile):
        raise form from None


def report(accelerator: Accelerator, nest: Nest, result: Result, path: Path | None = None) -> str:
    """The HTML page of a simulated design; also written to ``path`` when given."""
    from reports.page import design_page

    page = design_page(accelerator, nest, result)
    if path is not None:
        write_all({path: page.encode()})
    return page


def bench(kernels: Sequence[str] = (), out: Path = Path("gpu.json")) -> dict[str, Any]:
    """Measure the Triton kernels on this machine's GPU (all when none is named) and write ``out``.

    Raises
    ------
    BrickworkError
        There is no GPU, a name matches no case, or a result is wrong.
    """
    from sw_kernels.bench import bench as measure

    return measure(kernels, out)
