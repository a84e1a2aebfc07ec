"""Broadcasts through trees of relays: the limit holds, as counted in the text, and nothing but the latency changes.

A tree changes the cycle at which a run ends, so that the proof of equality by satisfiability, which compares cycles,
does not apply: simulation against the interpreter and the cycle model takes its place.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import pytest
from designs import random_design
from test_fused_designs import CHANNELS, EYERISS, OUTPUT, ROWS, SCORES, SHIFT, TREE, WINDOW, Member, jobs_of
from test_shared_pins import architecture

from dataflow import build
from dataflow.architecture import Architecture
from dataflow.dataflow import Point
from hw import generate
from hw.accelerator import PASSES, Accelerator, design_of, passes_with
from hw.netlist import Arc, Netlist
from hw.passes.broadcasts import FanOutError, Pin, blocks, rewire_broadcasts, rewiring, together
from hw.passes.delay_matching import match_delays
from hw.passes.fan_out import largest_fan_out
from sim import Job, Result, SimulationError, simulate_all


@dataclass(frozen=True)
class Case:
    """Dataflows of one array."""

    id: str
    members: tuple[Member, ...]

    @property
    def architecture(self) -> Architecture:
        if len(self.members) > 1:
            return architecture(self.members)
        (member,) = self.members
        return build(member.nest, member.dataflow)

    def simulated(self, accelerator: Accelerator, cache: Path) -> list[Result]:
        jobs = jobs_of(self.members)
        if len(self.members) == 1:
            jobs = [Job(job.nest, job.inputs) for job in jobs]
        return simulate_all(accelerator, jobs, simulator="icarus", cache=cache)


BROADCAST = Member("gemm:m=9,n=7,k=10", {"m": 5, "n": 4}, (0, 0), "m n k")
PRODUCT = Case("product", (BROADCAST,))
WINDOWS = Case("windows", (WINDOW,))
LARGE = (
    PRODUCT,
    WINDOWS,
    Case("scores", (replace(SCORES, skew=(0, 0)),)),
    Case("fused-windows-and-channels", (WINDOW, CHANNELS)),
)
CASES = (
    *LARGE,
    Case("product-in-trees", (Member("gemm:m=9,n=7,k=10", {"k": 5, "n": 3}, (0, 0), "k n m"),)),
    Case("product-half-skewed", (Member("gemm:m=9,n=7,k=10", {"m": 4, "n": 5}, (1, 0), "m n k"),)),
    Case("product-systolic", (replace(BROADCAST, skew=(1, 1)),)),
    Case("row-of-a-prime-number", (Member("gemm:m=3,n=40,k=4", {"n": 37}, (0,), "m n k"),)),
    Case("largest", (Member("maxplus:m=6,n=5,k=7", {"m": 3, "n": 4}, (0, 0)),)),
    Case("fused-rows-and-trees", (TREE, ROWS)),
    Case("fused-shift-and-eyeriss", (SHIFT, EYERISS)),
    Case("fused-skewed-and-not", (OUTPUT, BROADCAST)),
)
SIMULATED = [*((case, 4) for case in CASES), *((case, 8) for case in LARGE)]


def loads(accelerator: Accelerator) -> Counter[str]:
    """How many instances and multiplexers in the top module's text read each value of the netlist, by its wire.

    What the host, the registers of a run and the pointers of programmable delays drive is no value of the netlist.
    """
    design = accelerator.design
    kinds = {kind for points in design.structure.kinds.values() for kind in points.values()}
    outputs = {"o", *(f"{node}_d{tap}" for kind in kinds for node, tap in kind.exports)}
    wire = re.compile(r"[A-Za-z_]\w*(?:_d\d+|_all|_line\d+)\b(?:\[[\d:]+\])?")
    found: Counter[str] = Counter()
    for line in accelerator.verilog.split(f"module {accelerator.top}(")[1].splitlines():
        if line.startswith("  assign "):
            found.update(wire.findall(line.split("=", 1)[1]))
        elif " (." in line and not line.startswith(f"  {accelerator.top}_control "):
            # Each piece between ports is one connection: its name, then what it is connected with.
            for port, value in (piece.split("(", 1) for piece in line.split(" (.", 1)[1].split(", .")):
                found.update(() if port in outputs else wire.findall(value))
    return found


@pytest.mark.parametrize(("case", "limit"), SIMULATED, ids=lambda value: getattr(value, "id", str(value)))
def test_outputs_and_cycles_with_trees(case: Case, limit: int, tmp_path: Path) -> None:
    accelerator = generate(case.architecture, passes=passes_with(fan_out_limit=limit))
    assert max(loads(accelerator).values()) <= limit
    assert largest_fan_out(accelerator.design.netlist) <= limit
    results = case.simulated(accelerator, tmp_path)
    assert [r.faults for r in results] == [()] * len(results)
    assert all(r.predicted_cycles == r.simulated_cycles == r.timed_cycles for r in results)


@pytest.mark.parametrize("case", LARGE, ids=lambda case: case.id)
def test_the_text_without_trees_is_beyond_the_limit(case: Case) -> None:
    assert max(loads(generate(case.architecture, passes=passes_with(fan_out_limit=0))).values()) > 8


def fan_out_by_walking(netlist: Netlist) -> int:
    """The same as `largest_fan_out`, found by following each wire from every operand to the register that drives it."""
    by_operand: dict[tuple[str, Point, int], list[Arc]] = defaultdict(list)
    for node, arc in netlist.arcs():
        for consumer, _ in arc.pairs:
            by_operand[node.name, consumer, arc.mode].append(arc)
    readers: dict[tuple[str, Point, int], set[tuple[str, str, Point]]] = defaultdict(set)
    for node, arc in netlist.arcs():
        if node.op == "source" and arc.role == "broadcast":
            continue
        for consumer, producer, span in netlist.spans(node, arc):
            driver = producer
            while True:
                passed = [a for a in by_operand[arc.source, driver, arc.mode] if a.role == "broadcast"]
                passed = [a for a in passed if driver in dict(a.pairs) and netlist.node[arc.source].op == "source"]
                if not passed:
                    break
                driver = dict(passed[0].pairs)[driver]
            registers = 0 if arc.fifo else span + netlist.slack(node, arc)
            readers[arc.source, driver, registers].add((node.name, arc.role, consumer))
    return max(map(len, readers.values()))


def kept(netlist: Netlist) -> int:
    """Most operands by which a node reads itself at one point: those in which there can be no relay."""
    found = Counter(
        (node.name, producer) for node, arc in netlist.arcs() if arc.source == node.name for _, producer in arc.pairs
    )
    return max(found.values(), default=0)


@pytest.mark.parametrize("seed", range(40))
def test_limit_of_random_designs(seed: int) -> None:
    nest, dataflow, _ = random_design(seed)
    for limit in (2, 3, 5):
        netlist = design_of(build(nest, dataflow), passes=passes_with(fan_out_limit=limit)).netlist
        found = netlist.statistics[-1].largest_fan_out
        assert found == fan_out_by_walking(netlist)
        assert found <= max(limit, 1 + kept(netlist))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_fan_out_is_what_walking_finds(case: Case) -> None:
    for limit in (0, 4):
        netlist = design_of(case.architecture, passes=passes_with(fan_out_limit=limit)).netlist
        assert netlist.statistics[-1].largest_fan_out == fan_out_by_walking(netlist)


@pytest.mark.parametrize("seed", range(30))
def test_blocks_are_few_and_full(seed: int) -> None:
    r = random.Random(seed)
    points = [p for p in product(range(r.randint(1, 9)), range(r.randint(1, 9))) if r.random() < 0.9] or [(0, 0)]
    pins = [Pin("fu", "a", p, (0,)) for p in r.sample(points, len(points))]
    most = r.randint(2, 7)
    found = list(blocks(pins, most))
    assert sorted(pin.point for block in found for pin in block) == sorted(points)
    assert len(found) == -(-len(pins) // most)
    assert max(map(len, found)) <= most


def test_blocks_are_neighbours() -> None:
    found = blocks([Pin("fu", "a", p, (0,)) for p in product(range(8), range(8))], 16)
    assert [(b[0].point, b[-1].point) for b in found] == [
        ((0, 0), (3, 3)),
        ((0, 4), (3, 7)),
        ((4, 0), (7, 3)),
        ((4, 4), (7, 7)),
    ]


def test_operands_of_one_node_read_together_where_their_times_are_equal() -> None:
    diagonal = [Pin("fu", "a", (m, n), (m + n, None)) for m, n in product(range(3), range(4))]
    assert together(diagonal) == 3
    assert together([replace(pin, times=(*pin.times[:1], 0)) for pin in diagonal]) == 12
    assert together([*diagonal, Pin("collector", "b", (0, 0), (0, None))]) == 13


@pytest.mark.parametrize(("size", "levels"), [(2, 0), (4, 1), (8, 2), (16, 3), (32, 4)])
def test_a_node_for_each_level_of_a_tree(size: int, levels: int) -> None:
    member = Member(f"gemm:m={size},n={size},k=4", {"m": size, "n": size}, (0, 0), "m n k")
    netlist = design_of(build(member.nest, member.dataflow), passes=passes_with(fan_out_limit=4)).netlist
    relays = [n for n in netlist.nodes if n.op == "relay" and n.name.startswith("O_start")]
    assert [len(netlist.region[n.region].points) for n in relays] == [4 ** (k + 1) for k in range(levels)]


def test_small_arrays_stay_as_they_are() -> None:
    gold, gate = (generate(WINDOWS.architecture, passes=passes_with(fan_out_limit=limit)) for limit in (0, 16))
    assert gold.verilog == gate.verilog


def test_a_limit_of_its_own_is_a_pass_of_the_same_name() -> None:
    assert [apply.__name__ for apply in passes_with(fan_out_limit=5)] == [apply.__name__ for apply in PASSES]
    assert rewire_broadcasts in PASSES


@pytest.mark.parametrize("limit", [1, -4])
def test_limits_that_are_none(limit: int) -> None:
    with pytest.raises(FanOutError) as caught:
        rewiring(limit)
    assert str(caught.value) == f"fan-out limit: expected at least 2 operands, or 0 for no limit, not {limit}"


def relay_taken_for_a_wire(netlist: Netlist) -> Netlist:
    """The delay of one relay node is forgotten."""
    node = next(n for n in netlist.nodes if n.op == "relay")
    return netlist.with_nodes({node.name: replace(node, latency_cycles=0)})


def relays_of_other_rows(netlist: Netlist) -> Netlist:
    """Relays of an operand read the heads of each other's rows."""
    node = netlist.node["A_in_relay0"]
    (arc,) = node.args
    heads = tuple(reversed([head for _, head in arc.pairs]))
    crossed = replace(arc, pairs=tuple((p, head) for (p, _), head in zip(arc.pairs, heads, strict=True)))
    return netlist.with_nodes({node.name: replace(node, args=(crossed,))})


