"""The architecture (ADG): functional units, links, ports, banks and switches of a dataflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from dataflow.banking import check_limit
from dataflow.dataflow import Dataflow, Point
from dataflow.drain import Drain, drain
from dataflow.feed import Feed, LinkCosts, feed
from workloads.nest import Nest

MOST_BANKS = 16384


@dataclass(frozen=True)
class Plan:
    """One nest under one dataflow: who feeds whom.

    Attributes
    ----------
    limits : tuple of (loop, extent)
        The largest extents of one run that the hardware is built for.
    gated : tuple of str
        Spatial loops whose iterations beyond the extent have to be switched off in the functional unit itself, because
        no operand can be masked for them.
    """

    nest: Nest
    dataflow: Dataflow
    limits: tuple[tuple[str, int], ...]
    feeds: tuple[Feed, ...]
    drain: Drain
    gated: tuple[str, ...]

    @cached_property
    def extents(self) -> dict[str, int]:
        return dict(self.limits)


@dataclass(frozen=True)
class Architecture:
    """Everything spatial about a design: one array, the plans it serves (several once dataflows are fused)."""

    name: str
    plans: tuple[Plan, ...]

    @property
    def shape(self) -> Point:
        return self.plans[0].dataflow.shape

    @property
    def units(self) -> tuple[Point, ...]:
        return self.plans[0].dataflow.units


def mask_once(feeds: tuple[Feed, ...]) -> tuple[Feed, ...]:
    """Keep each mask at the operand with the fewest ports only: one zero factor makes a product zero."""
    keeper: dict[str, Feed] = {}
    for f in feeds:
        for loop in f.masked:
            if loop not in keeper or len(f.roots) < len(keeper[loop].roots):
                keeper[loop] = f
    return tuple(replace(f, masked=tuple(loop for loop in f.masked if keeper[loop] is f)) for f in feeds)


def build(
    nest: Nest,
    dataflow: Dataflow,
    *,
    limits: Mapping[str, int] | None = None,
    costs: LinkCosts | None = None,
    most_banks: int = MOST_BANKS,
    continues: bool = False,
    name: str | None = None,
) -> Architecture:
    """Derive the architecture of one dataflow.

    Parameters
    ----------
    limits
        Largest run-time extents; the nest's own (a tile's, where tiled) when left out.
    continues
        Whether a run may start from the sums that another run left in the output banks, of the same nest or of another
        dataflow of the array.

    Raises
    ------
    DataflowError
        The dataflow cannot be served; says which tensor, units and why.
    """
    extents = dataflow.tile_extents({**nest.extents, **(limits or {})})
    operands: list[str] = []
    for access in nest.inputs:
        repeats = sum(o == access.tensor or o.startswith(f"{access.tensor}_again") for o in operands)
        operands.append(access.tensor if not repeats else f"{access.tensor}_again{repeats}")
    feeds = tuple(
        feed(nest, access, operand, slot, dataflow, extents, costs or LinkCosts())
        for slot, (access, operand) in enumerate(zip(nest.inputs, operands, strict=True))
    )
    output = drain(nest, dataflow, extents, continues=continues)
    for part, access in ((output.banking, nest.output), *((f.banking, f.access) for f in feeds)):
        check_limit(part, access, dataflow, most_banks)
    feeds = mask_once(feeds)
    masked = {loop for f in feeds for loop in f.masked}
    gated = tuple(loop for loop, _ in dataflow.space if loop not in output.guarded and loop not in masked)
    plan = Plan(nest, dataflow, tuple(extents.items()), feeds, output, gated)
    return Architecture(name or f"{nest.name}_{dataflow.name}", (plan,))
