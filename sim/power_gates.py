"""Toggles of every wire of a mapped design, from what its registers held in a simulation of the source.

The simulation of the source gives registers and ports in every cycle; what lies between them is evaluated gate by gate,
for all cycles and all instances of a module at once. Every register's next value and every port, as the gates have
them, must be what the simulation had, so that source and mapped design are also shown to agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np

from hw.synthesis.functions import evaluate, inputs
from hw.synthesis.gates import Bit, GateModule, Gates, Instance
from hw.synthesis.library import Library
from sim.power_trace import Bits, Scope, Trace
from workloads.errors import BrickworkError


class MappedDesignError(BrickworkError):
    """A mapped design that does not do what its source does.

    Attributes
    ----------
    module, wire : str
    """

    def __init__(self, module: str, wire: str, cycle: int) -> None:
        self.module, self.wire = module, wire
        super().__init__(
            f"module {module!r}: {wire} of the mapped design differs from the simulated source in cycle {cycle}"
        )


@dataclass(frozen=True)
class Toggles:
    """Toggles of a module's wires in all its instances.

    Attributes
    ----------
    of : mapping of wire to toggles
    cycles : int
        Steps from one cycle to the next, counted once an instance.
    """

    of: Mapping[Bit, int]
    cycles: int


def instances_of(gates: Gates, top: Scope) -> dict[str, list[Scope]]:
    """Scopes of all instances of each module, memories left out."""
    found: dict[str, list[Scope]] = {}
    waiting = [(gates.top, top)]
    while waiting:
        name, scope = waiting.pop()
        found.setdefault(name, []).append(scope)
        waiting += [
            (i.of, (*scope, i.name))
            for i in gates.modules[name].instances
            if i.of in gates.modules and i.of not in gates.memories
        ]
    return found


def recorded_names(module: GateModule, library: Library, gates: Gates) -> dict[str, tuple[Bit, ...]]:
    """Named wires that hold something which the gates do not compute, or that leave the module."""
    sources = set(_sources(module, library, gates))
    bits = {**module.named, **module.inputs, **module.outputs}
    return {name: wire for name, wire in bits.items() if name in module.outputs or not sources.isdisjoint(wire)}


def count_toggles(module: GateModule, library: Library, gates: Gates, trace: Trace, scopes: Sequence[Scope]) -> Toggles:
    """Count how often each wire of a module changes in the traced cycles.

    Raises
    ------
    MappedDesignError
        Registers or outputs differ from the trace.
    """
    shape = (len(scopes), trace.cycles)
    values: dict[Bit, Bits] = {"0": np.zeros(shape, bool), "1": np.ones(shape, bool), "x": np.zeros(shape, bool)}
    told: dict[Bit, tuple[str, Bits, Bits]] = {}
    for name, wire in recorded_names(module, library, gates).items():
        if any((scope, name) not in trace.values for scope in scopes):
            continue
        value = np.stack([trace.values[scope, name] for scope in scopes])
        known = np.stack([trace.known[scope, name] for scope in scopes])
        for place, bit in enumerate(wire):
            if not isinstance(bit, str):
                told[bit] = (f"{name}[{place}]", value[:, place], known[:, place])
    for bit in _sources(module, library, gates):
        if not isinstance(bit, str):
            assert bit in told, f"{module.name}: nothing in the trace says what wire {bit} is"
            values[bit] = told[bit][1]
    for instance in _in_order(module, library):
        pins = {pin: values[wire[0]] for pin, wire in instance.pins.items() if wire[0] in values}
        for pin in library.cells[instance.of].pins:
            if pin.function is not None and pin.name in instance.pins:
                values[instance.pins[pin.name][0]] = evaluate(pin.function, pins)
    _compare(module, library, values, told)
    of: dict[Bit, int] = {
        bit: int((v[:, 1:] != v[:, :-1]).sum()) for bit, v in values.items() if not isinstance(bit, str)
    }
    return Toggles(of, len(scopes) * (trace.cycles - 1))


def _sources(module: GateModule, library: Library, gates: Gates) -> Iterator[Bit]:
    """Wires whose value no gate of the module computes: inputs, registers, outputs of the modules in it."""
    for wire in module.inputs.values():
        yield from wire
    for instance in module.instances:
        if instance.of in gates.modules:
            for port in gates.modules[instance.of].outputs:
                yield from instance.pins.get(port, ())
        elif library.cells[instance.of].state:
            for pin in library.cells[instance.of].pins:
                if pin.output:
                    yield from instance.pins.get(pin.name, ())


def _in_order(module: GateModule, library: Library) -> list[Instance]:
    """Cells without state, operands first."""
    cells = {i.name: i for i in module.instances if i.of in library.cells and not library.cells[i.of].state}
    driver = {
        i.pins[pin.name][0]: i.name
        for i in cells.values()
        for pin in library.cells[i.of].pins
        if pin.output and pin.name in i.pins
    }
    graph = {
        i.name: {
            driver[wire[0]]
            for pin, wire in i.pins.items()
            if not library.cells[i.of].pin(pin).output and wire[0] in driver
        }
        for i in cells.values()
    }
    return [cells[name] for name in TopologicalSorter(graph).static_order()]


def _compare(
    module: GateModule, library: Library, values: Mapping[Bit, Bits], told: Mapping[Bit, tuple[str, Bits, Bits]]
) -> None:
    """Check computed outputs, and what registers take for the next cycle, against the trace."""
    for bit in dict.fromkeys(bit for wire in module.outputs.values() for bit in wire):
        if bit in told:
            name, value, known = told[bit]
            _same(module, name, (values[bit] == value) | ~known)
    for instance in module.instances:
        cell = library.cells.get(instance.of)
        if cell is None or cell.next_state is None:
            continue
        following = evaluate(cell.next_state, {n: values[instance.pins[n][0]] for n in inputs(cell.next_state)})
        for pin in cell.pins:
            if pin.function == cell.state and pin.name in instance.pins:
                name, value, known = told[instance.pins[pin.name][0]]
                _same(module, name, (following[:, :-1] == value[:, 1:]) | ~known[:, 1:])


def _same(module: GateModule, name: str, same: Bits) -> None:
    if not same.all():
        raise MappedDesignError(module.name, name, int(np.argwhere(~same)[0][1]))
