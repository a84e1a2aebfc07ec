"""Modules after mapping: cells of a library, instances of other modules, and the names that wires had before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

# A wire by number, or a constant: "0", "1", or "x" where nothing depends on it.
Bit = int | str


@dataclass(frozen=True, slots=True)
class Instance:
    """A cell or a module in a module.

    Attributes
    ----------
    pins : mapping of pin to its bits, the lowest first
    """

    name: str
    of: str
    pins: Mapping[str, tuple[Bit, ...]]


@dataclass(frozen=True)
class GateModule:
    """One module.

    Attributes
    ----------
    inputs, outputs, named : mapping of name to bits
        Ports, and every wire that the Verilog named.
    """

    name: str
    inputs: Mapping[str, tuple[Bit, ...]]
    outputs: Mapping[str, tuple[Bit, ...]]
    named: Mapping[str, tuple[Bit, ...]]
    instances: tuple[Instance, ...]


@dataclass(frozen=True)
class Gates:
    """A design of library cells.

    Attributes
    ----------
    modules : mapping of GateModule
        The memories, of which nothing but the ports is known, have no instances.
    verilog : str
    tool : str
        Name and version of what mapped it.
    """

    top: str
    memories: frozenset[str]
    modules: Mapping[str, GateModule]
    verilog: str
    tool: str

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How often each module, memories included, stands in the design."""
        total: Counter[str] = Counter()

        def count(name: str, times: int) -> None:
            total[name] += times
            inner = Counter(i.of for i in self.modules[name].instances if i.of in self.modules)
            for below, number in inner.items():
                count(below, times * number)

        count(self.top, 1)
        return dict(total)


def gates_of(found: Mapping[str, Any], top: str, memories: frozenset[str], verilog: str, tool: str) -> Gates:
    """Gates from the modules that Yosys's ``write_json`` writes."""
    inside = {top: _module(top, found[top])}
    waiting = [top]
    while waiting:
        for instance in inside[waiting.pop()].instances:
            if instance.of in found and instance.of not in inside:
                inside[instance.of] = _module(instance.of, found[instance.of])
                waiting.append(instance.of)
    return Gates(top, memories & inside.keys(), inside, verilog, tool)


def _module(name: str, written: Mapping[str, Any]) -> GateModule:
    ports = {d: {n: tuple(p["bits"]) for n, p in written["ports"].items() if p["direction"] == d} for d in _SIDES}
    return GateModule(
        name,
        ports["input"],
        ports["output"],
        # Yosys keeps the backslash of names that look like its own.
        {n.removeprefix("\\"): tuple(w["bits"]) for n, w in written["netnames"].items() if not w["hide_name"]},
        tuple(
            Instance(n, cell["type"], {pin: tuple(bits) for pin, bits in cell["connections"].items()})
            for n, cell in written["cells"].items()
        ),
    )


_SIDES = ("input", "output")
