"""Planted faults in fused designs: each must be caught by simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from test_fusion import CHANNELS, DEPTHWISE, MTTKRP, OUTPUT, WEIGHT, WINDOW, Member, accelerator_of, jobs_of

import hw.kinds
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


def swapped(*roles: str) -> Callable[[Node], Node]:
    """The multiplexer takes for mode 0 what mode 1 needs, and the other way round."""
    return arcs(lambda a: replace(a, mode=1 - a.mode) if a.role in roles else a)


def values_swapped(n: Node) -> Node:
    """A control value of the wrong mode."""

    def turn(value: Any) -> Any:
        return ByMode(tuple((1 - mode, v) for mode, v in value.values))

    given = dict(n.parameters)
    assert isinstance(given["values"], tuple)
    return replace(n, parameters=(("values", tuple(map(turn, given["values"]))), ("idle", given["idle"])))


def only_in(mode: int, source: str) -> Callable[[Node], Node]:
    """One mode loses an operand."""
    return lambda n: replace(n, args=tuple(a for a in n.args if (a.mode, a.source) != (mode, source)))


def memories_exchanged(design: Design) -> Design:
    """Two ports read each other's memory in one mode."""

    def turn(a: Arc) -> Arc:
        if a.mode != 1 or a.role != "port":
            return a
        (c0, p0), (c1, p1), *rest = a.pairs
        return replace(a, pairs=((c0, p1), (c1, p0), *rest))

    return node("x0_in", arcs(turn))(design)


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
    Case("multiplexer-of-the-adder-swapped", STATIONARY, node("sum0", swapped("b"))),
    Case("multiplexer-of-the-operand-swapped", STATIONARY, node("B_in", swapped("hop", "port"))),
    Case("multiplexer-of-the-bank-swapped", STATIONARY, node("O_write", swapped("data"))),
    Case("control-value-of-the-other-mode", STATIONARY, node("O_emit", values_swapped)),
    Case("control-launched-too-late-in-one-mode", STATIONARY, node("O_emit_go", later("value", 1))),
    Case("address-launched-too-late-in-one-mode", WINDOWS, node("y_address_go" if False else "O_address_go", later("value", 1))),
    Case("load-missing-in-one-mode", STATIONARY, node("B_in", only_in(1, "B_load_go"))),
    Case("border-test-of-the-other-mode", (WINDOW, DEPTHWISE), node("x1_in_range2", values_swapped)),
    Case("memories-exchanged", (OUTPUT, MTTKRP), memories_exchanged),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_fault_is_caught(case: Case, tmp_path: Path) -> None:
    sound = accelerator_of(case.members)
    broken = case.change(sound.design)
    accelerator = Accelerator(broken, sound.architecture, emit(broken), manifest(broken))
    assert faults(accelerator, sound, jobs_of(case.members), tmp_path) != ()


def test_neutral_factor_matters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A factor that a dataflow leaves out has to be 1."""
    monkeypatch.setitem(hw.kinds.NEUTRAL, "factor", 0)
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
