"""Longest paths of mapped modules, by OpenSTA."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hw.synthesis.gates import Bit, GateModule, Gates
from hw.synthesis.library import Library
from hw.synthesis.mapping import SynthesisError
from hw.synthesis.remembered import remembered

# Longer than any path, so that each one's length is what is missing to it; OpenSTA counts in single precision.
_PERIOD = 10_000.0

_SCRIPT = """\
read_liberty cells.lib
read_verilog mapped.v
link_design {name}
create_clock -name clk -period {period} {clock}
set_input_delay 0 -clock clk [all_inputs]
set_output_delay 0 -clock clk [all_outputs]
report_checks -digits 4
"""


def longest_paths_ns(gates: Gates, library: Library, *, cache: Path | None = None) -> Mapping[str, float] | None:
    """Longest path of each module between its registers and ports, set-up times included; None without OpenSTA.

    Inputs arrive with the clock's edge and are fast; loads are the cells' pins, without wires. The top's paths cross
    its modules. Paths into and out of memories do not count.

    Raises
    ------
    SynthesisError
        OpenSTA cannot read the library.
    """
    program = shutil.which("sta")
    if program is None:
        return None
    names = [name for name in gates.modules if name not in gates.memories and gates.modules[name].instances]
    said = remembered(
        cache,
        ("paths", _SCRIPT, plain_verilog(gates), library.text),
        lambda: json.dumps(_paths(program, gates, names, library)),
    )
    found: dict[str, float] = json.loads(said)
    return {name: round(path * library.time_ns, 3) for name, path in found.items()}


def _paths(program: str, gates: Gates, names: list[str], library: Library) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="brickwork-") as scratch:
        folder = Path(scratch)
        (folder / "mapped.v").write_text(plain_verilog(gates))
        (folder / "cells.lib").write_text(library.text)
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            # One process each: linking a second module in one process crashes now and then.
            paths = list(pool.map(lambda name: _longest(program, gates, name, folder), names))
    return dict(zip(names, paths, strict=True))


def _longest(program: str, gates: Gates, name: str, folder: Path) -> float:
    """Longest path of one module, in the library's unit of time."""
    clock = "[get_ports clk]" if "clk" in gates.modules[name].inputs else ""
    script = folder / f"{name}.tcl"
    script.write_text(_SCRIPT.format(name=name, period=_PERIOD, clock=clock))
    done = subprocess.run([program, "-exit", script.name], cwd=folder, capture_output=True, text=True, check=False)
    slack = re.search(r"(\S+)\s+slack", done.stdout)
    if slack is not None:
        return _PERIOD - float(slack[1])
    if "No paths found" in done.stdout:
        return 0.0
    said = (done.stdout + done.stderr).strip().splitlines() or ["nothing"]
    raise SynthesisError(gates.top, f"OpenSTA gives no paths of module {name!r}; its last words: {said[-1]}")


def plain_verilog(gates: Gates) -> str:
    """The gates in the little Verilog that OpenSTA reads: no concatenation on the left of an assignment."""
    return "\n".join(
        line for name in gates.modules if name not in gates.memories for line in _lines(gates.modules[name])
    )


def _lines(module: GateModule) -> Iterator[str]:
    ports = {**{name: ("input", w) for name, w in module.inputs.items()}}
    ports |= {name: ("output", w) for name, w in module.outputs.items()}
    yield f"module {_name(module.name)} ({', '.join(_name(port) for port in ports)});"
    for port, (direction, wire) in ports.items():
        yield f"  {direction} {f'[{len(wire) - 1}:0] ' if len(wire) > 1 else ''}{_name(port)};"
    wires = {b for i in module.instances for w in i.pins.values() for b in w if isinstance(b, int)}
    wires |= {b for _, w in ports.values() for b in w if isinstance(b, int)}
    yield from (f"  wire n{bit};" for bit in sorted(wires))
    for port, (direction, wire) in ports.items():
        for place, bit in enumerate(wire):
            end = f"{_name(port)}[{place}]" if len(wire) > 1 else _name(port)
            yield f"  assign n{bit} = {end};" if direction == "input" else f"  assign {end} = {_bit(bit)};"
    for instance in module.instances:
        pins = (f".{_name(pin)}({{{', '.join(map(_bit, reversed(w)))}}})" for pin, w in instance.pins.items() if w)
        yield f"  {_name(instance.of)} {_name(instance.name)} ({', '.join(pins)});"
    yield "endmodule"


def _bit(bit: Bit) -> str:
    return f"n{bit}" if isinstance(bit, int) else "1'b1" if bit == "1" else "1'b0"


def _name(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else f"\\{name} "
