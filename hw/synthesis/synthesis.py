"""Area, registers and longest paths of a design, module by module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hw.accelerator import Accelerator
from hw.synthesis.gates import GateModule, Gates
from hw.synthesis.library import Library, read_library
from hw.synthesis.mapping import map_to_gates
from hw.synthesis.timing import longest_paths_ns


@dataclass(frozen=True, slots=True)
class ModuleSynthesis:
    """One distinct module, without the modules in it.

    Attributes
    ----------
    instances : int
    area_um2 : float
        Of one instance's own cells.
    register_bits : int
        Flip-flops of one instance.
    longest_path_ns : float or None
        Between its registers and ports, and through the modules in it; None where OpenSTA is missing.
    """

    name: str
    instances: int
    area_um2: float
    register_bits: int
    longest_path_ns: float | None


@dataclass(frozen=True)
class Synthesis:
    """A mapped design, its memories left out.

    Attributes
    ----------
    modules : tuple of ModuleSynthesis
    cells : mapping of cell type to how often it stands in the design
    memory_bits : int
        Bits of all banks, whose area is not counted.
    gates : Gates
    """

    top: str
    library: str
    tool: str
    modules: tuple[ModuleSynthesis, ...]
    cells: Mapping[str, int]
    memory_bits: int
    gates: Gates

    @property
    def area_um2(self) -> float:
        """Cells of all instances; no wires, no memories."""
        return sum(m.instances * m.area_um2 for m in self.modules)

    @property
    def register_bits(self) -> int:
        """Flip-flops of all instances."""
        return sum(m.instances * m.register_bits for m in self.modules)

    @property
    def longest_path_ns(self) -> float | None:
        """Of the whole design, across modules."""
        return next(m.longest_path_ns for m in self.modules if m.name == self.top)


def synthesize(
    accelerator: Accelerator,
    library: Library | None = None,
    *,
    input_cell: str | None = None,
    cache: Path | None = None,
    paths: bool = True,
) -> Synthesis:
    """Map a generated design to the cells of a library, each module once and never flattened.

    Parameters
    ----------
    library
        Debian's qflow-tech-osu018 when left out.
    input_cell
        Cell that drives every input of every module, so that those with a large fan-out inside get buffers there;
        inputs drive anything when left out.
    cache
        Folder where what the tools gave is kept, by content.
    paths
        Look for the longest paths, which takes gigabytes where there are millions of cells.

    Raises
    ------
    LibertyError
        The library is missing or cannot be read.
    SynthesisError
        The tools reject the design or the library.
    """
    memories = accelerator.design.memory_bits
    return synthesize_verilog(
        accelerator.verilog, accelerator.top, memories, library, input_cell=input_cell, cache=cache, paths=paths
    )


def synthesize_verilog(
    verilog: str,
    top: str,
    memories: Mapping[str, int],
    library: Library | None = None,
    *,
    input_cell: str | None = None,
    cache: Path | None = None,
    paths: bool = True,
) -> Synthesis:
    """Map any Verilog; ``memories`` are its memory modules with the bits of all their instances.

    Other parameters and errors are those of `synthesize`.
    """
    library = library or read_library()
    gates = map_to_gates(verilog, top, tuple(memories), library, input_cell=input_cell, cache=cache)
    longest = longest_paths_ns(gates, library, cache=cache) if paths else None
    logic = [m for name, m in gates.modules.items() if name not in gates.memories]
    modules = tuple(
        ModuleSynthesis(
            m.name,
            gates.counts[m.name],
            sum(library.cells[t].area_um2 * n for t, n in _cells(m, gates).items()),
            sum(n for t, n in _cells(m, gates).items() if library.cells[t].state),
            None if longest is None else longest.get(m.name, 0.0),
        )
        for m in logic
    )
    cells: Counter[str] = Counter()
    for m in logic:
        for kind, number in _cells(m, gates).items():
            cells[kind] += gates.counts[m.name] * number
    bits = sum(n for name, n in memories.items() if name in gates.memories)
    return Synthesis(top, library.name, gates.tool, modules, dict(sorted(cells.items())), bits, gates)


def _cells(module: GateModule, gates: Gates) -> Counter[str]:
    """Library cells of one instance, by type."""
    return Counter(i.of for i in module.instances if i.of not in gates.modules)
