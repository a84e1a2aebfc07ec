"""Shared reducer pins: the reducers and collectors of several dataflows become one set, a multiplexer for an adder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product

import pulp

from dataflow.dataflow import Point
from hw.netlist import Arc, Netlist, Node, Region
from hw.passes.delay_matching import MUX_COST

# An adder with the register behind it, in register bits, as areas of common cell libraries have it.
ADDER_COST = 2.0

Wire = tuple[object, ...]
Moves = tuple[Mapping[Point, Point], ...]


@dataclass(frozen=True)
class Group:
    """What stands at one point in one mode.

    Attributes
    ----------
    adder_bits : mapping of node to bits
    wires : mapping of wire to bits
        Operands that come from elsewhere and operands elsewhere that come from here.
    """

    adder_bits: Mapping[str, int]
    wires: Mapping[Wire, int]


@dataclass(frozen=True)
class SharingProblem:
    """Put the groups of every mode on slots, at most one of each mode on a slot, at the least cost.

    A slot has the adders of its largest group, and a multiplexer input for each wire of any of its groups. Slots are
    equal, so that the groups of the first mode, which has the most, stay where they are.
    """

    modes: tuple[tuple[Group, ...], ...]

    def cost(self, slots: Sequence[Sequence[int]]) -> float:
        """Adders and multiplexer inputs in register bits, for the slot of each group of each mode."""
        total = 0.0
        for slot in range(len(self.modes[0])):
            here = [
                groups[places.index(slot)]
                for groups, places in zip(self.modes, map(list, slots), strict=True)
                if slot in places
            ]
            for node in {n for group in here for n in group.adder_bits}:
                total += ADDER_COST * max(group.adder_bits.get(node, 0) for group in here)
            total += MUX_COST * sum({wire: bits for group in here for wire, bits in group.wires.items()}.values())
        return total


def solve(problem: SharingProblem) -> tuple[tuple[int, ...], ...]:
    """The cheapest slots by a 0-1 program.

    With two modes it is an assignment problem, whose relaxation is integral.
    """
    first, *others = problem.modes
    lp = pulp.LpProblem("shared_pins", pulp.LpMinimize)
    slots = range(len(first))
    chosen = [
        [[lp.add_variable(f"x{m}_{g}_{r}", cat=pulp.LpBinary) for r in slots] for g in range(len(groups))]
        for m, groups in enumerate(others)
    ]
    terms = []
    for x in chosen:
        for row in x:
            lp += pulp.lpSum(row) == 1
        for r in slots:
            lp += pulp.lpSum(row[r] for row in x) <= 1
    for r in slots:
        shared: dict[tuple[str, Wire | str], list[tuple[pulp.LpVariable, int]]] = defaultdict(list)
        for x, groups in zip(chosen, others, strict=True):
            for row, group in zip(x, groups, strict=True):
                for node, bits in group.adder_bits.items():
                    if (more := bits - first[r].adder_bits.get(node, 0)) > 0:
                        shared["adder", node].append((row[r], more))
                for wire, bits in group.wires.items():
                    if wire not in first[r].wires:
                        shared["wire", wire].append((row[r], bits))
        for k, ((what, _), uses) in enumerate(shared.items()):
            price = ADDER_COST if what == "adder" else MUX_COST
            if len(others) == 1 or len(uses) == 1:
                # At most one of them is on the slot, so that nothing is shared with another.
                terms += [(variable, price * bits) for variable, bits in uses]
                continue
            needed = lp.add_variable(f"n{r}_{k}", lowBound=0)
            terms.append((needed, price))
            for variable, bits in uses:
                lp += needed >= bits * variable
    # Ties go to the earlier slots, so that the result does not depend on the solver's path.
    scale = 1e-6 / (1 + len(first)) ** 2
    ties = [(v, scale * abs(g - r)) for x in chosen for g, row in enumerate(x) for r, v in enumerate(row)]
    lp += pulp.lpSum(weight * variable for variable, weight in [*terms, *ties])
    status = lp.solve(pulp.HiGHS(msg=False, gapRel=0))
    assert pulp.LpStatus[status] == "Optimal", pulp.LpStatus[status]
    return (tuple(slots), *(tuple(_chosen(row) for row in x) for x in chosen))


def _chosen(row: Sequence[pulp.LpVariable]) -> int:
    return next(k for k, variable in enumerate(row) if (variable.value() or 0) > 0.5)


def cheapest_by_trying(problem: SharingProblem) -> float:
    """The least cost over all placements of all groups: the oracle."""
    first, *others = problem.modes
    slots = tuple(range(len(first)))
    ways = [list(permutations(slots, len(groups))) for groups in others]
    return min(problem.cost((slots, *choice)) for choice in product(*ways))


def share_pins(netlist: Netlist) -> Netlist:
    """Let modes share reducers and collectors that stand at different points, and reducers' pins.

    Which group of terms a mode sums in which reducer is free, and so is the pin of each term. A 0-1 program places the
    groups, a second one the terms of those that meet in one reducer. Points of functional units, banks and switches
    stay: only wires to and from what moves become longer, by as much as the array is large, as for a broadcast.
    """
    if len(netlist.plans) == 1:
        return netlist
    for regions in _movable(netlist):
        netlist = _moved(netlist, regions)
    return netlist.with_nodes({n.name: _pinned(n) for n in netlist.nodes if n.op == "reduce"})


def _movable(netlist: Netlist) -> tuple[tuple[str, ...], ...]:
    """Regions of reducers and collectors, those together that have the same points in every mode."""
    found: dict[tuple[object, ...], list[str]] = {}
    for region in netlist.regions:
        if region.name.startswith("tree") or region.name == "collector":
            present = tuple(
                frozenset(p for p, o in zip(region.points, offsets, strict=True) if o is not None)
                for offsets in region.offsets
            )
            found.setdefault(present, []).append(region.name)
    return tuple(tuple(names) for names in found.values())


def _moved(netlist: Netlist, names: tuple[str, ...]) -> Netlist:
    regions = [netlist.region[name] for name in names]
    present = {
        mode: [p for p, o in zip(regions[0].points, offsets, strict=True) if o is not None]
        for mode, offsets in enumerate(regions[0].offsets)
    }
    order = sorted((m for m in present if present[m]), key=lambda m: (-len(present[m]), m))
    if len(order) < 2:
        return netlist
    groups = _groups(netlist, names)
    problem = SharingProblem(tuple(tuple(groups[mode, p] for p in present[mode]) for mode in order))
    slots = solve(problem)
    home = present[order[0]]
    moves: list[Mapping[Point, Point]] = [{} for _ in netlist.modes]
    for mode, places in zip(order, slots, strict=True):
        moves[mode] = {p: home[slot] for p, slot in zip(present[mode], places, strict=True)}
    return _with_moves(netlist, frozenset(names), tuple(moves), home)


def _groups(netlist: Netlist, names: Sequence[str]) -> dict[tuple[int, Point], Group]:
    """By mode and point: adders that stand there, and wires that come and go."""
    adders: dict[tuple[int, Point], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    wires: dict[tuple[int, Point], dict[Wire, int]] = defaultdict(dict)
    for node, arc in netlist.arcs():
        source = netlist.node[arc.source]
        here, there = node.region in names, source.region in names
        for consumer, producer in arc.pairs:
            if here and node.op in ("reduce", "add"):
                adders[arc.mode, consumer][node.name] += node.width_bits
            if here and not there:
                role = "term" if node.op == "reduce" else arc.role
                wires[arc.mode, consumer][node.name, role, arc.source, producer] = source.width_bits
            elif there and not here:
                wires[arc.mode, producer][arc.source, node.name, arc.role, consumer] = source.width_bits
    found = {}
    for mode, offsets in enumerate(netlist.region[names[0]].offsets):
        for point, offset in zip(netlist.region[names[0]].points, offsets, strict=True):
            if offset is not None:
                found[mode, point] = Group(dict(adders[mode, point]), dict(wires[mode, point]))
    return found


def _with_moves(netlist: Netlist, names: frozenset[str], moves: Moves, home: Sequence[Point]) -> Netlist:
    """The netlist with everything in some regions at other points."""

    def region(r: Region) -> Region:
        back = [{place: p for p, place in moved.items()} for moved in moves]
        place = {p: k for k, p in enumerate(r.points)}
        offsets = tuple(
            tuple(found[place[origin[p]]] if p in origin else None for p in home)
            for origin, found in zip(back, r.offsets, strict=True)
        )
        return replace(r, points=tuple(home), offsets=offsets)

    def arc(a: Arc, node: Node) -> Arc:
        moved, still = moves[a.mode], dict[Point, Point]()
        to = moved if node.region in names else still
        of = moved if netlist.node[a.source].region in names else still
        return replace(a, pairs=tuple((to.get(c, c), of.get(p, p)) for c, p in a.pairs))

    return replace(
        netlist,
        regions=tuple(region(r) if r.name in names else r for r in netlist.regions),
        nodes=tuple(replace(n, args=tuple(arc(a, n) for a in n.args)) for n in netlist.nodes),
    )


Term = tuple[str, Point]


def _pinned(node: Node) -> Node:
    """The reducer with its terms on other pins, those of several modes on the same wherever that can be."""
    terms: dict[Point, dict[int, dict[Term, Arc]]] = defaultdict(lambda: defaultdict(dict))
    for arc in node.args:
        for consumer, producer in arc.pairs:
            terms[consumer][arc.mode][arc.source, producer] = arc
    pairs: dict[tuple[int, str, int, int, str | None], list[tuple[Point, Point]]] = defaultdict(list)
    for consumer, by_mode in terms.items():
        pins = place_terms([tuple(found) for found in by_mode.values()])
        for (mode, found), chosen in zip(by_mode.items(), pins, strict=True):
            for (source, producer), pin in zip(found, chosen, strict=True):
                arc = found[source, producer]
                pairs[pin, source, mode, arc.time_cycles, arc.fifo].append((consumer, producer))
    args = (
        Arc(source, f"term{pin}", tuple(sorted(found)), time_cycles, fifo, mode)
        for (pin, source, mode, time_cycles, fifo), found in sorted(pairs.items(), key=lambda item: item[0][:4])
    )
    return replace(node, args=tuple(args))


def place_terms(modes: Sequence[Sequence[Term]]) -> list[tuple[int, ...]]:
    """The pin of each term of each mode, with the fewest different terms on the pins.

    Two modes meet wherever they share a term; more of them are a 0-1 program. Pins on which modes meet in the same way
    stand together, in the same order in every reducer, so that reducers that look alike are one module.
    """
    pins = _placed(modes)
    on: dict[int, list[Term | None]] = {pin: [None] * len(modes) for chosen in pins for pin in chosen}
    for mode, (terms, chosen) in enumerate(zip(modes, pins, strict=True)):
        for term, pin in zip(terms, chosen, strict=True):
            on[pin][mode] = term

    def look(pin: int) -> tuple[int, ...]:
        found = on[pin]
        return tuple(len(modes) if term is None else found.index(term) for term in found)

    place = {pin: k for k, pin in enumerate(sorted(on, key=lambda pin: (look(pin), pin)))}
    return [tuple(place[pin] for pin in chosen) for chosen in pins]


def _placed(modes: Sequence[Sequence[Term]]) -> list[tuple[int, ...]]:
    order = sorted(range(len(modes)), key=lambda m: (-len(modes[m]), m))
    first = {term: pin for pin, term in enumerate(modes[order[0]])}
    different = {frozenset(terms) for terms in modes}
    if len(different) > 2:
        return _terms_by_program(modes, order, first)
    found: dict[int, tuple[int, ...]] = {}
    for mode in order:
        free = iter(pin for term, pin in first.items() if term not in modes[mode])
        found[mode] = tuple(first[term] if term in first else next(free) for term in modes[mode])
    return [found[mode] for mode in range(len(modes))]


def _terms_by_program(
    modes: Sequence[Sequence[Term]], order: Sequence[int], first: Mapping[Term, int]
) -> list[tuple[int, ...]]:
    lp = pulp.LpProblem("terms", pulp.LpMinimize)
    pins = range(len(first))
    used = {
        (term, pin): lp.add_variable(f"u{k}_{pin}", lowBound=0)
        for k, term in enumerate(dict.fromkeys(term for terms in modes for term in terms))
        for pin in pins
        if first.get(term) != pin
    }
    chosen = {
        (mode, term): [lp.add_variable(f"x{mode}_{k}_{pin}", cat=pulp.LpBinary) for pin in pins]
        for mode in order[1:]
        for k, term in enumerate(modes[mode])
    }
    for (_, term), x in chosen.items():
        lp += pulp.lpSum(x) == 1
        for pin in pins:
            if (term, pin) in used:
                lp += used[term, pin] >= x[pin]
    for mode in order[1:]:
        for pin in pins:
            lp += pulp.lpSum(chosen[mode, term][pin] for term in modes[mode]) <= 1
    lp += pulp.lpSum(used.values())
    status = lp.solve(pulp.HiGHS(msg=False, gapRel=0))
    assert pulp.LpStatus[status] == "Optimal", pulp.LpStatus[status]
    found = {order[0]: tuple(first[term] for term in modes[order[0]])}
    for mode in order[1:]:
        found[mode] = tuple(_chosen(chosen[mode, term]) for term in modes[mode])
    return [found[mode] for mode in range(len(modes))]


def inputs_of(modes: Sequence[Sequence[Term]], pins: Sequence[Sequence[int]]) -> int:
    """Different terms on all pins."""
    return len({pair for terms, chosen in zip(modes, pins, strict=True) for pair in zip(terms, chosen, strict=True)})


def fewest_inputs_by_trying(modes: Sequence[Sequence[Term]]) -> int:
    """The same, the fewest over all pins of all terms: the oracle."""
    most = max(len(terms) for terms in modes)
    ways: Iterator[tuple[tuple[int, ...], ...]] = product(*(permutations(range(most), len(t)) for t in modes))
    return min(inputs_of(modes, choice) for choice in ways)
