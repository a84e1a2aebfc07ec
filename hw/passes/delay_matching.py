"""Delay matching: the fewest register bits that make all operands of every node meet."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise, product

import pulp

from dataflow.dataflow import Point
from hw.netlist import Netlist, Node
from workloads.errors import BrickworkError


class InfeasibleError(BrickworkError):
    """No start cycles exist: a recurrence is shorter than the latency around it."""

    def __init__(self, cycle: tuple[str, ...], missing_cycles: int) -> None:
        self.cycle, self.missing_cycles = cycle, missing_cycles
        super().__init__(
            f"delay matching: the recurrence {' -> '.join(cycle)} needs {missing_cycles} more "
            f"cycle{'s' * (missing_cycles != 1)} than the dataflow leaves it; another loop order or skew is needed"
        )


@dataclass(frozen=True, slots=True)
class Precedence:
    """``r[sink] - r[source] >= cycles``."""

    source: str
    sink: str
    cycles: int


@dataclass(frozen=True, slots=True)
class SharedRegisters:
    """``count`` equal drivers, each with a chain of ``width_bits`` registers as long as its furthest sink needs.

    ``sinks`` holds (sink, constant): the chain has at least ``constant + r[sink] - r[source]`` registers.
    """

    source: str
    width_bits: int
    count: int
    sinks: tuple[tuple[str, int], ...]

    def registers(self, label: dict[str, int]) -> int:
        """Length of the chain for given labels."""
        return max(0, *(constant + label[sink] - label[self.source] for sink, constant in self.sinks))


@dataclass(frozen=True)
class DelayProblem:
    """Minimise ``sum(width * count * chain length)`` over labels ``r >= 0`` that respect every precedence.

    The constraint matrix is a network matrix (each row has one +1 and one -1, a chain length being one more node), so
    the optimum is integral. Nodes in ``fixed`` stay at 0.
    """

    nodes: tuple[str, ...]
    fixed: frozenset[str]
    precedences: tuple[Precedence, ...]
    chains: tuple[SharedRegisters, ...]

    def register_bits(self, label: dict[str, int]) -> int:
        """Cost of given labels."""
        return sum(c.width_bits * c.count * c.registers(label) for c in self.chains)

    def respects(self, label: dict[str, int]) -> bool:
        return all(label[p.sink] - label[p.source] >= p.cycles for p in self.precedences)


def delay_problem(netlist: Netlist) -> DelayProblem:
    """State delay matching of a folded netlist; all points of a region share their nodes' labels."""
    precedences: dict[tuple[str, str], int] = {}
    needs: dict[str, dict[Point, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for node, arc in netlist.arcs():
        source = netlist.node[arc.source]
        reach = netlist.reach(node, arc)
        if reach.least is None:
            continue
        key = (arc.source, node.name)
        needed = int(bool(arc.fifo)) - (reach.least - source.latency_cycles)
        precedences[key] = max(precedences.get(key, needed), needed)
        for producer, span in reach.furthest.items() if not arc.fifo else ():
            constant = span - source.latency_cycles
            wanted = needs[arc.source][producer]
            wanted[node.name] = max(constant, wanted.get(node.name, constant))
    chains = []
    for name, points in needs.items():
        groups: dict[tuple[tuple[str, int], ...], int] = defaultdict(int)
        for wanted in points.values():
            groups[tuple(wanted.items())] += 1
        width = netlist.node[name].width_bits
        chains += [SharedRegisters(name, width, count, sinks) for sinks, count in groups.items()]
    return DelayProblem(
        tuple(n.name for n in netlist.nodes),
        frozenset(n.name for n in netlist.nodes if n.op == "control"),
        tuple(Precedence(u, v, cycles) for (u, v), cycles in precedences.items()),
        tuple(chains),
    )


def match_delays(netlist: Netlist) -> Netlist:
    """Label every node with the cycle at which its operands meet, at the least total of register bits.

    Fan-out of one driver shares its registers: a driver pays for its furthest sink only. A difference of labels is a
    difference of start times as in SDC scheduling [1]_; the folded netlist makes the problem independent of the array's
    size.

    Raises
    ------
    InfeasibleError
        A recurrence is too short; names it.

    References
    ----------
    .. [1] J. Cong and Z. Zhang, "An efficient and versatile scheduling algorithm based on SDC formulation", DAC 2006.
    """
    label = solve(delay_problem(netlist))
    return replace(netlist, labels=tuple(label.items()))


def match_delays_asap(netlist: Netlist) -> Netlist:
    """Label every node as early as its operands allow: the plain back end that the linear program is compared with."""
    return replace(netlist, labels=tuple(earliest(delay_problem(netlist)).items()))


def earliest(problem: DelayProblem) -> dict[str, int]:
    """Least labels that respect all precedences (longest paths from the fixed nodes).

    Raises
    ------
    InfeasibleError
    """
    label = dict.fromkeys(problem.nodes, 0)
    cause: dict[str, str] = {}
    for _ in range(len(label) + 1):
        changed = None
        for p in problem.precedences:
            if label[p.source] + p.cycles > label[p.sink]:
                label[p.sink] = label[p.source] + p.cycles
                cause[p.sink] = p.source
                changed = p.sink
        if changed is None:
            if late := [n for n in problem.fixed if label[n]]:
                raise InfeasibleError((cause[late[0]], late[0]), label[late[0]])
            return label
    assert changed is not None
    for _ in label:
        changed = cause[changed]
    cycle = [changed]
    while cause[cycle[-1]] != changed:
        cycle.append(cause[cycle[-1]])
    cycle = [changed, *reversed(cycle[1:]), changed]
    steps = {(p.source, p.sink): p.cycles for p in problem.precedences}
    raise InfeasibleError(tuple(cycle), sum(steps[pair] for pair in pairwise(cycle)))


def solve(problem: DelayProblem) -> dict[str, int]:
    """Optimal labels by linear programming; among equal costs the earliest labels."""
    floor = earliest(problem)
    lp = pulp.LpProblem("delay_matching", pulp.LpMinimize)
    horizon = max(floor.values(), default=0) + 1
    r = {n: lp.add_variable(f"r{k}", lowBound=0) for k, n in enumerate(problem.nodes)}
    terms = []
    for k, chain in enumerate(problem.chains):
        length = lp.add_variable(f"m{k}", lowBound=0)
        terms.append((length, chain.width_bits * chain.count * horizon * len(r) * 4))
        for sink, constant in chain.sinks:
            if sink != chain.source:
                lp += pulp.LpAffineExpression([(length, 1), (r[sink], -1), (r[chain.source], 1)]) >= constant
            elif constant > 0:
                lp += length >= constant
    # Ties go to the earliest labels, so that the result does not depend on the solver's path.
    lp += pulp.LpAffineExpression([*terms, *((v, 1) for v in r.values())])
    for name in problem.fixed:
        lp += r[name] == 0
    for p in problem.precedences:
        if p.source != p.sink:
            lp += pulp.LpAffineExpression([(r[p.sink], 1), (r[p.source], -1)]) >= p.cycles
    status = lp.solve(pulp.HiGHS(msg=False, solver="ipm"))
    assert pulp.LpStatus[status] == "Optimal", pulp.LpStatus[status]
    label = {n: round(v.value()) for n, v in r.items()}
    assert problem.respects(label)
    return label


def cheapest_by_trying(problem: DelayProblem, most_cycles: int) -> int:
    """The least register bits over all labels up to ``most_cycles``, by trying every one: the oracle."""
    free = [n for n in problem.nodes if n not in problem.fixed]
    best: int | None = None
    for values in product(range(most_cycles + 1), repeat=len(free)):
        label = {**dict.fromkeys(problem.fixed, 0), **dict(zip(free, values, strict=True))}
        if problem.respects(label):
            cost = problem.register_bits(label)
            best = cost if best is None else min(best, cost)
    assert best is not None
    return best


def unfold(netlist: Netlist) -> DelayProblem:
    """The flat problem: one label for every node at every point, the oracle of the folded one.

    A link between two points of the array keeps its architectural registers, or the cheapest labels would undo the skew
    and turn every systolic link into a long wire.
    """

    def name(node: Node, point: Point) -> str:
        return f"{node.name}@{','.join(map(str, point))}"

    precedences: list[Precedence] = []
    needs: dict[tuple[str, Point], dict[str, int]] = defaultdict(dict)
    for node, arc in netlist.arcs():
        source = netlist.node[arc.source]
        for consumer, producer, span in netlist.spans(node, arc):
            constant = span - source.latency_cycles
            link = node.region == source.region and consumer != producer
            kept = 0 if link else int(bool(arc.fifo)) - constant
            precedences.append(Precedence(name(source, producer), name(node, consumer), kept))
            if not arc.fifo:
                wanted = needs[arc.source, producer]
                sink = name(node, consumer)
                wanted[sink] = max(constant, wanted.get(sink, constant))
    return DelayProblem(
        tuple(name(node, point) for node in netlist.nodes for point in netlist.region[node.region].points),
        frozenset(name(n, p) for n in netlist.nodes if n.op == "control" for p in netlist.region[n.region].points),
        tuple(precedences),
        tuple(
            SharedRegisters(name(netlist.node[u], p), netlist.node[u].width_bits, 1, tuple(sinks.items()))
            for (u, p), sinks in needs.items()
        ),
    )
