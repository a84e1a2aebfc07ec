"""Studies whose workloads may be torch models, and a ready study for a network that has none yet."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from brickwork.arguments import HERE
from brickwork.files import write_all
from brickwork.models import model_in_a_study, network_of
from brickwork.steps import ChoiceError
from reports.exploration.settings import SETTINGS
from reports.exploration.study import Study
from reports.exploration.study_file import load_study as read_study
from reports.exploration.workload import in_format
from workloads.networks import Network, network_names
from workloads.spec import load

# Loops on the two axes: those of weights, so that these can stay in place, and those of results.
_WEIGHTS = (("ic", "oc"), ("k", "n"), ("kb", "n"), ("d", "k"), ("c", "ow"))
_RESULTS = (("oc", "ow"), ("m", "n"), ("q", "k"), ("q", "d"), ("oh", "ow"))

_TEMPLATE = """\
# Written by Brickwork for {name}; docs/exploration.md says what else a study can hold.
name: {name}
question: Which array, dataflows and buffer suit {name}?
workloads:
  - {workload}
fixed:
  format: {format}            # of all inputs
  bandwidth_gb_per_s: 16  # off-chip memory
  clock_ghz: 1
  technology: 7nm
axes:
  array: [8x8, 16x16]     # functional units
  dataflows:              # loops on the axes; a layer takes the best of those joined by +
    - {weights}
    - {results}
    - {both}
  buffer: [64KB, 256KB]
baselines:
  weights_stay: {{array: 8x8, dataflows: {weights}, buffer: 64KB}}
objective: edp            # time, energy, or their product
"""


def load_study(path: str | Path) -> Study:
    """Read a study file; torch models and technology files in it are relative to its folder.

    Raises
    ------
    BrickworkError
        Lists every fault, each with line and column.
    """
    return read_study(path, model_in_a_study)


def written_study(
    text: str,
    out: Path | None = None,
    *,
    inputs: tuple[str, ...] = (),
    input_dtype: str = "float32",
    number_format: str = "int8",
) -> tuple[Study, Path]:
    """Write a small study of a network and read it.

    Parameters
    ----------
    text
        A network of the library, ``FILE.py:FACTORY`` or a ``.pt2`` file.
    out
        Folder of ``study.yaml``; ``brickwork-out/NAME`` when left out.
    inputs, input_dtype, number_format
        What the study says of the model's inputs and of all formats.

    Returns
    -------
    tuple of (Study, Path)
        With its folder.

    Raises
    ------
    BrickworkError
        Also where the folder holds another study, which may be the user's work.
    """
    try:
        SETTINGS["format"].read(number_format)
    except ValueError as error:
        raise ChoiceError(f"--format {number_format}: {error}") from None
    network = network_of(text, inputs, input_dtype=input_dtype)
    folder = out or HERE / study_name(network)
    path = folder / "study.yaml"
    written = study_for(
        network, text, folder, inputs=inputs, input_dtype=input_dtype, number_format=number_format
    ).encode()
    if not path.exists():
        write_all({path: written})
    elif path.read_bytes() != written:
        raise ChoiceError(
            f"{path} is another study than this command writes; run 'brickwork explore {path}', or give another --out"
        )
    # The network is at hand; reading the model again would double the wait.
    return read_study(path, lambda *_: network), folder


def study_name(network: Network) -> str:
    """A name for the study of a network, made of letters, digits and underscores."""
    name = re.sub(r"\W+", "_", network.name.partition(":")[0], flags=re.ASCII).strip("_")
    return name if name[:1].isalpha() else f"network_{name}"


def study_for(
    network: Network,
    text: str,
    folder: Path,
    *,
    inputs: Sequence[str] = (),
    input_dtype: str = "float32",
    number_format: str = "int8",
) -> str:
    """The text of a small study of one network: twelve designs, and a baseline in which weights stay in place.

    Parameters
    ----------
    network
        What ``text`` names.
    text
        A network of the library, ``FILE.py:FACTORY`` or a ``.pt2`` file.
    folder
        Where the study will be; the model's path is written relative to it.
    inputs, input_dtype
        As on the command line.
    """
    nests = [load(in_format(operator, number_format)).nest for operator, _ in network.operators]
    weights = _spaces((frozenset(nest.loop_names) for nest in nests), _WEIGHTS)
    results = _spaces((frozenset(nest.output.loops) for nest in nests), _RESULTS)
    return _TEMPLATE.format(
        name=study_name(network),
        workload=_workload(text, folder, inputs, input_dtype),
        format=number_format,
        weights="+".join(weights),
        results="+".join(results),
        both="+".join(dict.fromkeys((*weights, *results))),
    )


def _workload(text: str, folder: Path, inputs: Sequence[str], input_dtype: str) -> str:
    if text.partition(":")[0] in network_names():
        return f"{{network: {json.dumps(text)}}}"
    parts = [f"model: {json.dumps(os.path.relpath(text, folder))}"]
    if inputs:
        parts.append(f"input: [{', '.join(inputs)}]")
    if input_dtype != "float32":
        parts.append(f"input_dtype: {input_dtype}")
    return f"{{{', '.join(parts)}}}"


def _spaces(nests: Iterable[frozenset[str]], known: Sequence[tuple[str, str]]) -> list[str]:
    """The first known choice among each nest's loops, each once; two of its own loops where none is known."""
    found: dict[tuple[str, ...], None] = {}
    for loops in nests:
        own = tuple(sorted(loops)[:2])
        found[next((space for space in known if set(space) <= loops), own)] = None
    return ["-".join(space) for space in found]
