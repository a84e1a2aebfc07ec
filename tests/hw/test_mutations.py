"""Planted faults: each must be caught by simulation or by the netlist's own rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dataflow import Dataflow, build
from hw.accelerator import Accelerator, design_of
from hw.conditions import All, AtLeast, InRange, Last, NoneOf, Zero
from hw.design import Design
from hw.emit import emit
from hw.manifest import manifest
from hw.netlist import Arc, Netlist, NetlistError, Node, check
from hw.passes.delay_matching import match_delays
from hw.passes.reduction_trees import balance_reductions
from hw.passes.widths import infer_widths
from hw.program import Run, runs
from sim import SimulationError, simulate
from workloads.interpreter import random_inputs
from workloads.nest import Nest
from workloads.spec import load

Change = Callable[[Design], Design]
Registers = Callable[[Design, dict[str, int]], dict[str, int]]


def nodes(change: Callable[[Node], Node], *names: str, rematch: bool = False) -> Change:
    """Change some nodes of the finished netlist; ``rematch`` lets delay matching believe the change."""

    def apply(design: Design) -> Design:
        netlist = design.netlist
        changed = {n.name: change(n) for n in netlist.nodes if n.name in names}
        assert len(changed) == len(names) and all(changed[n] != netlist.node[n] for n in names)
        netlist = netlist.with_nodes(changed)
        return replace(design, netlist=match_delays(netlist) if rematch else netlist)

    return apply


def arc(role: str, change: Callable[[Arc], Arc]) -> Callable[[Node], Node]:
    def apply(node: Node) -> Node:
        return replace(node, args=tuple(change(a) if a.role == role else a for a in node.args))

    return apply


def later(a: Arc) -> Arc:
    """One register too many."""
    return replace(a, time_cycles=a.time_cycles + 1)


def crossed(a: Arc) -> Arc:
    """Two consumers on the same diagonal exchange producers."""
    pairs = dict(a.pairs)
    first, second = (0, 2), (1, 1)
    pairs[first], pairs[second] = pairs[second], pairs[first]
    return replace(a, pairs=tuple(pairs.items()))


def exchanged_digits(node: Node) -> Node:
    """The switch turns each dimension by the digit of the other."""
    other = {"digit2": "digit3", "digit3": "digit2"}
    return replace(node, args=tuple(replace(a, role=other.get(a.role, a.role)) for a in node.args))


def unmasked(source: str) -> Callable[[Node], Node]:
    return lambda node: replace(node, args=tuple(a for a in node.args if a.source != source))


def first_term_again(node: Node) -> Node:
    first = node.args[0]
    return replace(node, args=(first, replace(node.args[1], pairs=first.pairs), *node.args[2:]))


def narrower(bits: int) -> Callable[[Node], Node]:
    return lambda node: replace(node, width_bits=node.width_bits - bits)


def values(change: Callable[[Any], Any]) -> Callable[[Node], Node]:
    """Change the conditions of a control node."""

    def deep(value: Any) -> Any:
        if isinstance(value, All | NoneOf):
            value = type(value)(tuple(t for t in map(deep, value.terms) if t is not None))
        return change(value)

    def apply(node: Node) -> Node:
        given = dict(node.parameters)["values"]
        assert isinstance(given, tuple)
        return replace(node, parameters=(("values", tuple(deep(v) for v in given)),))

    return apply


def dropped(kind: type) -> Callable[[Any], Any]:
    return lambda value: None if isinstance(value, kind) else value


def moved_ports(design: Design) -> Design:
    """Two ports of the weights exchange their banks in hardware only."""
    changed = []
    for gen in design.generators[0]:
        ports = gen.banking.ports
        if gen.name == "B":
            (u0, o0), (u1, o1), *rest = ports
            gen = replace(gen, banking=replace(gen.banking, ports=((u0, o1), (u1, o0), *rest)))
        changed.append(gen)
    return replace(design, generators=(tuple(changed),))


def registers(**changes: Callable[[int], int]) -> Registers:
    def apply(design: Design, found: dict[str, int]) -> dict[str, int]:
        del design
        assert all(name in found and change(found[name]) != found[name] for name, change in changes.items()), found
        return {**found, **{name: change(found[name]) for name, change in changes.items()}}

    return apply


@dataclass(frozen=True)
class Base:
    """A small design on which faults are planted."""

    spec: str
    space: dict[str, int]
    skew: tuple[int, ...]
    order: str
    tile: dict[str, int] | None = None


OUTPUT = Base("gemm:m=7,n=5,k=6", {"m": 3, "n": 3}, (1, 1), "m n k")
WEIGHT = Base("gemm:m=2,n=5,k=7", {"k": 3, "n": 3}, (1, 1), "n k m")
TREE = Base("gemm:m=4,n=5,k=7", {"k": 3, "n": 3}, (0, 0), "m n k")
FLAT = Base("gemm:m=7,n=5,k=1", {"m": 3, "n": 3}, (1, 1), "m n k")
REVERSED = Base(
    "name: reversed\nloops: {m: 7, n: 5, k: 7}\nbody: O[6 - m, n] += A[m, 6 - k] * B[6 - k, n]\n",
    {"m": 3, "k": 3},
    (1, 0),
    "m n k",
)
TILED = Base("gemm:m=4,n=4,k=8", {"m": 2, "n": 2}, (1, 1), "m n k", {"k": 4})
STAYING = Base("conv2d:n=1,oc=2,ic=2,h=4,w=4,kh=3,kw=3", {"oh": 3, "ow": 3}, (0, 0), "n oh ow ic kh kw oc")
WINDOW = Base("conv2d:n=1,oc=2,ic=2,h=7,w=7,kh=3,kw=3", {"oh": 3, "ow": 3}, (0, 0), "n oc oh ow ic kh kw")


@dataclass(frozen=True)
class Case:
    """One planted fault."""

    id: str
    base: Base
    change: Change | None = None
    registers: Registers | None = None


CASES = (
    Case("link-wrong-neighbour", OUTPUT, nodes(arc("hop", crossed), "A_in")),
    Case("link-one-register-more", OUTPUT, nodes(arc("hop", later), "B_in")),
    Case("operand-one-register-more", OUTPUT, nodes(arc("a", later), "product0")),
    Case("partial-sum-link-one-register-more", WEIGHT, nodes(arc("b", later), "sum0")),
    Case("delayed-link-one-cycle-more", WINDOW, nodes(arc("delayed0", later), "I_in")),
    Case("delayed-link-without-border-test", WINDOW, nodes(values(dropped(AtLeast)), "I_from0", rematch=True)),
    Case(
        "delayed-link-border-off-by-one",
        WINDOW,
        nodes(values(lambda v: AtLeast(v.level, v.steps + 1) if isinstance(v, AtLeast) else v), "I_want"),
    ),
    Case(
        "stationary-register-loaded-too-late",
        STAYING,
        nodes(arc("load", later), "I_in"),
    ),
    Case(
        "written-before-the-last-step",
        OUTPUT,
        nodes(values(lambda v: Zero(v.level) if isinstance(v, Last) else v), "O_emit"),
    ),
    Case("write-address-too-late", FLAT, nodes(arc("address", later), "O_write")),
    Case("write-enable-too-late", OUTPUT, nodes(arc("bit", later), "O_enable")),
    Case("read-address-too-late", OUTPUT, nodes(arc("address", later), "A_read")),
    Case(
        "padding-off-by-one",
        WINDOW,
        nodes(values(lambda v: replace(v, offset=v.offset + 1) if isinstance(v, InRange) else v), "I_in_range2"),
    ),
    Case(
        "border-not-masked",
        REVERSED,
        nodes(unmasked("inside_k"), "B_data"),
    ),
    Case("tree-adds-one-operand-twice", TREE, nodes(first_term_again, "sum0")),
    Case(
        "tree-latency-wrong",
        TREE,
        nodes(lambda n: replace(n, latency_cycles=n.latency_cycles - 1), "sum0", rematch=True),
    ),
    Case("multiplier-latency-wrong", OUTPUT, nodes(lambda n: replace(n, latency_cycles=0), "product0", rematch=True)),
    Case("product-too-narrow", OUTPUT, nodes(narrower(2), "product0")),
    Case("sum-too-narrow", WEIGHT, nodes(narrower(3), "sum0")),
    Case("switch-digits-exchanged", WINDOW, nodes(exchanged_digits, "I_read_turned")),
    Case("switch-digit-too-late", WINDOW, nodes(arc("digit3", later), "I_read_turned")),
    Case("ports-exchange-banks", OUTPUT, moved_ports),
    Case(
        "spilled-sum-forgotten",
        WEIGHT,
        nodes(values(lambda v: NoneOf((All(()),)) if isinstance(v, NoneOf) else v), "O_again"),
    ),
    Case("register-address-step", OUTPUT, None, registers(A_by2=lambda v: v + 1)),
    Case("register-first-address", WINDOW, None, registers(O_start=lambda v: v + 1)),
    Case("register-trip-count", OUTPUT, None, registers(last_k=lambda v: v - 1)),
    Case("register-edge", OUTPUT, None, registers(edge_m=lambda v: v >> 1)),
    Case("register-no-gap", WEIGHT, None, registers(gap=lambda v: 0)),
    Case("register-not-accumulated", TILED, None, registers(accumulate=lambda v: 1 - v)),
    Case("register-shape", WINDOW, None, registers(I_shape3=lambda v: v - 1)),
    Case("register-bank-digit", WINDOW, None, registers(I_low3=lambda v: v ^ 1)),
)


def design_for(base: Base) -> tuple[Nest, Design, Any]:
    nest = load(base.spec).nest
    dataflow = Dataflow.of(nest, base.space, skew=base.skew, order=tuple(base.order.split()), tile=base.tile)
    architecture = build(nest, dataflow)
    return nest, design_of(architecture), architecture


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_fault_is_caught(case: Case, tmp_path: Path) -> None:
    nest, sound, architecture = design_for(case.base)
    design = case.change(sound) if case.change else sound
    accelerator = Accelerator(design, architecture, emit(design), manifest(design))

    def program(given: Any, asked: Nest) -> Sequence[Run]:
        # The driver is that of the sound design: the fault lies in the hardware, or in the registers it writes.
        work = runs(Accelerator(sound, architecture, "", {}), asked)
        return [changed(sound, run, case.registers) for run in work] if case.registers else work

    try:
        result = simulate(
            accelerator, nest, random_inputs(nest, 3), simulator="icarus", cache=tmp_path, program=program
        )
        found = result.faults
    except SimulationError as error:
        found = (str(error),)
    assert found != ()
    assert any(sign in found[0] for sign in ("differs in", "cycles", "unknown bits")), found


def changed(design: Design, run: Run, change: Registers) -> Run:
    """A run with other register values, the rest as it was."""
    words = dict(run.registers)
    found = {r.name: sum(words[r.address + w] << (32 * w) for w in range(r.words)) for r in design.registers}
    new = change(design, found)
    return replace(
        run,
        registers=tuple(
            (r.address + w, (new[r.name] >> (32 * w)) & 0xFFFFFFFF & ((1 << (r.bits - 32 * w)) - 1))
            for r in design.registers
            for w in range(r.words)
        ),
    )


@pytest.mark.parametrize(
    "base", [OUTPUT, WEIGHT, TREE, TILED, WINDOW], ids=["output", "weight", "tree", "tiled", "window"]
)
def test_sound_design_passes(base: Base, tmp_path: Path) -> None:
    nest, sound, architecture = design_for(base)
    accelerator = Accelerator(sound, architecture, emit(sound), manifest(sound))
    assert simulate(accelerator, nest, random_inputs(nest, 3), simulator="icarus", cache=tmp_path).faults == ()


def test_rules_name_every_fault() -> None:
    _, design, _ = design_for(OUTPUT)
    netlist: Netlist = design.netlist
    broken = netlist.with_nodes(
        {
            "A_in": replace(netlist.node["A_in"], args=(Arc("nobody", "port", ()),), width_bits=0),
            "B_in": arc("hop", lambda a: replace(a, time_cycles=-2))(netlist.node["B_in"]),
        }
    )
    with pytest.raises(NetlistError) as caught:
        check(broken, after="planting")
    assert caught.value.faults == (
        "node 'A_in' reads 'nobody', which does not exist",
        "node 'A_in' is 0 bits wide; expected at least 1",
        "B_in -> B_in (hop) has -1 registers; expected at least 0",
    )


def test_passes_run_in_any_order_of_widths_and_trees() -> None:
    nest = load(TREE.spec).nest
    architecture = build(nest, Dataflow.of(nest, TREE.space, skew=TREE.skew, order=tuple(TREE.order.split())))
    one = design_of(architecture, passes=(infer_widths, balance_reductions, match_delays))
    other = design_of(architecture, passes=(balance_reductions, infer_widths, match_delays))
    assert emit(one) == emit(other)
