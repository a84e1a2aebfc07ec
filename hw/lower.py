"""Architecture -> netlist: every link, port, bank and switch as primitives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dataflow.architecture import Plan
from dataflow.dataflow import Point
from dataflow.feed import Feed, minus
from dataflow.reuse import dot
from hw.builder import ORIGIN
from hw.carries import port_carry
from hw.conditions import (
    All,
    AtLeast,
    Condition,
    Flag,
    GuardHolds,
    Last,
    NoneOf,
    Step,
    Zero,
)
from hw.factoring import deferred_factors
from hw.generators import Generator, generator
from hw.latencies import reduce_latency_cycles
from hw.netlist import Arc, Netlist, Pairs
from hw.products import ProductBuilder
from hw.supported_formats import UnsupportedError, slot_formats, unsupported_formats
from workloads.formats import Format
from workloads.nest import Access, Tensor


def lower(
    plan: Plan, name: str, *, factors: int = 0, slots: Mapping[int, Format] | None = None, gate: bool = False
) -> tuple[Netlist, tuple[Generator, ...]]:
    """Build the netlist of one dataflow, every wire as wide as the output's format.

    Parameters
    ----------
    factors
        Factors that the functional unit multiplies, where another dataflow needs more than this one.
    slots
        Formats of floating-point operands at the multipliers, where other dataflows have other ones.
    gate
        Put a gate behind the product even where this dataflow needs none.

    Raises
    ------
    UnsupportedError
        A tensor's format has no functional unit; lists every such tensor.
    """
    if faults := tuple(unsupported_formats(plan.nest)):
        raise UnsupportedError("\n".join(faults))
    return _Lowering(plan, factors, slots or slot_formats([plan]), gate).netlist(name)


class _Lowering(ProductBuilder):
    """Walks the plan from the ports to the write."""

    def __init__(self, plan: Plan, factors: int, slots: Mapping[int, Format], gate: bool) -> None:
        super().__init__(plan, factors, slots, deferred_factors(plan))
        self.gate = gate

    def netlist(self, name: str) -> tuple[Netlist, tuple[Generator, ...]]:
        self.region("fu", self.dataflow.units, skewed=True)
        for feed in self.plan.feeds:
            self.operand(feed.slot + 1, feed)
        total = self.reduction(self.gated(self.product()))
        self.output(total)
        netlist = Netlist(name, (self.plan,), tuple(self.regions.values()), tuple(self.nodes.values()))
        return netlist, tuple(self.generators)

    def operand(self, number: int, feed: Feed) -> None:
        name, access, banking = feed.operand, feed.access, feed.banking
        tensor = self.nest.tensor(access.tensor)
        width = tensor.format.bits
        gen = generator(name, number, self.plan, access, banking, ranged=_ranged(access, tensor, self.plan))
        self.generators.append(gen)
        roots = feed.roots
        usable = {
            unit: tuple(i for i, s in enumerate(feed.delayed) if self.dataflow.contains(minus(unit, s.space)))
            for unit in roots
        }
        arrivals: list[Condition] = []
        for i, step in enumerate(feed.delayed):
            tests = tuple(AtLeast(k, steps) for k, steps in enumerate(step.time) if steps)
            arrivals.append(All((Flag(f"{name}_link{i}_on"), *tests)))
            self.control(f"{name}_from{i}", {ORIGIN: arrivals[i]})
        loading = tuple(Zero(k) for k in self.held_levels(feed.held))
        variants = {u: (j,) for j, u in enumerate(dict.fromkeys(usable.values()))}
        self.control(
            f"{name}_want",
            {
                point: All((Step(), *loading, *((NoneOf(tuple(arrivals[i] for i in u)),) if u else ())))
                for u, point in variants.items()
            },
        )
        value = self.reader(gen, f"{name}_want", {unit: variants[usable[unit]] for unit in roots}, width, "read")
        value = self.masked(gen, feed, value, width, roots)

        args = [self.local(value, "port", roots)]
        if feed.keeps:
            self.control(f"{name}_load", {ORIGIN: All((Step(), *loading))})
            args.append(self.from_one(f"{name}_load", "load", roots))
        for i, step in enumerate(feed.delayed):
            users = [unit for unit in roots if i in usable[unit]]
            args.append(self.from_one(f"{name}_from{i}", f"from{i}", users))
            args.append(
                Arc(
                    f"{name}_in",
                    f"delayed{i}",
                    tuple((unit, minus(unit, step.space)) for unit in users),
                    dot(self.weights, step.time),
                    f"{name}_link{i}_cycles" if self.programmable(step.time) else None,
                )
            )
        args += self.direct(feed)
        self.add(f"{name}_in", "fu", "source", (a for a in args if a.pairs), width, latency=0)

    def programmable(self, time: Point) -> bool:
        """True if the delay depends on run-time extents or idle cycles."""
        return any(time[:-1]) or self.plan.drain.gap_level == self.levels - 1

    def direct(self, feed: Feed) -> list[Arc]:
        """Wires from a neighbour one hop away, and from the unit at the head of a broadcast."""
        hops: list[tuple[Point, Point]] = []
        broadcasts: list[tuple[Point, Point]] = []
        heads: dict[Point, Point] = {}

        def head(unit: Point) -> Point:
            chain = []
            while unit not in heads:
                step = feed.parent[unit]
                if step is None or dot(self.dataflow.skew, step.space):
                    heads[unit] = unit
                    break
                chain.append(unit)
                unit = minus(unit, step.space)
            for member in chain:
                heads[member] = heads[unit]
            return heads[unit]

        for unit, step in feed.parents:
            if step is None:
                continue
            if dot(self.dataflow.skew, step.space):
                hops.append((unit, minus(unit, step.space)))
            else:
                broadcasts.append((unit, head(unit)))
        source = f"{feed.operand}_in"
        return [Arc(source, "hop", tuple(hops)), Arc(source, "broadcast", tuple(broadcasts))]

    def gated(self, value: str) -> str:
        """The reduction's identity where a guard fails, or outside the nest where no operand is masked for it."""
        units = self.dataflow.units
        guarded = self.plan.drain.guarded
        outside = tuple(loop for loop, _ in self.dataflow.space if loop not in guarded)
        # A zero factor does not make any floating-point product zero.
        bits = self.inside_bits(outside if self.nest.floating else self.plan.gated, units)
        for g, guard in enumerate(self.nest.guards):
            loops = tuple(loop for loop in guard.loops if loop in self.axis)
            keys = {unit: tuple(unit[self.axis[loop]] for loop in loops) for unit in units}
            node = self.control(
                f"guard{g}",
                {key: GuardHolds(g, tuple(zip(loops, key, strict=True))) for key in dict.fromkeys(keys.values())},
            )
            bits.append(Arc(node, "bit", tuple(keys.items())))
        if not bits and not self.gate and (self.nest.dense or self.nest.ignores_zeros):
            return value
        args = (self.local(value, "value", units), *bits)
        return self.add("gated", "fu", "mask", args, self.output_bits, by=self.nest.reduction)

    # Output

    def reduction(self, value: str) -> str:
        for k, stage in enumerate(self.plan.drain.stages):
            if stage.tree:
                region = f"tree{k}"
                self.region(region, stage.ends, skewed=True)
                most = max(len(group) for group in stage.groups)
                args = [
                    Arc(value, f"term{n}", tuple((g[-1], g[n]) for g in stage.groups if n < len(g)))
                    for n in range(most)
                ]
                value = self.add(
                    f"sum{k}",
                    region,
                    "reduce",
                    args,
                    self.output_bits,
                    latency=reduce_latency_cycles(most, balanced=self.nest.floating),
                    # The order of a floating-point sum is part of its meaning, so no pass may change it.
                    balanced=self.nest.floating,
                    by=self.nest.reduction,
                    floating=self.nest.floating,
                )
                value = self.multiplied(value, k, region, stage.ends)
                continue
            region = "fu"
            if stage.points != self.dataflow.units:
                region = f"chain{k}"
                self.region(region, stage.points, skewed=True)
            links: Pairs = tuple(pair for g in stage.groups for pair in zip(g[1:], g, strict=False))
            value = self.add(
                f"sum{k}",
                region,
                "add",
                (self.local(value, "a", stage.points), Arc(f"sum{k}", "b", links)),
                self.output_bits,
                by=self.nest.reduction,
                floating=self.nest.floating,
            )
        return value

    def output(self, value: str) -> None:
        plan, drain = self.plan, self.plan.drain
        access, points, bits = drain.access, drain.collectors, self.output_bits
        ranged = tuple(range(len(access.index))) if drain.start == "memory" else ()
        gen = generator(drain.operand, 0, plan, access, drain.banking, ranged=ranged)
        self.generators.append(gen)
        name, held = gen.name, self.held_levels(drain.held)
        begin = tuple(Zero(k) for k in held)
        region = "fu"
        if points != self.dataflow.units:
            region = "collector"
            self.region(region, points, skewed=True)

        back = self.read_back(gen, begin, points)
        if held:
            self.control(f"{name}_start", {ORIGIN: All(begin)})
            select = [self.from_one(f"{name}_start", "start", points)]
            if back:
                select.append(self.local(back, "first", points))
            select.append(Arc(f"{name}_sum", "again", tuple((p, p) for p in points), 1))
            self.add(f"{name}_partial", region, "select", select, bits, by=self.nest.reduction)
            back = f"{name}_partial"
        if back or self.nest.floating:
            value = self.add(
                f"{name}_sum",
                region,
                "add",
                (self.local(value, "a", points), *([self.local(back, "b", points)] if back else [])),
                bits,
                by=self.nest.reduction,
                floating=self.nest.floating,
            )
        self.write(gen, value, All((Step(), *(Last(k) for k in held))), points)

    def read_back(self, gen: Generator, begin: tuple[Condition, ...], points: Sequence[Point]) -> str | None:
        """The sum at which an accumulation starts, or none where that is always the reduction's identity."""
        drain, name = self.plan.drain, gen.name
        if not drain.reads_back:
            return None
        again: tuple[Condition, ...] = ()
        if drain.start == "spilled":
            fresh = All((*(Zero(k) for k in drain.spilled), NoneOf((Flag("accumulate"),))))
            again = (NoneOf((fresh,)),)
        self.control(f"{name}_want", {ORIGIN: All((Step(), *begin, *again))})
        value = self.reader(gen, f"{name}_want", dict.fromkeys(points, ORIGIN), self.output_bits, "read")
        if again:
            self.control(f"{name}_again", {ORIGIN: All(again)})
            value = self.add(
                f"{name}_back",
                self.nodes[value].region,
                "mask",
                (self.local(value, "value", points), self.from_one(f"{name}_again", "bit", points)),
                self.output_bits,
                by=self.nest.reduction,
            )
        return value

    def write(self, gen: Generator, value: str, emit: Condition, points: Sequence[Point]) -> None:
        name, banking, bits = gen.name, gen.banking, self.output_bits
        self.control(f"{name}_emit", {ORIGIN: emit})
        where = self.ports_region(gen) if banking.switched else self.wired_region(gen)
        enable = self.add(
            f"{name}_enable",
            where,
            "all",
            (
                self.from_one(f"{name}_emit", "bit", points),
                *self.inside_bits(self.plan.drain.guarded, points),
                *self.range_bits(gen, points),
            ),
            1,
        )
        if not banking.switched:
            carries = {unit: port_carry(gen, offset) for unit, offset in banking.ports}
            self.add(
                f"{name}_write",
                where,
                "write",
                (
                    self.local(value, "data", points),
                    Arc(self.addresses(gen), "address", tuple((p, carries[p]) for p in points)),
                    self.local(enable, "enable", points),
                ),
                bits,
            )
            return
        region, grid = self.switched_region(gen), banking.grid
        self.add(f"{name}_lane", where, "lane", (self.local(value, "value", points),), bits)
        lanes = tuple((offset, unit) for unit, offset in banking.ports)
        data = self.rotate(gen, f"{name}_route", f"{name}_lane", lanes, bits, towards="banks")
        commit = self.rotate(gen, f"{name}_commit", enable, lanes, 1, towards="banks")
        spread = self.spread(gen, f"{name}_write_at")
        self.add(
            f"{name}_write",
            region,
            "write",
            (self.local(data, "data", grid), self.local(spread, "address", grid), self.local(commit, "enable", grid)),
            bits,
        )


def _ranged(access: Access, tensor: Tensor, plan: Plan) -> tuple[int, ...]:
    """Dimensions of a padded tensor whose index can leave it."""
    if not tensor.padded:
        return ()
    return tuple(
        r
        for r, index in enumerate(access.index)
        if index.bounds(plan.nest.extents)[0] < 0 or index.bounds(plan.nest.extents)[1] >= tensor.shape[r]
    )
