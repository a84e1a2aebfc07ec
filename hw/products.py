"""The product of a functional unit on wires: integers, significands with a shift, or floating point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from dataflow.architecture import Plan
from dataflow.dataflow import Point
from dataflow.feed import Feed
from hw.factoring import shifted_apart, significand_bits
from hw.passes.widths import bits_of
from hw.ports import PortBuilder
from workloads.formats import FORMATS, Format
from workloads.functional_units.product import UNIT as PRODUCT


class ProductBuilder(PortBuilder):
    """Adds what multiplies operands, in each functional unit and behind adder trees.

    Attributes
    ----------
    factors : int
        Factors that the functional unit multiplies in any dataflow of the array.
    slots : mapping of slot to Format
        Formats of floating-point operands at the multipliers.
    deferred : mapping of slot to int
        Factors that multiply behind an adder tree, with its stage.
    """

    def __init__(self, plan: Plan, factors: int, slots: Mapping[int, Format], deferred: Mapping[int, int]) -> None:
        super().__init__(plan)
        self.factors, self.slots, self.deferred = factors, slots, deferred

    def product(self) -> str:
        """The term of the body: one node a step of a folding unit, else one node for all of it.

        Factors that all terms of an adder tree share are left for after the tree.
        """
        units, unit = self.dataflow.units, self.nest.unit
        feeds = {feed.slot: feed for feed in self.plan.feeds if feed.slot not in self.deferred}
        names = {slot: self.number(feed, "fu", units) for slot, feed in feeds.items()}
        if self.nest.floating:
            return self.float_product(feeds)
        last = max(self.factors if unit == PRODUCT else 0, 1 + max(names))
        first = min(names)
        steps = [[k] for k in range(first + 1, last)] if unit.folds else [list(range(1, last))]
        value = names[first]
        for others in steps:
            if unit.folds and others[0] in self.deferred:
                continue
            given = [value, *(names.get(slot) for slot in others)]
            value = self.add(
                f"product{others[0] - 1}" if unit == PRODUCT else f"term{others[0] - 1}_{unit.name}",
                "fu",
                "multiply" if unit == PRODUCT else "compute",
                (self.local(n, role, units) for n, role in zip(given, unit.operands, strict=True) if n),
                self.output_bits,
                unit=unit,
            )
        value = self.shifted(value, "power", feeds.values(), "fu", units)
        if self.nest.coefficient != 1:
            value = self.add(
                "scaled",
                "fu",
                "multiply",
                (self.local(value, "a", units),),
                self.output_bits,
                constant=self.nest.coefficient,
            )
        return value

    def float_product(self, feeds: Mapping[int, Feed]) -> str:
        """The factors from left to right, then the coefficient, each product rounded to fp32."""
        units, fp32 = self.dataflow.units, FORMATS["fp32"]
        value, held = self.widened(feeds[0]), self.slots[0]
        for slot, feed in sorted(feeds.items())[1:]:
            other = self.slots[slot]
            args = (self.local(value, "a", units), self.local(self.widened(feed), "b", units))
            value = self.add(f"product{slot - 1}", "fu", "float_multiply", args, fp32.bits, formats=(held, other))
            held = fp32
        if self.nest.coefficient != 1 or held != fp32:
            code = int(fp32.codes(np.array([self.nest.coefficient], np.float32))[0])
            args_of_one = (self.local(value, "a", units),)
            formats = (held, fp32)
            value = self.add("scaled", "fu", "float_multiply", args_of_one, fp32.bits, formats=formats, constant=code)
        return value

    def widened(self, feed: Feed) -> str:
        """The operand's code in its slot's format, which holds every number of its own."""
        source, units = f"{feed.operand}_in", self.dataflow.units
        held, wide = self.nest.tensor(feed.access.tensor).format, self.slots[feed.slot]
        if held == wide:
            return source
        args = (self.local(source, "code", units),)
        return self.add(f"{feed.operand}_{held}_as_{wide}", "fu", "widen", args, wide.bits, formats=(held, wide))

    def number(self, feed: Feed, region: str, points: Sequence[Point]) -> str:
        """The operand as an integer: as it is, or decoded from its code; without a power of two that is apart."""
        source = f"{feed.operand}_in"
        held = self.nest.tensor(feed.access.tensor).format
        if held.encoding is None or self.nest.floating:
            return source
        name = f"{feed.operand}_{held}" + ("" if region == "fu" else f"_{region}")
        if self.apart(held):
            args = (self.local(source, "code", points),)
            return self.add(f"{name}_significand", region, "significand", args, significand_bits(held), format=held)
        width = bits_of((-held.most_steps, held.most_steps))
        return self.add(name, region, "decode", (self.local(source, "code", points),), width, format=held)

    def multiplied(self, value: str, stage: int, region: str, points: Sequence[Point]) -> str:
        """The sum of a tree times the factors that all its terms share."""
        feeds = [feed for feed in self.plan.feeds if self.deferred.get(feed.slot) == stage]
        for feed in feeds:
            factor = self.number(feed, region, points)
            args = (self.local(value, "a", points), self.local(factor, "b", points))
            value = self.add(f"outer{stage}_{feed.slot}", region, "multiply", args, self.output_bits, unit=PRODUCT)
        return self.shifted(value, f"outer{stage}_power", feeds, region, points)

    def shifted(self, value: str, name: str, feeds: Iterable[Feed], region: str, points: Sequence[Point]) -> str:
        """A product times the powers of two of those factors that came into it as significands."""
        args = [self.local(value, "value", points)]
        for feed in feeds:
            held = self.nest.tensor(feed.access.tensor).format
            if self.apart(held):
                assert held.encoding is not None
                power = self.add(
                    f"{feed.operand}_{held}" + ("" if region == "fu" else f"_{region}") + "_power",
                    region,
                    "power",
                    (self.local(f"{feed.operand}_in", "code", points),),
                    held.encoding.exponent_bits,
                    format=held,
                )
                args.append(self.local(power, f"by{feed.slot}", points))
        return self.add(name, region, "shift", args, self.output_bits) if args[1:] else value

    def apart(self, held: Format) -> bool:
        """True for a format whose significand multiplies first; other units than the product need whole numbers."""
        return self.nest.unit == PRODUCT and not self.nest.floating and shifted_apart(held)
