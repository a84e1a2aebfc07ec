"""Pieces of Verilog text."""

from __future__ import annotations

from collections.abc import Mapping


def bit_range(width: int) -> str:
    """Declaration of a vector's bits; nothing for a single one."""
    return f"[{width - 1}:0] " if width > 1 else ""


def instance(module: str, name: str, ports: Mapping[str, str]) -> str:
    """A module's instance with its ports by name."""
    joined = ", ".join(f".{port}({value})" for port, value in ports.items())
    return f"  {module} {name} ({joined});"
