"""Values of named signals in every cycle, from a waveform (.vcd)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.bool_]
Scope = tuple[str, ...]


@dataclass(frozen=True)
class Trace:
    """What signals were between clock edges.

    Attributes
    ----------
    values, known : mapping of (scope, name) to array of (bit, cycle)
        The lowest bit first; a bit that is not known counts as 0.
    """

    values: Mapping[tuple[Scope, str], Bits]
    known: Mapping[tuple[Scope, str], Bits]
    cycles: int


Wanted = Callable[[Scope, str], bool]


def read_trace(path: Path, clock: tuple[Scope, str], during: tuple[Scope, str], wanted: Wanted) -> Trace:
    """The cycles of the first time that ``during`` is high, and the one before it.

    A cycle's value is the last one before the next rising edge of ``clock``.
    """
    with path.open() as file:
        widths, names = _header(file, wanted, (clock, during))
        (clock_code,) = (code for code, all_ in names.items() if clock in all_)
        (during_code,) = (code for code, all_ in names.items() if during in all_)
        changes: dict[str, list[tuple[int, str]]] = {code: [] for code in names}
        last: dict[str, str] = {}
        cycle, began = 0, None
        block: dict[str, str] = {}
        for line in chain(file, ["#end"]):
            if line[0] != "#":
                value, _, code = line.rstrip().partition(" ") if line[0] in "bB" else (line[0], "", line[1:].rstrip())
                if code in names:
                    block[code] = value.lstrip("bB")
                continue
            if block.get(clock_code) == "1":
                cycle += 1
                high = block.get(during_code, last.get(during_code)) == "1"
                if began is None and high:
                    began = cycle - 1
                elif began is not None and not high:
                    break
            for code, value in block.items():
                changes[code].append((cycle, value))
            last |= block
            block = {}
    assert began is not None, f"{'.'.join((*during[0], during[1]))} never rises in {path}"
    values, known = {}, {}
    for code, all_ in names.items():
        filled = _filled(changes[code], widths[code], began, cycle)
        for name in all_:
            values[name], known[name] = filled
    return Trace(values, known, cycle - began)


def _header(
    file: TextIO, wanted: Wanted, always: tuple[tuple[Scope, str], ...]
) -> tuple[dict[str, int], dict[str, list[tuple[Scope, str]]]]:
    """Widths by code, and the names that share a code."""
    widths: dict[str, int] = {}
    names: dict[str, list[tuple[Scope, str]]] = {}
    scope: list[str] = []
    for line in file:
        words = line.split()
        if not words:
            continue
        if words[0] == "$scope":
            scope.append(words[2])
        elif words[0] == "$upscope":
            scope.pop()
        elif words[0] == "$var":
            name = (tuple(scope), words[4].lstrip("\\"))
            if name in always or wanted(*name):
                widths[words[3]] = int(words[2])
                names.setdefault(words[3], []).append(name)
        elif words[0] == "$enddefinitions":
            break
    return widths, names


def _filled(changes: list[tuple[int, str]], width: int, began: int, end: int) -> tuple[Bits, Bits]:
    """Values and whether they are known, in cycles ``began`` to ``end`` - 1."""
    digits = np.full((end - began, width), ord("x"), np.uint8)
    for (cycle, value), following in zip(changes, (*(c for c, _ in changes[1:]), end), strict=True):
        if following > began:
            # Leading zeros are left out, and so are leading repetitions of what is not known.
            fill = value[0] if value[0] in "xzXZ" else "0"
            filled = np.frombuffer(value.rjust(width, fill).encode(), np.uint8)
            digits[max(0, cycle - began) : following - began] = filled
    digits = digits[:, ::-1].T
    return digits == ord("1"), (digits == ord("0")) | (digits == ord("1"))
