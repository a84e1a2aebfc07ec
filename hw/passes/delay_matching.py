"""Delay matching: the fewest register bits that make all operands of every node meet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product

import numpy as np
import pulp

from dataflow.dataflow import Point
from hw.alike import alike
from hw.netlist import IDLE, Integers, Netlist, Node
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

    ``sinks`` holds (source, sink, constant): the chain has at least ``constant + r[sink] - r[source]`` registers. The
    source is the driver in the mode of the sink.
    """

    width_bits: int
    count: int
    sinks: tuple[tuple[str, str, int], ...]

    def registers(self, label: Mapping[str, int]) -> int:
        """Length of the chain for given labels."""
        return max(0, *(constant + label[sink] - label[source] for source, sink, constant in self.sinks))


@dataclass(frozen=True, slots=True)
class SharedTap:
    """``count`` operands of ``width_bits`` that come from one driver in several modes.

    Where the modes need different numbers of registers, each operand needs a multiplexer. ``ways`` is as the sinks of
    ``SharedRegisters``.
    """

    width_bits: int
    count: int
    ways: tuple[tuple[str, str, int], ...]

    def differ(self, label: Mapping[str, int]) -> int:
        """Most registers of a mode less the fewest."""
        needs = [constant + label[sink] - label[source] for source, sink, constant in self.ways]
        return max(needs) - min(needs)


@dataclass(frozen=True)
class DelayProblem:
    """Minimise ``sum(width * count * chain length)`` over labels ``r >= 0`` that respect every precedence.

    With one mode the constraint matrix is a network matrix (each row has one +1 and one -1, a chain length being one
    more node), so the optimum of the linear program is integral. With several, a node has a label in each mode,
    chains join them, and unequal taps cost ``MUX_COST`` a bit for each cycle by which they differ. Nodes in ``fixed``
    stay at 0.
    """

    nodes: tuple[str, ...]
    fixed: frozenset[str]
    precedences: tuple[Precedence, ...]
    chains: tuple[SharedRegisters, ...]
    taps: tuple[SharedTap, ...] = ()

    def register_bits(self, label: Mapping[str, int]) -> int:
        """Registers of given labels."""
        return sum(c.width_bits * c.count * c.registers(label) for c in self.chains)

    def cost(self, label: Mapping[str, int]) -> float:
        """Registers and multiplexers of given labels, in register bits."""
        return self.register_bits(label) + MUX_COST * sum(t.width_bits * t.count * t.differ(label) for t in self.taps)

    def respects(self, label: Mapping[str, int]) -> bool:
        return all(label[p.sink] - label[p.source] >= p.cycles for p in self.precedences)


def labelled(node: str, mode: int) -> str:
    """Name of a node's label in a mode."""
    return node if not mode else f"{node}'{mode}"


def delay_problem(netlist: Netlist) -> DelayProblem:
    """State delay matching of a folded netlist; all points of a region share their nodes' labels."""
    precedences: dict[tuple[str, str], int] = {}
    drivers: dict[str, list[Way]] = defaultdict(list)
    operands: dict[tuple[str, str, str], list[Way]] = defaultdict(list)
    present = {labelled(n.name, mode): n for mode in netlist.modes for n in netlist.nodes if n.op == "control"}
    for node, arc in netlist.arcs():
        if not arc.pairs:
            continue
        source, links = netlist.node[arc.source], netlist.links(node, arc)
        key = labelled(arc.source, arc.mode), labelled(node.name, arc.mode)
        present |= {key[0]: source, key[1]: node}
        assert links.least_cycles is not None
        needed = int(bool(arc.fifo)) - (links.least_cycles - source.latency_cycles)
        precedences[key] = max(precedences.get(key, needed), needed)
        if not arc.fifo:
            way = (key, links.producers, links.span_cycles - source.latency_cycles)
            drivers[arc.source].append(way)
            both = links.consumers * len(netlist.region[source.region].points) + links.producers
            operands[arc.source, node.name, arc.role].append((key, both, way[2]))
    return DelayProblem(
        tuple(present),
        frozenset(name for name, node in present.items() if node.op == "control"),
        tuple(Precedence(u, v, cycles) for (u, v), cycles in precedences.items()),
        tuple(
            SharedRegisters(netlist.node[name].width_bits, count, sinks)
            for name, ways in drivers.items()
            for sinks, count in _alike(ways)
        ),
        tuple(
            SharedTap(netlist.node[source].width_bits, count, ways)
            for (source, _, _), found in operands.items()
            if len({key for key, _, _ in found}) > 1
            for ways, count in _alike(found)
            if len(ways) > 1
        ),
    )


# Labels of source and sink; then, one a pair, what the pair belongs to and the constant of ``SharedRegisters``.
Way = tuple[tuple[str, str], Integers, Integers]


