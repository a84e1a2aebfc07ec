"""Ports and banks as primitives: wired banks beside their port, or a switch between all banks and all ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dataflow.dataflow import Point
from dataflow.feed import Feed
from dataflow.reuse import dot, space_matrix
from hw.builder import ORIGIN, Builder
from hw.carries import all_carries, port_carry
from hw.conditions import Address, Digit, InRange, Inside
from hw.generators import Generator
from hw.netlist import Arc, Pairs


class PortBuilder(Builder):
    """Adds what lies between address generators, banks and ports."""

    def reader(self, gen: Generator, want: str, wants: Mapping[Point, Point], width: int, suffix: str) -> str:
        """Ports of a bank set: wired banks next to their port, or a switch between all banks and all ports."""
        name, banking = f"{gen.name}_{suffix}", gen.banking
        if not banking.switched:
            region = self.wired_region(gen)
            carries = {unit: port_carry(gen, offset) for unit, offset in banking.ports}
            points = [unit for unit, _ in banking.ports]
            return self.add(
                name,
                region,
                "read",
                (
                    Arc(self.addresses(gen), "address", tuple((p, carries[p]) for p in points)),
                    Arc(want, "enable", tuple((p, wants[p]) for p in points)),
                ),
                width,
            )
        region, grid = self.switched_region(gen), banking.grid
        spread = self.spread(gen, f"{name}_at")
        lanes = tuple((offset, wants[unit]) for unit, offset in banking.ports)
        enable = self.rotate(gen, f"{name}_enable", want, lanes, 1, towards="banks")
        self.add(name, region, "read", (self.local(spread, "address", grid), self.local(enable, "enable", grid)), width)
        turned = self.rotate(gen, f"{name}_turned", name, tuple((b, b) for b in grid), width, towards="ports")
        return self.add(
            f"{name}_port",
            self.ports_region(gen),
            "lane",
            (Arc(turned, "value", banking.ports),),
            width,
        )

    def wired_region(self, gen: Generator) -> str:
        name = f"{gen.name}_bank"
        self.region(name, (unit for unit, _ in gen.banking.ports), skewed=True)
        return name

    def switched_region(self, gen: Generator) -> str:
        name = f"{gen.name}_bank"
        self.region(name, gen.banking.grid, skewed=False)
        return name

    def ports_region(self, gen: Generator) -> str:
        name = f"{gen.name}_ports"
        self.region(name, (unit for unit, _ in gen.banking.ports), skewed=False)
        return name

    def addresses(self, gen: Generator) -> str:
        carries = (
            dict.fromkeys(all_carries(gen.banking.switch))
            if gen.banking.switched
            else dict.fromkeys(port_carry(gen, offset) for _, offset in gen.banking.ports)
        )
        return self.control(f"{gen.name}_address", {c: Address(gen.name, c) for c in carries}, gen.address_bits)

    def grid_region(self, gen: Generator) -> str:
        name = f"{gen.name}_grid"
        self.region(name, gen.banking.grid, skewed=False)
        return name

    def digits(self, gen: Generator) -> tuple[Arc, ...]:
        """The bank digits that steer a switch, read at its first place."""
        arcs = []
        for r in gen.rotating:
            node = self.control(
                f"{gen.name}_digit{r}", {ORIGIN: Digit(gen.name, r, gen.digit_bits(r))}, gen.digit_bits(r)
            )
            arcs.append(self.from_one(node, f"digit{r}", gen.banking.grid[:1]))
        return tuple(arcs)

    def spread(self, gen: Generator, name: str) -> str:
        """The in-bank address of every bank of a switched set."""
        first, addresses = gen.banking.grid[0], self.addresses(gen)
        args = [Arc(addresses, f"carry{j}", ((first, c),)) for j, c in enumerate(all_carries(gen.banking.switch))]
        return self.add(
            name,
            self.grid_region(gen),
            "spread",
            (*args, *self.digits(gen)),
            gen.address_bits,
            switch=gen.banking.switch,
        )

    def rotate(self, gen: Generator, name: str, source: str, lanes: Pairs, width: int, *, towards: str) -> str:
        """Bring what belongs to port offsets to the banks that serve them, or back; ``lanes`` is (place, producer)."""
        return self.add(
            name,
            self.grid_region(gen),
            "rotate",
            (Arc(source, "lane", tuple(lanes)), *self.digits(gen)),
            width,
            towards=towards,
            switch=gen.banking.switch,
        )

    def masked(self, gen: Generator, feed: Feed, value: str, width: int, ports: Sequence[Point]) -> str:
        """0 where the element lies outside a padded tensor or the iteration outside the nest."""
        bits = self.range_bits(gen, ports)
        # Zero times what lies behind a tensor's end in a bank may be NaN.
        bits += self.inside_bits(() if self.nest.floating else feed.masked, ports)
        if not bits:
            return value
        region = self.nodes[value].region
        return self.add(f"{gen.name}_data", region, "mask", (self.local(value, "value", ports), *bits), width)

    def range_bits(self, gen: Generator, ports: Sequence[Point]) -> list[Arc]:
        arcs = []
        rows = space_matrix(gen.access, self.dataflow)
        for r in gen.ranged:
            offsets = {p: dot(rows[r], p) for p in ports}
            node = self.control(
                f"{gen.name}_in_range{r}",
                {(o,): InRange(gen.name, r, o) for o in sorted(set(offsets.values()))},
            )
            arcs.append(Arc(node, "bit", tuple((p, (offsets[p],)) for p in ports)))
        return arcs

    def inside_bits(self, loops: Sequence[str], points: Sequence[Point]) -> list[Arc]:
        arcs = []
        for loop in loops:
            size = self.dataflow.size(loop)
            level, axis = self.dataflow.order.index(loop), self.axis[loop]
            node = self.control(f"inside_{loop}", {(n,): Inside(level, axis, n) for n in range(size)})
            arcs.append(Arc(node, "bit", tuple((p, (p[axis],)) for p in points)))
        return arcs
