"""Proof by satisfiability that two designs do the same in a run, whatever the data and whatever ran before."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from dataflow.architecture import Architecture
from hw import Accelerator, generate, runs
from hw.accelerator import Pass
from hw.design import Design, unit_name
from hw.levels import loop_levels
from sim.lint import YOSYS
from workloads.nest import Nest

INPUTS = ("rst", "cfg_we", "host_we", "host_re")
# What optimisation must leave in sight.
SEEN = ("*.words[?]", "*.words[??]", "*.control.r_*", "*.control.t_*", "*.control.left", "*.busy", "*.cycles", "*.done")


def pair(architecture: Architecture, gold: tuple[Pass, ...], gate: tuple[Pass, ...]) -> tuple[Accelerator, Accelerator]:
    """One architecture through two lists of passes, under names that can stand side by side."""
    return (
        generate(replace(architecture, name="gold"), passes=gold),
        generate(replace(architecture, name="gate"), passes=gate),
    )


def equal(gold: Accelerator, gate: Accelerator, nest: Nest, folder: Path, *, dataflow: str | None = None) -> bool:
    """True if every word of the output banks, and the cycles, are equal after a run of the nest.

    Both designs begin with the same words in their banks and the registers of this run; all else in them is free, and
    free in each on its own, so that no value of before may matter. They idle until their delay lines are empty, then
    start once. The solver looks for words and states with which anything differs at the end.
    """
    idle = max(made.design.most_drain_cycles for made in (gold, gate)) + 1
    if len(gold.design.netlist.plans) > 1:
        # The counter that holds the start back after a change of mode may be anywhere.
        idle = 1 << idle.bit_length()
    (run,) = runs(gold, nest, dataflow) if dataflow else runs(gold, nest)
    steps = idle + run.predicted_cycles + 2
    lines = [
        "read_verilog pair.v; hierarchy -top pair; proc; flatten; memory_map",
        f"setattr -set keep 1 {' '.join(f'w:{name}' for name in SEEN)}; setattr -unset init w:*; opt_expr; opt_clean",
        " ".join(_question(gold, gate, nest, dataflow, idle, steps)),
    ]
    (folder / "pair.v").write_text(gold.verilog + gate.verilog + _top(gold, gate))
    (folder / "proof.ys").write_text("\n".join(lines))
    said = subprocess.run(
        [*YOSYS, "-s", "proof.ys"], cwd=folder, capture_output=True, text=True, check=False, timeout=600
    )
    found = {"SAT proof finished - no model found: SUCCESS!": True, "SAT proof finished - model found: FAIL!": False}
    (answer,) = [value for text, value in found.items() if text in said.stdout] or [None]
    assert answer is not None, said.stdout[-2000:] + said.stderr
    return answer


def _top(gold: Accelerator, gate: Accelerator) -> str:
    ports = ", ".join(f".{name}({name})" for name in ("clk", "start", *INPUTS))
    inside = "\n".join(f"  {made.top} {made.name} ({ports});" for made in (gold, gate))
    return f"module pair({', '.join(f'input {name}' for name in ('clk', 'start', *INPUTS))});\n{inside}\nendmodule\n"


def _question(
    gold: Accelerator, gate: Accelerator, nest: Nest, dataflow: str | None, idle: int, steps: int
) -> list[str]:
    words = ["sat", "-seq", str(steps), "-prove-skip", str(steps - 1)]
    for name in INPUTS:
        words += ["-set", name, "0"]
    for step in range(1, steps + 1):
        words += ["-set-at", str(step), "start", str(int(step == idle + 1))]
    for made in (gold, gate):
        (run,) = runs(made, nest, dataflow) if dataflow else runs(made, nest)
        values = dict(run.registers)
        registers = {r.name: values[r.address] for r in made.design.registers}
        assert all(r.words == 1 for r in made.design.registers)
        for name, value in registers.items():
            words += ["-set-at", "1", f"{made.name}.control.r_{name}", str(value)]
        # No start of before may be under way.
        for step in range(1, idle + 2):
            words += ["-set-at", str(step), f"{made.name}.busy", "0"]
    same = ["cycles", "done", "control.left", *(f"control.t_{loop}" for loop in loop_levels(gold.design.netlist.plans))]
    for name in same:
        words += ["-set-at", "1", f"gold.{name}", f"gate.{name}"]
    outputs = {plan.drain.operand for plan in gold.design.netlist.plans}
    for unit, one, other in _words(gold.design, gate.design):
        words += ["-set-at", "1", one, other]
        if unit in outputs:
            words += ["-prove", one, other]
    return [
        *words,
        "-prove",
        "gold.cycles",
        "gate.cycles",
        "-prove",
        "gold.done",
        "gate.done",
        "-prove",
        "gold.done",
        "1",
    ]


def _words(gold: Design, gate: Design) -> list[tuple[str, str, str]]:
    """Bank set, word of the first design, and the same of the second, its sign extended where it is narrower."""
    found = []
    for unit in gold.units:
        wide, narrow = gold.bank_bits(unit), gate.bank_bits(gate.unit[unit.name])
        assert wide >= narrow
        for point in gold.structure.kinds[f"{unit.name}_bank"]:
            for k in range(max(2, unit.depth)):
                name = f"{unit_name(f'{unit.name}_bank', point)}.bank.words[{k}]"
                sign = f"\\gate.{name}[{narrow - 1}],"
                found.append((unit.name, f"\\gold.{name}", f"{sign * (wide - narrow)}\\gate.{name}"))
    return found
