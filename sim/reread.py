"""Read Verilog back with Pyverilog: what a design's text holds, independently of what wrote it."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyverilog.vparser import ast
from pyverilog.vparser.parser import VerilogCodeParser

from sim.toolchain import require


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a module; ``direction`` is "in", "out" or "inout"."""

    name: str
    direction: str
    bits: int


@dataclass(frozen=True, slots=True)
class Memory:
    """An array of words."""

    name: str
    word_bits: int
    depth: int


@dataclass(frozen=True)
class ReadModule:
    """What the text of one module says.

    Attributes
    ----------
    instances : tuple of (module name, how often)
        Placed directly in this module, by name.
    registers : tuple of (name, bits)
        Variables assigned under a clock edge, memories excluded.
    memories : tuple of Memory
    """

    name: str
    ports: tuple[Port, ...]
    instances: tuple[tuple[str, int], ...]
    registers: tuple[tuple[str, int], ...]
    memories: tuple[Memory, ...]

    @property
    def register_bits(self) -> int:
        return sum(bits for _, bits in self.registers)

    @property
    def memory_bits(self) -> int:
        return sum(m.word_bits * m.depth for m in self.memories)


@dataclass(frozen=True)
class ReadDesign:
    """All modules of a text, by name."""

    modules: dict[str, ReadModule]

    def placed(self, top: str) -> Counter[str]:
        """How often each module exists below ``top``, itself included once."""
        total: Counter[str] = Counter({top: 1})
        for name, count in self.modules[top].instances:
            below = self.placed(name) if name in self.modules else Counter({name: 1})
            for inner, inner_count in below.items():
                total[inner] += count * inner_count
        return total

    def register_bits(self, top: str) -> int:
        """Register bits of the whole design below ``top``."""
        return sum(n * self.modules[name].register_bits for name, n in self.placed(top).items() if name in self.modules)

    def memory_bits(self, top: str) -> int:
        """Memory bits of the whole design below ``top``."""
        return sum(n * self.modules[name].memory_bits for name, n in self.placed(top).items() if name in self.modules)


def reread(verilog: str) -> ReadDesign:
    """Parse Verilog text.

    Raises
    ------
    ToolError
        ``iverilog`` is missing: Pyverilog uses it as preprocessor.
    """
    require("iverilog", "as Pyverilog's preprocessor")
    with tempfile.TemporaryDirectory(prefix="brickwork-") as scratch:
        # Pyverilog leaves its preprocessor's output and its parser tables where it is told, else in the working folder.
        source = Path(scratch) / "design.v"
        source.write_text(verilog)
        parser = VerilogCodeParser(
            [str(source)],
            preprocess_output=os.path.join(scratch, "preprocessed.v"),
            outputdir=scratch,
            debug=False,
        )
        tree = parser.parse()
    return ReadDesign({m.name: _module(m) for m in tree.description.definitions if isinstance(m, ast.ModuleDef)})


def _module(module: Any) -> ReadModule:
    ports: dict[str, Port] = {}
    variables: dict[str, int] = {}
    memories: dict[str, Memory] = {}
    instances: Counter[str] = Counter()
    clocked: set[str] = set()
    declarations = [p.first for p in module.portlist.ports if isinstance(p, ast.Ioport)] if module.portlist else []
    declarations += [
        p.second for p in (module.portlist.ports if module.portlist else ()) if isinstance(p, ast.Ioport) and p.second
    ]
    for item in module.items:
        if isinstance(item, ast.Decl):
            declarations += item.list
        elif isinstance(item, ast.InstanceList):
            instances[item.module] += len(item.instances)
        elif isinstance(item, ast.Always) and any(s.type in ("posedge", "negedge") for s in item.sens_list.list):
            clocked |= _assigned(item.statement)
    for found in declarations:
        if isinstance(found, (ast.Input, ast.Output, ast.Inout)):
            direction = {"Input": "in", "Output": "out", "Inout": "inout"}[type(found).__name__]
            ports[found.name] = Port(found.name, direction, _bits(found.width))
        elif isinstance(found, ast.Reg):
            if found.dimensions is not None:
                (length,) = found.dimensions.lengths
                memories[found.name] = Memory(found.name, _bits(found.width), _bits(length))
            else:
                variables[found.name] = _bits(found.width)
    registers = tuple((name, bits) for name, bits in variables.items() if name in clocked)
    return ReadModule(
        module.name, tuple(ports.values()), tuple(sorted(instances.items())), registers, tuple(memories.values())
    )


def _assigned(node: Any) -> set[str]:
    """Names on the left of every assignment below a statement."""
    if isinstance(node, (ast.NonblockingSubstitution, ast.BlockingSubstitution)):
        return _targets(node.left.var)
    return {name for child in node.children() for name in _assigned(child)}


def _targets(node: Any) -> set[str]:
    if isinstance(node, ast.Identifier):
        return {node.name}
    if isinstance(node, (ast.Partselect, ast.Pointer)):
        return _targets(node.var)
    return {name for child in node.children() for name in _targets(child)}


def _bits(width: Any) -> int:
    if width is None:
        return 1
    return abs(_number(width.msb) - _number(width.lsb)) + 1


def _number(node: Any) -> int:
    """Value of a constant bound."""
    if isinstance(node, ast.IntConst):
        text = node.value.replace("_", "")
        if "'" not in text:
            return int(text)
        _, _, digits = text.partition("'")
        digits = digits.lstrip("sS")
        return int(digits[1:], {"b": 2, "o": 8, "d": 10, "h": 16}[digits[0].lower()])
    if isinstance(node, ast.Minus):
        return _number(node.left) - _number(node.right)
    if isinstance(node, ast.Plus):
        return _number(node.left) + _number(node.right)
    raise ValueError(f"bound {node} is not a number")
