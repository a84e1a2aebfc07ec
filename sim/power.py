"""Energy of a design's logic: toggles of every mapped wire, by the energies of a cell library."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from hw.accelerator import Accelerator
from hw.design import Design
from hw.synthesis.gates import Bit, GateModule, Gates
from hw.synthesis.library import Library, read_library
from hw.synthesis.synthesis import Synthesis, synthesize
from sim.errors import SimulationError
from sim.power_gates import Toggles, count_toggles, instances_of, recorded_names
from sim.power_trace import Scope, read_trace
from sim.runner import simulate
from workloads.nest import Nest

# Of a wire to one more pin, and the slope of every edge: neither is known before placement.
WIRE_PF_PER_SINK = 0.002
SLEW_NS = 0.1

BENCH: Scope = ("bench",)
DUT: Scope = ("bench", "dut")

PARTS = ("clock", "registers", "logic", "links")


@dataclass(frozen=True)
class Power:
    """Energy of the first run of a nest on a mapped design, without its banks.

    Attributes
    ----------
    cycles : int
        Clock cycles of the run.
    energy_pj : mapping of (component, part) to energy of the whole run
        Components are the functional units, banks' ports, switches, control, and wiring (registers between modules).
        Parts are the registers' clock pins, what else registers do, logic, and links between modules.
    bank_bits : mapping of "read" and "written" to bits
        What the run moves into and out of the banks.
    """

    library: str
    cycles: int
    energy_pj: Mapping[tuple[str, str], float]
    bank_bits: Mapping[str, int]
    synthesis: Synthesis

    @property
    def pj_per_cycle(self) -> float:
        """Mean energy of a cycle."""
        return sum(self.energy_pj.values()) / self.cycles

    def power_mw(self, frequency_mhz: float) -> float:
        """Mean power at a clock frequency."""
        return self.pj_per_cycle * frequency_mhz * 1e-3

    def component_pj_per_cycle(self, component: str) -> float:
        return sum(e for (name, _), e in self.energy_pj.items() if name == component) / self.cycles

    def part_pj_per_cycle(self, part: str) -> float:
        return sum(e for (_, name), e in self.energy_pj.items() if name == part) / self.cycles


def measure_power(
    accelerator: Accelerator,
    nest: Nest,
    inputs: Mapping[str, npt.ArrayLike],
    *,
    library: Library | None = None,
    dataflow: str | None = None,
    cache: Path | None = None,
    paths: bool = True,
) -> Power:
    """Simulate a nest, evaluate the mapped gates on what its registers held, and sum the energy of every toggle.

    Energy of a wire is ``C V^2 / 2`` a toggle, that inside a cell is in the library's tables; clock pins toggle twice a
    cycle. Within a cycle every wire changes at most once: no glitches. There is no clock tree, no leakage, and wires
    weigh ``WIRE_PF_PER_SINK``. Only the first run of the nest counts. ``paths`` as in `synthesize`.

    Raises
    ------
    SimulationError
        Icarus is missing or the outputs are wrong.
    MappedDesignError
        The mapped design does not do what its source does.
    LibertyError, SynthesisError
        As `synthesize`.
    """
    library = library or read_library()
    mapped = synthesize(accelerator, library, cache=cache, paths=paths)
    gates = mapped.gates
    scopes = instances_of(gates, DUT)
    ports = {
        (*scope, i.name): i.of
        for name, all_ in scopes.items()
        for scope in all_
        for i in gates.modules[name].instances
        if i.of in gates.memories
    }
    wanted = {
        (s, n) for m, all_ in scopes.items() for n in recorded_names(gates.modules[m], library, gates) for s in all_
    }
    wanted |= {(scope, enable) for scope in ports for enable in ENABLES}
    with tempfile.TemporaryDirectory(prefix="brickwork-") as scratch:
        waveform = Path(scratch) / "run.vcd"
        result = simulate(accelerator, nest, inputs, dataflow=dataflow, simulator="icarus", waveform=waveform)
        if result.first_mismatch is not None:
            raise SimulationError(accelerator.name, result.first_mismatch, result.log)
        trace = read_trace(waveform, (BENCH, "clk"), (DUT, "busy"), lambda scope, name: (scope, name) in wanted)
    loads = _port_loads(gates, library)
    energy: dict[tuple[str, str], float] = defaultdict(float)
    for name, all_ in scopes.items():
        module = gates.modules[name]
        toggles = count_toggles(module, library, gates, trace, all_)
        component = _component(accelerator.design, name)
        for part, found in energy_pj(module, gates, library, toggles, loads).items():
            energy[component, part] += found
    bits: Counter[str] = Counter()
    for scope, name in ports.items():
        for enable, what in ENABLES.items():
            if (scope, enable) in trace.values:
                bits[what] += int(trace.values[scope, enable][:, 1:].sum()) * len(gates.modules[name].outputs["q"])
    return Power(library.name, trace.cycles - 1, dict(energy), dict(bits), mapped)


# The array's ports of a bank.
ENABLES = {"r_en": "read", "w_en": "written"}


def _component(design: Design, module: str) -> str:
    if module == design.name:
        return "wiring"
    if module == design.module("control"):
        return "control"
    if module in design.composite.values():
        return "switches"
    if module in design.post_modules:
        return "post-processing"
    region = next(kind.region for kind, name in design.kind_name.items() if name == module)
    return "banks' ports" if region in design.bank_of else "functional units"


def _port_loads(gates: Gates, library: Library) -> Mapping[tuple[str, str], tuple[float, ...]]:
    """Capacitance behind each bit of each module's inputs, in pF."""
    found: dict[tuple[str, str], tuple[float, ...]] = {}

    def visit(name: str) -> None:
        module = gates.modules[name]
        for instance in module.instances:
            if instance.of in gates.modules and (instance.of, "") not in found:
                visit(instance.of)
        load = _loads(module, gates, library, found)
        for port, wire in module.inputs.items():
            found[name, port] = tuple(load.get(bit, 0.0) for bit in wire)
        found[name, ""] = ()

    visit(gates.top)
    return found


