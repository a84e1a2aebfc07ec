"""Planted faults in fused designs: each must be caught by simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from test_fused_designs import CHANNELS, DEPTHWISE, MTTKRP, OUTPUT, WEIGHT, WINDOW, Member, accelerator_of, jobs_of

import hw.sources
from hw.accelerator import Accelerator
from hw.conditions import ByMode
from hw.design import Design
from hw.emit import emit
from hw.manifest import manifest
from hw.netlist import Arc, Node
from hw.program import Run, runs
from sim import Job, SimulationError, simulate_all

Change = Callable[[Design], Design]


def node(name: str, change: Callable[[Node], Node]) -> Change:
    def apply(design: Design) -> Design:
        old = design.netlist.node[name]
        new = change(old)
        assert new != old
        return replace(design, netlist=design.netlist.with_nodes({name: new}))

    return apply


def arcs(change: Callable[[Arc], Arc]) -> Callable[[Node], Node]:
    return lambda n: replace(n, args=tuple(map(change, n.args)))


def later(role: str, mode: int, cycles: int = 1) -> Callable[[Node], Node]:
    """Another number of registers in one mode."""
    return arcs(lambda a: replace(a, time_cycles=a.time_cycles + cycles) if (a.role, a.mode) == (role, mode) else a)


def values_swapped(n: Node) -> Node:
    """A control value of the wrong mode."""

    def turn(value: Any) -> Any:
        return ByMode(tuple((1 - mode, v) for mode, v in value.values))

    given = dict(n.parameters)
    assert isinstance(given["values"], tuple)
    return replace(n, parameters=(("values", tuple(map(turn, given["values"]))), ("idle", given["idle"])))


def only_in(mode: int, source: str) -> Callable[[Node], Node]:
    """Another mode loses an operand."""
    return lambda n: replace(n, args=tuple(a for a in n.args if (a.mode, a.source) != (1 - mode, source)))


@dataclass(frozen=True)
class Case:
    """One planted fault."""

    id: str
    members: tuple[Member, ...]
    change: Change


STATIONARY = (OUTPUT, WEIGHT)
WINDOWS = (WINDOW, CHANNELS)

CASES = (
    Case("register-removed-from-a-link", STATIONARY, node("A_in", later("hop", 0, -1))),
    Case("register-added-to-a-link-of-one-mode", STATIONARY, node("A_in", later("hop", 1))),
    Case("control-value-of-the-other-mode", STATIONARY, node("O_emit", values_swapped)),
    Case("control-launched-too-late-in-one-mode", STATIONARY, node("O_emit_go", later("value", 1))),
    Case("address-launched-too-late-in-one-mode", WINDOWS, node("O_address_go", later("value", 1))),
    Case("partial-sum-lost-in-one-mode", STATIONARY, node("sum0", only_in(0, "sum0"))),
    Case("reads-of-the-other-mode", STATIONARY, node("B_want", values_swapped)),
    Case("delayed-link-too-long", (DEPTHWISE, WINDOW), node("I_in", later("delayed0", 1))),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_fault_is_caught(case: Case, tmp_path: Path) -> None:
    sound = accelerator_of(case.members)
    broken = case.change(sound.design)
    accelerator = Accelerator(broken, sound.architecture, emit(broken), manifest(broken))
    assert faults(accelerator, sound, jobs_of(case.members), tmp_path) != ()


@pytest.mark.parametrize("instance", ["fu_1_1", "fu_0_2", "O_bank_13", "B_bank_6"])
def test_swapped_multiplexers(instance: str, tmp_path: Path) -> None:
    """The multiplexers of one instance take for each mode what the other needs."""
    sound = accelerator_of(STATIONARY)
    lines = sound.verilog.splitlines()
    (where,) = [k for k, line in enumerate(lines) if f" {instance} (" in line]
    wired = lines[where].replace(".in_modes_0(in_modes_0)", ".in_modes_0(in_modes_1)")
    lines[where] = wired.replace(".in_modes_1(in_modes_1)", ".in_modes_1(in_modes_0)")
    broken = replace(sound, verilog="\n".join(lines) + "\n")
    assert broken.verilog != sound.verilog
    assert faults(broken, sound, jobs_of(STATIONARY), tmp_path) != ()


def test_memories_exchanged(tmp_path: Path) -> None:
    """The driver takes two memories for each other in one mode."""
    sound = accelerator_of(STATIONARY)
    first, second, *rest = sound.design.placements[1]["B"]
    placements = (sound.design.placements[0], {**sound.design.placements[1], "B": (second, first, *rest)})
    driver = replace(sound, design=replace(sound.design, placements=placements))
    assert faults(sound, driver, jobs_of(STATIONARY), tmp_path) != ()


def test_neutral_factor_matters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A factor that a dataflow leaves out has to be 1."""
    monkeypatch.setitem(hw.sources.NEUTRAL, "factor", 0)
    accelerator = accelerator_of((OUTPUT, MTTKRP))
    assert faults(accelerator, accelerator, jobs_of((OUTPUT, MTTKRP)), tmp_path) != ()


def faults(accelerator: Accelerator, sound: Accelerator, jobs: Sequence[Job], cache: Path) -> tuple[str, ...]:
    """What simulation finds, the driver being that of the sound design."""
    flows = iter(jobs)

    def program(given: Any, nest: Any) -> Sequence[Run]:
        return runs(sound, nest, next(flows).dataflow)

    try:
        results = simulate_all(accelerator, jobs, simulator="icarus", cache=cache, program=program)
    except SimulationError as error:
        return (str(error),)
    return tuple(fault for result in results for fault in result.faults)
