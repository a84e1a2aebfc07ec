"""Several dataflows in one array, chosen jointly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dataflow.architecture import Architecture, Plan


def fuse(architectures: Sequence[Architecture], *, name: str | None = None) -> Architecture:
    """Lay the dataflows of several architectures over one array."""
    plans = [plan for architecture in architectures for plan in architecture.plans]
    return Architecture(name or "_".join(a.name for a in architectures), tuple(_shared(plan) for plan in plans))


def _shared(plan: Plan) -> Plan:
    feeds = tuple(replace(feed, operand=f"x{feed.slot}") for feed in plan.feeds)
    return replace(plan, feeds=feeds, drain=replace(plan.drain, operand="y"))