def _alike(ways: Sequence[Way]) -> Iterator[tuple[tuple[tuple[str, str, int], ...], int]]:
    """The largest constants that each owner of ways has, with how many owners have the same."""
    owners = np.concatenate([owner for _, owner, _ in ways])
    _, first, place = np.unique(owners, return_index=True, return_inverse=True)
    constants: dict[tuple[str, str], Integers] = {}
    begin = 0
    for key, owner, constant in ways:
        most = constants.setdefault(key, np.full(len(first), IDLE))
        np.maximum.at(most, place[begin : begin + len(owner)], constant)
        begin += len(owner)
    order = np.argsort(first)
    columns = [most[order] for most in constants.values()]
    classes = alike(columns, len(order))
    for row, count in zip(classes.first, classes.counts, strict=True):
        found = ((key, int(column[row])) for key, column in zip(constants, columns, strict=True))
        yield tuple((u, v, constant) for (u, v), constant in found if constant != IDLE), count


# A two-input multiplexer in register bits, as areas of common cell libraries have it.
MUX_COST = 0.4


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
    return with_labels(netlist, solve(delay_problem(netlist)))


def match_delays_asap(netlist: Netlist) -> Netlist:
    """Label every node as early as its operands allow: the plain back end that the linear program is compared with."""
    return with_labels(netlist, earliest(delay_problem(netlist)))


def with_labels(netlist: Netlist, label: Mapping[str, int]) -> Netlist:
    """The netlist with the labels of a solved problem."""
    return replace(
        netlist,
        labels=tuple(
            tuple((n.name, label[name]) for n in netlist.nodes if (name := labelled(n.name, mode)) in label)
            for mode in netlist.modes
        ),
    )


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
    """Optimal labels by linear programming; among equal costs the earliest labels.

    Several modes are an integer program, whose relaxation is integral but for rare cases.
    """
    floor = earliest(problem)
    label = _solve(problem, floor, whole=False)
    if any(abs(value - round(value)) > TOLERANCE for value in label.values()):
        label = _solve(problem, floor, whole=True)
    rounded = {name: round(value) for name, value in label.items()}
    assert problem.respects(rounded)
    return rounded


TOLERANCE = 1e-5


def _solve(problem: DelayProblem, floor: Mapping[str, int], *, whole: bool) -> dict[str, float]:
    lp = pulp.LpProblem("delay_matching", pulp.LpMinimize)
    horizon = max(floor.values(), default=0) + 1
    category = pulp.LpInteger if whole else pulp.LpContinuous
    r = {n: lp.add_variable(f"r{k}", lowBound=0, cat=category) for k, n in enumerate(problem.nodes)}
    # Ties go to the earliest labels, so that the result does not depend on the solver's path.
    scale = horizon * len(r) * 4
    terms = []
    for k, chain in enumerate(problem.chains):
        length = lp.add_variable(f"m{k}", lowBound=0)
        terms.append((length, chain.width_bits * chain.count * scale))
        for source, sink, constant in chain.sinks:
            if sink != source:
                lp += pulp.LpAffineExpression([(length, 1), (r[sink], -1), (r[source], 1)]) >= constant
            elif constant > 0:
                lp += length >= constant
    for k, tap in enumerate(problem.taps):
        high, low = lp.add_variable(f"h{k}", lowBound=0), lp.add_variable(f"l{k}", lowBound=0)
        weight = round(MUX_COST * tap.width_bits * tap.count * scale)
        terms += [(high, weight), (low, -weight)]
        for source, sink, constant in tap.ways:
            moved = [(r[sink], -1), (r[source], 1)] if sink != source else []
            lp += pulp.LpAffineExpression([(high, 1), *moved]) >= constant
            lp += pulp.LpAffineExpression([(low, 1), *moved]) <= constant
    lp += pulp.LpAffineExpression([*terms, *((v, 1) for v in r.values())])
    for name in problem.fixed:
        lp += r[name] == 0
    for p in problem.precedences:
        if p.source != p.sink:
            lp += pulp.LpAffineExpression([(r[p.sink], 1), (r[p.source], -1)]) >= p.cycles
    status = lp.solve(pulp.HiGHS(msg=False) if whole else pulp.HiGHS(msg=False, solver="ipm"))
    assert pulp.LpStatus[status] == "Optimal", pulp.LpStatus[status]
    return {n: float(v.value()) for n, v in r.items()}


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
    needs: dict[tuple[str, Point], dict[tuple[str, str], int]] = defaultdict(dict)
    for node, arc in netlist.arcs():
        source = netlist.node[arc.source]
        for consumer, producer, span in netlist.spans(node, arc):
            constant = span - source.latency_cycles
            link = node.region == source.region and consumer != producer
            kept = 0 if link else int(bool(arc.fifo)) - constant
            precedences.append(Precedence(name(source, producer), name(node, consumer), kept))
            if not arc.fifo:
                wanted = needs[arc.source, producer]
                way = name(source, producer), name(node, consumer)
                wanted[way] = max(constant, wanted.get(way, constant))
    return DelayProblem(
        tuple(name(node, point) for node in netlist.nodes for point in netlist.region[node.region].points),
        frozenset(name(n, p) for n in netlist.nodes if n.op == "control" for p in netlist.region[n.region].points),
        tuple(precedences),
        tuple(
            SharedRegisters(netlist.node[u].width_bits, 1, tuple((a, b, c) for (a, b), c in ways.items()))
            for (u, _), ways in needs.items()
        ),
    )