def past_the_relay(netlist: Netlist) -> Netlist:
    """One operand reads the source as early as all others read their relay."""
    node, relay = netlist.node["product0"], netlist.node["A_in_relay0"]
    arc = next(a for a in node.args if a.source == relay.name)
    (first, at), *others = arc.pairs
    early = replace(arc, source="A_in", pairs=((first, dict(relay.args[0].pairs)[at]),), time_cycles=-1)
    args = tuple(part for a in node.args for part in ((replace(a, pairs=tuple(others)), early) if a is arc else (a,)))
    return netlist.with_nodes({node.name: replace(node, args=args)})


FAULTS = (relay_taken_for_a_wire, relays_of_other_rows, past_the_relay)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_planted_fault_is_found(fault: Callable[[Netlist], Netlist], tmp_path: Path) -> None:
    accelerator = generate(PRODUCT.architecture, passes=(*PASSES[:-2], rewiring(3), fault, match_delays))
    try:
        found = [str(fault) for r in PRODUCT.simulated(accelerator, tmp_path) for fault in r.faults]
    except SimulationError as error:
        found = [str(error)]
    assert any(sign in found[0] for sign in ("differs in", "unknown bits")), found


def test_a_mode_without_a_broadcast_reads_past_the_relays() -> None:
    netlist = design_of(architecture((WINDOW, CHANNELS)), passes=passes_with(fan_out_limit=8)).netlist
    sources = {(arc.mode, arc.source) for arc in netlist.node["product0"].arcs("a")}
    assert sources == {(0, "x0_in_relay0"), (1, "x0_in")}