def _loads(
    module: GateModule, gates: Gates, library: Library, ports: Mapping[tuple[str, str], tuple[float, ...]]
) -> dict[Bit, float]:
    """Capacitance of each wire: pins, ports of the modules inside, and the wire to each; in pF."""
    load: dict[Bit, float] = defaultdict(float)
    for instance in module.instances:
        inner = gates.modules.get(instance.of)
        if inner is not None:
            for port in inner.inputs:
                behind = ports.get((instance.of, port), ())
                for bit, capacitance in zip(instance.pins.get(port, ()), behind, strict=False):
                    load[bit] += capacitance
            continue
        for pin in library.cells[instance.of].pins:
            if not pin.output and pin.name in instance.pins:
                load[instance.pins[pin.name][0]] += pin.capacitance * library.load_pf + WIRE_PF_PER_SINK
    return load


def energy_pj(
    module: GateModule,
    gates: Gates,
    library: Library,
    toggles: Toggles,
    ports: Mapping[tuple[str, str], tuple[float, ...]],
) -> dict[str, float]:
    """Energy of all instances of a module by part. A wire's energy is its driver's; an input is driven elsewhere."""
    load = _loads(module, gates, library, ports)
    energy: dict[str, float] = dict.fromkeys(PARTS, 0.0)
    half = 0.5 * library.voltage_v**2
    clocks = {bit for bit in module.inputs.get("clk", ())}
    for instance in module.instances:
        inner = gates.modules.get(instance.of)
        if inner is not None:
            for port in inner.outputs:
                for bit in instance.pins.get(port, ()):
                    energy["links"] += half * load.get(bit, 0.0) * toggles.of.get(bit, 0)
            continue
        cell = library.cells[instance.of]
        part = "registers" if cell.state else "logic"
        for pin in cell.pins:
            if pin.name not in instance.pins:
                continue
            bit = instance.pins[pin.name][0]
            if bit in clocks:
                times, into = 2 * toggles.cycles, "clock"
                energy[into] += half * (pin.capacitance * library.load_pf + WIRE_PF_PER_SINK) * times
            else:
                times, into = toggles.of.get(bit, 0), part
            if pin.output:
                energy[into] += half * load.get(bit, 0.0) * times
            if pin.energies and times:
                slew, driven = SLEW_NS / library.time_ns, load.get(bit, 0.0) / library.load_pf
                mean = sum(table.at(slew, driven) for table in pin.energies) / len(pin.energies)
                energy[into] += mean * library.load_pf * times
    return energy


def power_facts(found: Power) -> dict[str, Any]:
    """A power measurement as JSON types."""
    components = dict.fromkeys(component for component, _ in found.energy_pj)
    return {
        "library": found.library,
        "cycles": found.cycles,
        "pj_per_cycle": found.pj_per_cycle,
        "components": {
            name: {part: found.energy_pj.get((name, part), 0.0) / found.cycles for part in PARTS} for name in components
        },
        "bank_bits": dict(found.bank_bits),
    }
